import { beforeEach, describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";
import { FLAG } from "../state/bits.ts";
import { AT, SEGMENT } from "../state/layout.ts";

let m: InsnMachine;
let memory: DataView;
beforeEach(() => {
  m = new InsnMachine(64);
  memory = new DataView(m.ram.buffer, m.ram.byteOffset);
});
const ONES = 0xffff_ffff_ffff_ffffn;

describe("MOV", () => {
  it("of 32 bits clears the upper half, of 16 and 8 bits keeps the rest", () => {
    const rax = (code: string): bigint => {
      m.set({ rax: ONES, rcx: 0x1122_3344_5566_7788n }).run(code);
      return m.get("rax");
    };
    expect(rax("89c8")).toBe(0x5566_7788n);
    expect(rax("6689c8")).toBe(0xffff_ffff_ffff_7788n);
    expect(rax("88c8")).toBe(0xffff_ffff_ffff_ff88n);
    expect(rax("88ec")).toBe(0xffff_ffff_ffff_77ffn);
  });

  it("takes 64-bit immediates in full and 32-bit ones extended by sign", () => {
    m.run("48b88877665544332211");
    expect(m.get("rax")).toBe(0x1122_3344_5566_7788n);
    m.run("48c7c0000000f0");
    expect(m.get("rax")).toBe(0xffff_ffff_f000_0000n);
  });

  it("takes absolute offsets of the address size", () => {
    memory.setUint32(0x4000, 0xdead_beef, true);
    m.run("a10040000000000000");
    expect(m.get("rax")).toBe(0xdead_beefn);
    m.set({ rax: 0 }).run("67a100400000");
    expect(m.get("rax")).toBe(0xdead_beefn);
  });

  it("forms addresses of base, index, scale and displacement", () => {
    memory.setUint8(0x4321, 0x5a);
    m.set({ rbx: 0x4000, r9: 0x64 }).run("428a848b91010000");
    expect(m.get("rax") & 0xffn).toBe(0x5an);
  });

  it("cuts 32-bit addresses", () => {
    memory.setUint8(0x4321, 0x5a);
    m.set({ rbx: 0xffff_f000, rcx: 0x5321 }).run("678a040b");
    expect(m.get("rax") & 0xffn).toBe(0x5an);
  });

  it("may not write through CS, even if everything is flat", () => {
    m = new InsnMachine(32);
    m.set({ rbx: 0x4000 }).run("2e8803");
    expect(m.fault).toBe("#GP(0)");
    m.run("2e8a03");
    expect(m.fault).toBe("none");
  });

  it("may not cross the last byte of a flat segment", () => {
    m = new InsnMachine(32);
    m.set({ rbx: 0xffff_fffe }).run("8b03");
    expect(m.fault).toBe("#GP(0)");
    m.set({ rbp: 0xffff_fffe }).run("8b4500");
    expect(m.fault).toBe("#SS(0)");
  });
});

describe("relatives of MOV", () => {
  it("MOVZX MOVSX MOVSXD", () => {
    const rax = (code: string): bigint => {
      m.set({ rax: ONES, rcx: 0x8234_8281 }).run(code);
      return m.get("rax");
    };
    expect(rax("0fb6c1")).toBe(0x81n);
    expect(rax("480fb7c1")).toBe(0x8281n);
    expect(rax("0fbec1")).toBe(0xffff_ff81n);
    expect(rax("660fbec1")).toBe(0xffff_ffff_ffff_ff81n);
    expect(rax("480fbfc1")).toBe(0xffff_ffff_ffff_8281n);
    expect(rax("4863c1")).toBe(0xffff_ffff_8234_8281n);
  });

  it("CBW CWDE CDQE and CWD CDQ CQO extend by sign", () => {
    const rax = (code: string): bigint => {
      m.set({ rax: 0x1234_8080_8080_8080n }).run(code);
      return m.get("rax");
    };
    expect(rax("6698")).toBe(0x1234_8080_8080_ff80n);
    expect(rax("98")).toBe(0xffff_8080n);
    expect(rax("4898")).toBe(0xffff_ffff_8080_8080n);
    m.set({ rax: 0x8000_0000, rdx: 0 }).run("99");
    expect(m.get("rdx")).toBe(0xffff_ffffn);
    m.run("4899");
    expect(m.get("rdx")).toBe(0n);
  });

  it("CMOVcc cuts a 32-bit destination whether or not it moves", () => {
    m.flags = FLAG.ZF;
    m.set({ rax: ONES, rcx: 5 }).run("0f45c1");
    expect(m.get("rax")).toBe(0xffff_ffffn);
    m.run("0f44c1");
    expect(m.get("rax")).toBe(5n);
  });

  it("XCHG with memory", () => {
    memory.setBigUint64(0x4000, 7n, true);
    m.set({ rbx: 0x4000, rcx: 9 }).run("48870b");
    expect([m.get("rcx"), memory.getBigUint64(0x4000, true)]).toEqual([7n, 9n]);
  });

  it("BSWAP reverses 4 or 8 bytes, and makes 2 bytes 0", () => {
    m.set({ rax: 0x1122_3344_5566_7788n }).run("480fc8");
    expect(m.get("rax")).toBe(0x8877_6655_4433_2211n);
    m.run("0fc8");
    expect(m.get("rax")).toBe(0x1122_3344n);
    m.run("660fc8");
    expect(m.get("rax")).toBe(0x1122_0000n);
  });

  it("MOVBE loads and stores reversed", () => {
    memory.setUint32(0x4000, 0x1122_3344, true);
    m.set({ rbx: 0x4000 }).run("0f38f003");
    expect(m.get("rax")).toBe(0x4433_2211n);
    m.run("660f38f103");
    expect(memory.getUint16(0x4000, true)).toBe(0x1122);
  });

  it("XLAT looks AL up in a table", () => {
    memory.setUint8(0x40fe, 0x33);
    m.set({ rbx: 0x4000, rax: 0x12fe }).run("d7");
    expect(m.get("rax")).toBe(0x1233n);
  });

  it("LEA cuts to operand and address size and touches nothing", () => {
    m.set({ rbx: 0xffff_ffff_0000_0001n, rcx: 2 }).run("488d444b10");
    expect(m.get("rax")).toBe(0xffff_ffff_0000_0015n);
    m.run("8d444b10");
    expect(m.get("rax")).toBe(0x15n);
    m.run("67488d43f0");
    expect(m.get("rax")).toBe(0xffff_fff1n);
    expect(m.fault).toBe("none");
  });
});

describe("MOVDIRI", () => {
  it("stores 32 and 64 bits, at any address, and leaves flags alone", () => {
    m.set({ rax: 0x1122_3344_5566_7788n, rdi: 0x2003n });
    m.flags = FLAG.CF | FLAG.ZF;
    memory.setBigUint64(0x2003, ONES, true);
    m.run("0f38f907");
    expect(memory.getBigUint64(0x2003, true)).toBe(0xffff_ffff_5566_7788n);
    m.run("480f38f907");
    expect(memory.getBigUint64(0x2003, true)).toBe(0x1122_3344_5566_7788n);
    expect(m.flags).toBe(FLAG.CF | FLAG.ZF);
  });

  it.each([
    ["a register as destination", "0f38f9c0"],
    ["LOCK", "f00f38f907"],
    ["a prefix of 66", "660f38f907"],
    ["F3", "f30f38f907"],
  ])("with %s is undefined", (_, code) => {
    m.set({ rdi: 0x2000n }).run(code);
    expect(m.fault).toBe("#UD");
  });
});

describe("MOV of segment registers", () => {
  it.each([
    ["to CS", "8e0f"],
    ["to the seventh", "8e37"],
    ["to the eighth", "8e3f"],
    ["from the seventh", "8c37"],
    ["from the eighth", "8c3f"],
    ["from the seventh to a register", "8cf0"],
  ])("%s is undefined, wherever its operand is", (_, code) => {
    m = new InsnMachine(32).limit("ds", 0xfff);
    m.set({ rdi: 0x5000n }).run(code);
    expect(m.fault).toBe("#UD");
  });

  it("ignores REX.R: there are no further ones", () => {
    m = new InsnMachine(64);
    m.cpu.set32(AT.segSelector, 0x2b, SEGMENT.ds);
    m.set({ rax: ONES, rcx: 0n }).run("448cd8"); // MOV EAX, DS
    expect([m.fault, m.get("rax")]).toEqual(["none", 0x2bn]);
    m.run("448ed9"); // MOV DS, ECX
    expect([m.fault, m.cpu.get32(AT.segSelector, SEGMENT.ds)]).toEqual(["none", 0]);
  });
});

describe("MOVDIR64B", () => {
  it("moves 64 bytes to an aligned address in ES, and nowhere else", () => {
    for (let i = 0; i < 64; i++) m.ram[0x2001 + i] = i + 1;
    m.set({ rsi: 0x2001n, rdi: 0x3040n }).run("660f38f83e");
    expect([...m.ram.subarray(0x3040, 0x3080)]).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
    expect([m.ram[0x303f], m.ram[0x3080]]).toEqual([0, 0]);
    m.set({ rdi: 0x3048n }).run("660f38f83e");
    expect(m.fault).toBe("#GP(0)");
  });
});

describe("SERIALIZE", () => {
  it("changes nothing that software sees", () => {
    m.set({ rax: ONES, rcx: 7n });
    m.flags = FLAG.CF | FLAG.OF;
    m.run("0f01e8");
    expect([m.fault, m.get("rax"), m.get("rcx"), m.flags]).toEqual(["none", ONES, 7n, FLAG.CF | FLAG.OF]);
  });

  it.each(["660f01e8", "f00f01e8"])("%s is undefined", (code) => {
    m.run(code);
    expect(m.fault).toBe("#UD");
  });
});
