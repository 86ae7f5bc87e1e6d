import { beforeEach, describe, expect, it } from "vitest";
import { VectorMachine } from "../../test/vector-machine.ts";
import { CR0 } from "../state/bits.ts";

const DATA = 0x4000;
const m = new VectorMachine();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const MEMORY = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";
const X = "00112233445566778899aabbccddeeff";
const Y = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

beforeEach(() => {
  m.xmm(0).set(Buffer.from(X, "hex"));
  m.xmm(1).set(Buffer.from(Y, "hex"));
  m.ram.set(Buffer.from(MEMORY, "hex"), DATA);
  m.set({ rdi: DATA, rax: 0x8877_6655_4433_2211n });
});

/** XMM0 after an instruction. */
function after(code: string): string {
  m.run(code);
  return hex(m.xmm(0));
}

describe("loads and moves between registers", () => {
  it.each([
    ["MOVSS from memory clears the rest", "f30f1007", `a0a1a2a3${"00".repeat(12)}`],
    ["MOVSS between registers keeps it", "f30f10c1", `0f1e2d3c${X.slice(8)}`],
    ["MOVSD from memory", "f20f1007", `${MEMORY.slice(0, 16)}${"00".repeat(8)}`],
    ["MOVSD between registers", "f20f10c1", Y.slice(0, 16) + X.slice(16)],
    ["MOVQ between registers clears", "f30f7ec1", `${Y.slice(0, 16)}${"00".repeat(8)}`],
    ["MOVQ the other way clears too", "660fd6c8", `${Y.slice(0, 16)}${"00".repeat(8)}`],
    ["MOVD zero-extends", "660f6ec0", `11223344${"00".repeat(12)}`],
    ["MOVQ from a general register", "66480f6ec0", `1122334455667788${"00".repeat(8)}`],
    ["MOVLPS keeps the high half", "0f1207", MEMORY.slice(0, 16) + X.slice(16)],
    ["MOVHPS keeps the low half", "0f1607", X.slice(0, 16) + MEMORY.slice(0, 16)],
    ["MOVHLPS", "0f12c1", Y.slice(16) + X.slice(16)],
    ["MOVLHPS", "0f16c1", X.slice(0, 16) + Y.slice(0, 16)],
    ["MOVSLDUP", "f30f12c1", "0f1e2d3c0f1e2d3c8796a5b48796a5b4"],
    ["MOVSHDUP", "f30f16c1", "4b5a69784b5a6978c3d2e1f0c3d2e1f0"],
    ["MOVDDUP", "f20f1207", MEMORY.slice(0, 16).repeat(2)],
  ])("%s", (_, code, expected) => {
    expect(after(code)).toBe(expected);
  });
});

describe("stores", () => {
  it.each([
    ["MOVSS", "f30f1107", X.slice(0, 8) + MEMORY.slice(8)],
    ["MOVSD", "f20f1107", X.slice(0, 16) + MEMORY.slice(16)],
    ["MOVHPS", "0f1707", X.slice(16) + MEMORY.slice(16)],
    ["MOVQ", "660fd607", X.slice(0, 16) + MEMORY.slice(16)],
    ["MOVD", "660f7e07", X.slice(0, 8) + MEMORY.slice(8)],
    ["MOVAPS", "0f2907", X],
    ["MOVNTDQ", "660fe707", X],
    // Of the mask's bytes only the signs count; 0f1e...: 8796a5b4c3d2e1f0 are set.
    ["MASKMOVDQU", "660ff7c1", MEMORY.slice(0, 16) + X.slice(16)],
  ])("%s writes what it names and nothing else", (_, code, expected) => {
    m.run(code);
    expect(hex(m.ram.slice(DATA, DATA + 16))).toBe(expected);
  });
});

describe("sign masks", () => {
  it.each([
    ["PMOVMSKB", "660fd7c1", 0xff00n],
    ["MOVMSKPS", "0f50c1", 0b1100n],
    ["MOVMSKPD", "660f50c1", 0b10n],
  ])("%s zero-extends to 64 bits", (_, code, expected) => {
    m.run(code);
    expect(m.get("rax")).toBe(expected);
  });
});

describe("faults", () => {
  it.each([
    ["MOVAPS", "0f284701", "#GP(0)"],
    ["MOVAPS to memory", "0f294701", "#GP(0)"],
    ["MOVDQA", "660f6f4701", "#GP(0)"],
    ["PXOR", "660fef4701", "#GP(0)"],
    ["MOVUPS", "0f104701", "none"],
    ["MOVDQU", "f30f6f4701", "none"],
    ["LDDQU", "f20ff04701", "none"],
    ["MOVSD", "f20f104701", "none"],
  ])("%s at an odd address: %s gives %s", (_, code, fault) => {
    m.run(code);
    expect(m.fault).toBe(fault);
  });

  it.each(["660f12c1", "660f16c1", "660f53c1", "660f52c1", "660fc307"])("66 makes no instruction of %s", (code) => {
    m.run(code);
    expect(m.fault).toBe("#UD");
  });

  it("SSE is off with CR4.OSFXSR clear or CR0.EM set, and traps with CR0.TS set", () => {
    const off = new VectorMachine();
    const fault = (): string => {
      off.run("0f28c1");
      return off.fault;
    };
    off.cpu.setLow("cr0", off.cpu.low("cr0") | CR0.TS);
    expect(fault()).toBe("#NM");
    off.cpu.setLow("cr0", off.cpu.low("cr0") | CR0.EM);
    expect(fault()).toBe("#UD");
    off.cpu.setLow("cr0", off.cpu.low("cr0") & ~(CR0.EM | CR0.TS));
    expect(fault()).toBe("none");
    off.cpu.setLow("cr4", 0);
    expect(fault()).toBe("#UD");
  });
});
