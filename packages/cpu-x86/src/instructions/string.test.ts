import { beforeEach, describe, expect, it } from "vitest";
import { DEVICE, InsnMachine } from "../../test/insn-machine.ts";
import { FLAG } from "../state/bits.ts";

const REP_MOVSB = "f3a4";
const REP_MOVSQ = "f348a5";
const REP_STOSB = "f3aa";
const REP_STOSD = "f3ab";
const REPE_CMPSB = "f3a6";
const REPNE_SCASB = "f2ae";
const STD = "fd";
const CLD = "fc";

let m: InsnMachine;
beforeEach(() => {
  m = new InsnMachine(64);
  m.ram.forEach((_, i) => {
    m.ram[i] = (i * 7 + (i >> 8)) & 0xff;
  });
});

/** What `count` elements moved one at a time leave; the reference for every bulk path. */
function moved(before: Uint8Array, from: number, to: number, count: number, bytes: number, step = bytes): Uint8Array {
  const after = before.slice();
  for (let i = 0; i < count; i++) after.copyWithin(to + i * step, from + i * step, from + i * step + bytes);
  return after;
}

describe("REP MOVS", () => {
  it.each([
    ["apart", 0x2010, 0x6020, 0x2345],
    ["downwards onto itself", 0x3010, 0x3000, 0x1800],
    ["one byte upwards: the first byte spreads", 0x3000, 0x3001, 0x1100],
    ["seven bytes upwards", 0x3ff9, 0x4000, 0x1003],
    ["onto the same place", 0x3000, 0x3000, 0x10],
  ])("moves bytes %s", (_, from, to, count) => {
    const expected = moved(m.ram, from, to, count, 1);
    m.set({ rsi: from, rdi: to, rcx: count }).run(REP_MOVSB);
    expect(m.ram).toEqual(expected);
    expect([m.get("rsi"), m.get("rdi"), m.get("rcx")]).toEqual([from + count, to + count, 0].map(BigInt));
  });

  it.each([1, 4, 7, 8, 9])("moves quadwords %i bytes upwards onto themselves", (distance) => {
    const expected = moved(m.ram, 0x3ff0, 0x3ff0 + distance, 0x300, 8);
    m.set({ rsi: 0x3ff0, rdi: 0x3ff0 + distance, rcx: 0x300 }).run(REP_MOVSQ);
    expect(m.ram).toEqual(expected);
  });

  it.each([
    ["apart", 0x4fff, 0x8123],
    ["upwards onto itself", 0x4fff, 0x5003],
    ["downwards onto itself: the last byte spreads", 0x4fff, 0x4ffe],
  ])("moves backwards %s", (_, from, to) => {
    const expected = moved(m.ram, from, to, 0x1700, 1, -1);
    m.run(STD);
    m.set({ rsi: from, rdi: to, rcx: 0x1700 }).run(REP_MOVSB);
    expect(m.ram).toEqual(expected);
    expect(m.get("rsi")).toBe(BigInt(from - 0x1700));
  });

  it("takes a page at a time, once both pages are known", () => {
    m.set({ rsi: 0x2000, rdi: 0x6000, rcx: 0x4000 });
    // The first element of each destination page goes by itself and fills the soft TLB.
    expect(m.run(REP_MOVSB)).toBe(8);
    m.set({ rsi: 0x2000, rdi: 0x6000, rcx: 0x4000 });
    expect(m.run(REP_MOVSB)).toBe(4);
  });

  it("with a count of 0 touches nothing", () => {
    m.set({ rsi: DEVICE, rdi: DEVICE, rcx: 0 }).run(REP_MOVSB);
    expect(m.deviceLog).toEqual([]);
    expect(m.get("rsi")).toBe(BigInt(DEVICE));
  });

  it("reads and writes a device once for each element, in order", () => {
    m.set({ rsi: DEVICE + 8, rdi: 0x2ffe, rcx: 3 }).run("f366a5");
    expect(m.deviceLog).toEqual(["load 18008 2", "load 1800a 2", "load 1800c 2"]);
    expect([...m.ram.subarray(0x2ffe, 0x3004)]).toEqual([1, 1, 2, 2, 3, 3]);
    m.deviceLog.length = 0;
    m.set({ rsi: 0x2ffe, rdi: DEVICE, rcx: 2 }).run("f366a5");
    expect(m.deviceLog).toEqual(["store 18000 2 0101", "store 18002 2 0202"]);
  });

  it("leaves counts and pointers at the element that faults", () => {
    m = new InsnMachine(32).limit("es", 0x2fff);
    m.set({ rsi: 0x5000, rdi: 0x2ff0, rcx: 0x10 }).run("f3a5");
    expect(m.fault).toBe("#GP(0)");
    expect([m.get("rsi"), m.get("rdi"), m.get("rcx")]).toEqual([0x5010n, 0x3000n, 0xcn]);
    expect(m.ram[0x3000]).toBe(0);
  });

  it.each(["a5", "f3a5"])("%s reads the source before the destination can fault", (code) => {
    m = new InsnMachine(32).limit("es", 0x2fff);
    m.set({ rsi: DEVICE, rdi: 0x3000, rcx: 1 }).run(code);
    expect([m.fault, m.deviceLog]).toEqual(["#GP(0)", ["load 18000 4"]]);
  });

  it("wraps around at 64 KiB with 16-bit addresses and keeps the registers' upper halves", () => {
    m = new InsnMachine(16);
    m.ram.set([1, 2, 3, 4], 0xfffe);
    m.ram.set([5, 6], 0);
    m.set({ rsi: 0x1234_fffe, rdi: 0x5678_2000, rcx: 0x9abc_0004 }).run(REP_MOVSB);
    expect([...m.ram.subarray(0x2000, 0x2004)]).toEqual([1, 2, 5, 6]);
    expect([m.get("rsi"), m.get("rdi"), m.get("rcx")]).toEqual([0x1234_0002n, 0x5678_2004n, 0x9abc_0000n]);
  });
});

describe("REP STOS", () => {
  it.each([
    ["equal bytes", 0x5a5a_5a5an],
    ["a pattern", 0x1234_5678n],
  ])("fills with %s, across pages", (_, value) => {
    const expected = m.ram.slice();
    const view = new DataView(expected.buffer);
    for (let i = 0; i < 0x900; i++) view.setUint32(0x2ffe + i * 4, Number(value), true);
    m.set({ rax: value, rdi: 0x2ffe, rcx: 0x900 }).run(REP_STOSD);
    expect(m.ram).toEqual(expected);
    expect([m.get("rdi"), m.get("rcx")]).toEqual([BigInt(0x2ffe + 0x2400), 0n]);
  });

  it("fills backwards", () => {
    m.run(STD);
    const expected = m.ram.slice().fill(0xee, 0x2000, 0x3100);
    m.set({ rax: 0xee, rdi: 0x30ff, rcx: 0x1100 }).run(REP_STOSB);
    expect(m.ram).toEqual(expected);
  });
});

describe("CMPS and SCAS", () => {
  it("stops after the first difference and has its flags", () => {
    m.ram.copyWithin(0x6800, 0x2800, 0x4800);
    m.ram[0x6800 + 0x1234] = 0x80;
    m.ram[0x2800 + 0x1234] = 0x7f;
    m.set({ rsi: 0x2800, rdi: 0x6800, rcx: 0x2000 }).run(REPE_CMPSB);
    expect([m.get("rsi"), m.get("rdi"), m.get("rcx")]).toEqual([0x3a35n, 0x7a35n, BigInt(0x2000 - 0x1235)]);
    expect(m.flags & (FLAG.ZF | FLAG.CF | FLAG.SF | FLAG.OF)).toBe(FLAG.CF | FLAG.SF | FLAG.OF);
  });

  it("ends with the count when all is equal", () => {
    m.ram.copyWithin(0x6800, 0x2800, 0x4800);
    m.set({ rsi: 0x2800, rdi: 0x6800, rcx: 0x2000 });
    expect(m.run(REPE_CMPSB)).toBe(3);
    expect(m.get("rcx")).toBe(0n);
    expect(m.flags & FLAG.ZF).toBe(FLAG.ZF);
  });

  it("compares device memory with device memory, each read once", () => {
    m.set({ rsi: DEVICE, rdi: DEVICE + 4, rcx: 9 }).run("f3a7");
    expect(m.deviceLog).toEqual(["load 18000 4", "load 18004 4"]);
    expect(m.flags & FLAG.CF).toBe(FLAG.CF);
    expect(m.get("rcx")).toBe(8n);
  });

  it("finds the end of a string over a page boundary", () => {
    m.ram.fill(0x41, 0x2f00, 0x3200);
    m.ram[0x3111] = 0;
    m.set({ rax: 0, rdi: 0x2f00, rcx: -1 }).run(REPNE_SCASB);
    expect([m.get("rdi"), m.get("rcx")]).toEqual([0x3112n, BigInt.asUintN(64, -0x213n)]);
  });

  it("searches backwards", () => {
    m.ram.fill(0x41, 0x2f00, 0x3200);
    m.ram[0x2f80] = 0;
    m.run(STD);
    m.set({ rax: 0, rdi: 0x31ff, rcx: 0x300 }).run(REPNE_SCASB);
    expect(m.get("rdi")).toBe(0x2f7fn);
  });

  it("keeps the flags when the count is 0", () => {
    m.run(CLD);
    m.flags = FLAG.CF | FLAG.PF;
    m.set({ rax: 0, rdi: 0x2000, rcx: 0 }).run(REPNE_SCASB);
    expect(m.flags).toBe(FLAG.CF | FLAG.PF);
  });
});

it("ignores the segments' bases and limits in 64-bit code, with 32-bit addresses too", () => {
  m.limit("es", 0x10).limit("ds", 0x10);
  m.set({ rax: 0x77, rdi: 0xffff_ffff_0000_2000n }).run("67aa");
  expect(m.fault).toBe("none");
  expect(m.ram[0x2000]).toBe(0x77);
  expect(m.get("rdi")).toBe(0x2001n);
});

it("LODS loads the accumulator and steps the source alone", () => {
  m.set({ rax: -1, rsi: 0x2004, rdi: 5 }).run("ad");
  expect(m.get("rax")).toBe(BigInt(new DataView(m.ram.buffer, m.ram.byteOffset).getUint32(0x2004, true)));
  expect([m.get("rsi"), m.get("rdi")]).toEqual([0x2008n, 5n]);
});
