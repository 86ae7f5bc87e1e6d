import { ACCESS_USER, ACCESS_WRITE } from "@tsvm/mmu";
import { beforeEach, describe, expect, it } from "vitest";
import { CR3_LAM_U48, CR3_LAM_U57, CR4 } from "../src/state/bits.ts";
import { GPR } from "../src/state/layout.ts";
import { BareMachine, PAGE_TABLES } from "./bare-machine.ts";

let m: BareMachine;
beforeEach(() => {
  m = new BareMachine().long();
});

const read = (linear: bigint, access = 0): string => {
  m.cpu.linear.read64(linear, access);
  return m.fault();
};

describe("protection keys", () => {
  const registers = (eax: number, ecx = 0, edx = 0): void => {
    for (const [register, value] of [
      [GPR.rax, eax],
      [GPR.rcx, ecx],
      [GPR.rdx, edx],
    ] as const)
      m.cpu.setGpr32(register, value);
  };

  it("RDPKRU and WRPKRU need CR4.PKE and zeros around the value", () => {
    registers(4);
    expect([m.faultOf("rdpkru"), m.faultOf("wrpkru")]).toEqual(["#UD", "#UD"]);
    m.call("movToCr", 4, 0x20 | CR4.PKE);
    expect([m.call("wrpkru"), m.cpu.get32("pkru")]).toEqual(["next", 4]);
    registers(4, 1);
    expect([m.faultOf("rdpkru"), m.faultOf("wrpkru")]).toEqual(["#GP(0)", "#GP(0)"]);
    registers(4, 0, 1);
    expect(m.faultOf("wrpkru")).toBe("#GP(0)");
    expect([m.call("rdpkru"), m.cpu.gpr32(GPR.rax), m.cpu.gpr32(GPR.rdx)]).toEqual(["next", 4, 0]);
  });

  it("a new PKRU counts for pages that are in the TLB", () => {
    m.call("movToCr", 4, 0x20 | CR4.PKE);
    // The identity page has key 1.
    m.write64(PAGE_TABLES + 0x1000, 0x87n | (1n << 59n));
    m.cpu.linear.flushAll();
    m.user();
    expect(read(0x5000n, ACCESS_USER)).toBe("none");
    registers(1 << 2);
    m.call("wrpkru");
    expect(read(0x5000n, ACCESS_USER)).toBe("#PF(25)");
    registers(2 << 2);
    m.call("wrpkru");
    expect(read(0x5000n, ACCESS_USER)).toBe("none");
    m.cpu.linear.write64(0x5000n, 0n, ACCESS_USER | ACCESS_WRITE);
    expect(m.fault()).toBe("#PF(27)");
  });
});

describe("linear-address masking", () => {
  const tag = (bits: bigint): bigint => 0x5000n | bits;

  it("LAM57 ignores bits 62:57 of user addresses, LAM48 bits 62:48", () => {
    expect(read(tag(0x7en << 56n))).toBe("#GP(0)");
    m.cpu.set64("cr3", BigInt(PAGE_TABLES) | CR3_LAM_U57);
    m.cpu.linear.cr3Changed(false);
    expect([read(tag(0x7en << 56n)), read(tag(1n << 50n))]).toEqual(["none", "#GP(0)"]);
    m.cpu.set64("cr3", BigInt(PAGE_TABLES) | CR3_LAM_U48);
    m.cpu.linear.cr3Changed(false);
    expect(read(tag(0x7fffn << 48n))).toBe("none");
    // Bit 63 stays, and makes it a supervisor address that is not canonical.
    expect(read(tag(0xffffn << 48n))).toBe("#GP(0)");
  });

  it("CR4.LAM_SUP masks the upper half, and CR2 has the masked address", () => {
    m.call("movToCr", 4, 0x20 | CR4.LAM_SUP);
    const address = 0xffff_8000_0000_5000n;
    const tagged = BigInt.asUintN(64, address ^ (0x55n << 55n));
    expect(read(tagged)).toBe("#PF(0)");
    m.cpu.linear.read64(tagged, 0);
    expect(m.cpu.get64("pendingAddress")).toBe(address);
    m.fault();
  });

  it("MOV to CR3 takes its bits only where it exists", () => {
    expect(m.call("movToCr", 3, BigInt(PAGE_TABLES) | CR3_LAM_U57)).toBe("jump");
    expect(m.cpu.get64("cr3")).toBe(BigInt(PAGE_TABLES) | CR3_LAM_U57);
    m = new BareMachine("max,-lam").long();
    expect(m.faultOf("movToCr", 3, BigInt(PAGE_TABLES) | CR3_LAM_U57)).toBe("#GP(0)");
  });
});

describe("MOVDIR64B", () => {
  it("moves 64 bytes to an aligned place, and nothing else", () => {
    for (let i = 0; i < 8; i++) m.write64(0x5003 + i * 8, BigInt(i + 1));
    expect(m.call("movdir64b", 0x5003, 0x6040)).toBe("next");
    expect([m.read64(0x6040), m.read64(0x6078), m.read64(0x6080)]).toEqual([1n, 8n, 0n]);
    expect(m.faultOf("movdir64b", 0x5003, 0x6048)).toBe("#GP(0)");
  });
});
