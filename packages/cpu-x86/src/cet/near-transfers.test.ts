import { beforeEach, describe, expect, it } from "vitest";
import { CetMachine, CODE, STACK, USER_SHADOW, USER_SSP } from "../../test/cet-machine.ts";
import { CET } from "../state/bits.ts";
import { AT, GPR } from "../state/layout.ts";

let m: CetMachine;

describe("near CALL and RET with a shadow stack", () => {
  beforeEach(() => {
    m = new CetMachine().enforceUser(CET.SH_STK_EN);
  });

  it("keep the return address twice", () => {
    expect(m.run("e8fb0f0000")).toBe("none");
    expect([m.cpu.rip, m.cpu.rsp, m.ssp]).toEqual([CODE + 0x1000n, STACK - 8n, USER_SSP - 8n]);
    expect([m.read64(Number(m.cpu.rsp)), ...m.shadow(1)]).toEqual([CODE + 5n, CODE + 5n]);
    expect(m.run("c3", m.cpu.rip)).toBe("none");
    expect([m.cpu.rip, m.cpu.rsp, m.ssp]).toEqual([CODE + 5n, STACK, USER_SSP]);
  });

  it("do so indirectly, and release parameters", () => {
    m.cpu.setGpr64(GPR.rax, 0x1_2000n);
    expect(m.run("ffd0")).toBe("none");
    expect([m.cpu.rip, m.ssp]).toEqual([0x1_2000n, USER_SSP - 8n]);
    expect(m.run("c21000", m.cpu.rip)).toBe("none");
    expect([m.cpu.rip, m.cpu.rsp, m.ssp]).toEqual([CODE + 2n, STACK + 16n, USER_SSP]);
  });

  it("CALL of the next instruction keeps nothing on the shadow stack", () => {
    expect(m.run("e800000000")).toBe("none");
    expect([m.cpu.rip, m.cpu.rsp, m.ssp]).toEqual([CODE + 5n, STACK - 8n, USER_SSP]);
  });

  it("RET elsewhere is #CP(1), and nothing has changed", () => {
    m.run("e8fb0f0000");
    m.write64(Number(m.cpu.rsp), 0x1_3000n);
    const { rip, rsp } = m.cpu;
    expect(m.run("c3", rip)).toBe("#CP(1)");
    expect([m.cpu.rip, m.cpu.rsp, m.ssp]).toEqual([rip, rsp, USER_SSP - 8n]);
  });

  it("fault where there is no shadow stack, telling that", () => {
    m.ssp = BigInt(USER_SHADOW);
    expect(m.run("e8fb0f0000")).toBe("#PF(47)");
    expect([m.cpu.rip, m.cpu.rsp, m.ssp, m.cpu.get64(AT.pendingAddress)]).toEqual([
      CODE,
      STACK,
      BigInt(USER_SHADOW),
      BigInt(USER_SHADOW - 8),
    ]);
    m.ssp = 0x4_0000n;
    m.write64(Number(STACK), CODE);
    expect(m.run("c3")).toBe("#PF(45)");
  });

  it("use 4 bytes in compatibility mode", () => {
    m.setFlat(3);
    expect(m.run("e8fb0f0000")).toBe("none");
    expect([m.cpu.rsp, m.ssp, m.read32(Number(m.ssp))]).toEqual([STACK - 4n, USER_SSP - 4n, 0x1_0005]);
    expect(m.run("c3", m.cpu.rip)).toBe("none");
    expect([m.cpu.rip, m.ssp]).toEqual([CODE + 5n, USER_SSP]);
  });

  it("leave the shadow stack alone where the privilege has none", () => {
    m.enforce(0, CET.SH_STK_EN);
    m.ssp = 0x1234n;
    expect(m.run("e8fb0f0000")).toBe("none");
    expect([m.cpu.rip, m.cpu.rsp, m.ssp]).toEqual([CODE + 0x1000n, STACK - 8n, 0x1234n]);
    expect(m.run("c3", m.cpu.rip)).toBe("none");
    expect([m.cpu.rip, m.cpu.rsp, m.ssp]).toEqual([CODE + 5n, STACK, 0x1234n]);
  });

  it("ordinary writes to shadow stacks fault, reads do not", () => {
    m.cpu.setGpr64(GPR.rax, USER_SSP);
    expect(m.run("488900")).toBe("#PF(7)");
    expect(m.run("488b08")).toBe("none");
  });

  it("targets are looked at first", () => {
    m.cpu.setGpr64(GPR.rax, 1n << 60n);
    expect(m.run("ffd0")).toBe("#GP(0)");
    expect([m.cpu.rsp, m.ssp]).toEqual([STACK, USER_SSP]);
  });
});
