import { beforeEach, describe, expect, it } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";
import { FLAG } from "../state/bits.ts";

const ALL = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.OF;
const AT = 0x4000;
let m: InsnMachine;
let memory: DataView;
beforeEach(() => {
  m = new InsnMachine(64);
  memory = new DataView(m.ram.buffer, m.ram.byteOffset);
});

describe("CMPXCHG", () => {
  it("stores the source when the accumulator equals the destination", () => {
    memory.setUint32(AT, 7, true);
    m.set({ rax: 0xffff_ffff_0000_0007n, rbx: AT, rcx: 9 }).run("f00fb10b");
    expect([memory.getUint32(AT, true), m.get("rax")]).toEqual([9, 0xffff_ffff_0000_0007n]);
    expect(m.flags & FLAG.ZF).toBe(FLAG.ZF);
  });

  it("loads the accumulator when it does not, with the flags of CMP", () => {
    memory.setUint32(AT, 8, true);
    m.set({ rax: -1, rbx: AT, rcx: 9 }).run("f00fb10b");
    expect([memory.getUint32(AT, true), m.get("rax")]).toEqual([8, 8n]);
    expect(m.flags & (FLAG.ZF | FLAG.CF | FLAG.SF)).toBe(FLAG.SF);
  });

  it("leaves all 64 bits of a register alone that it does not change", () => {
    m.set({ rax: 1, rdx: 0x1111_1111_2222_2222n, rcx: 9 }).run("0fb1ca");
    expect([m.get("rdx"), m.get("rax")]).toEqual([0x1111_1111_2222_2222n, 0x2222_2222n]);
  });
});

describe("CMPXCHG8B and CMPXCHG16B", () => {
  it("change ZF only", () => {
    memory.setBigUint64(AT, 0x0000_0002_0000_0001n, true);
    for (const before of [0, ALL, FLAG.SF | FLAG.PF, FLAG.ZF | FLAG.CF]) {
      m.set({ rdi: AT, rax: 1, rdx: 2, rbx: 1, rcx: 2 }).flags = before;
      m.run("f00fc70f");
      expect(m.flags).toBe(before | FLAG.ZF);
      m.set({ rax: 5 }).flags = before;
      m.run("f00fc70f");
      expect(m.flags).toBe(before & ~FLAG.ZF);
      expect([m.get("rax"), m.get("rdx")]).toEqual([1n, 2n]);
    }
  });

  it("exchange 16 bytes", () => {
    memory.setBigUint64(AT, 1n, true);
    memory.setBigUint64(AT + 8, 2n, true);
    m.set({ rdi: AT, rax: 1, rdx: 2, rbx: 3, rcx: 4 }).run("f0480fc70f");
    expect([memory.getBigUint64(AT, true), memory.getBigUint64(AT + 8, true)]).toEqual([3n, 4n]);
    m.set({ rax: 3, rdx: 5 }).run("f0480fc70f");
    expect([m.get("rax"), m.get("rdx"), m.flags & FLAG.ZF]).toEqual([3n, 4n, 0]);
  });

  it("16 bytes must be aligned", () => {
    m.set({ rdi: AT + 8 }).run("480fc70f");
    expect(m.fault).toBe("#GP(0)");
  });
});

describe("XADD", () => {
  it("of one register with itself doubles it", () => {
    m.set({ rax: 21 }).run("480fc1c0");
    expect(m.get("rax")).toBe(42n);
  });

  it("gives the old value of memory", () => {
    memory.setUint8(AT, 0xff);
    m.set({ rbx: AT, rcx: 1 }).run("f00fc00b");
    expect([memory.getUint8(AT), m.get("rcx")]).toEqual([0, 0xffn]);
    expect(m.flags & (FLAG.CF | FLAG.ZF)).toBe(FLAG.CF | FLAG.ZF);
  });
});
