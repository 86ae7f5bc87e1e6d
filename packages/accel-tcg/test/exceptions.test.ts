// Each kind of fault from each kind of access: where it points, what it pushes, and that nothing was committed.
import { describe, expect, it } from "vitest";
import { type Bits, CODE, DATA, IDT, SEL, STACK, TinyMachine } from "./tiny-machine.ts";

const MODES: readonly Bits[] = [64, 32, 16];
const RF = 1 << 16;
const ABSENT = 0x10_0000;

describe.each(MODES)("faults in %i-bit code", (bits) => {
  it.each([
    ["#UD", "0f 0b", 6],
    ["#DE", "f6 f1", 0],
  ])("%s points to the instruction in the middle of a block", (_, hex, vector) => {
    const m = new TinyMachine(bits);
    m.runToHalt(`fe c0 90 ${hex} fe c0 f4`);
    expect(m.event()).toMatchObject({ vector, error: undefined, rip: CODE + 3 });
    expect(m.al).toBe(1);
  });

  it("keep arithmetic flags of the instruction before", () => {
    const m = new TinyMachine(bits);
    // xor al, al; sub al, 1; ud2: CF PF AF SF
    m.runToHalt("30 c0 2c 01 0f 0b");
    expect(m.event().flags & 0x8d5).toBe(0x95);
    expect(m.event().flags & RF).toBe(bits === 16 ? 0 : RF);
  });

  it("of a segment limit point to the instruction", () => {
    if (bits === 64) return;
    const m = new TinyMachine(bits).set({ "ds.limit": BigInt(DATA + 2) });
    // mov eax, [bx]: four bytes, one too many, in 16-bit code with an operand size prefix
    m.runToHalt(`90 ${bits === 16 ? "66 " : ""}8b 07 f4`);
    expect(m.event()).toMatchObject({ vector: 13, error: bits === 16 ? undefined : 0, rip: CODE + 1 });
  });
});

describe("the limit of a code segment", () => {
  it.each([32, 16] as const)("ends %i-bit code between two instructions of a page", (bits) => {
    const m = new TinyMachine(bits).set({ "cs.limit": BigInt(CODE + 3) });
    m.runToHalt("fe c0 90 90 fe c0 f4");
    expect(m.event()).toMatchObject({ vector: 13, error: bits === 16 ? undefined : 0, rip: CODE + 4 });
    expect(m.al).toBe(1);
  });

  it("ends real-mode code at FFFF, wherever that lies in its page", () => {
    const m = new TinyMachine(16).set({ "cs.selector": 2n, "cs.base": 0x20n });
    m.code(0x1_001e, "fe c0 fe c0 f4").set({ rip: 0xfffen });
    expect(m.run()).toBe("hlt");
    // The return address has 16 bits only.
    expect(m.event()).toMatchObject({ vector: 13, rip: 0 });
    expect(m.al).toBe(1);
  });
});

describe("page faults of 64-bit code", () => {
  /** Each of these has its operand at rdi = ABSENT. */
  it.each([
    ["load", "8b 07", 0],
    ["store", "89 07", 2],
    ["read-modify-write", "ff 07", 2],
    ["cmpxchg", "0f b1 0f", 2],
    ["push from memory", "ff 37", 0],
    ["rep stosb", "f3 aa", 2],
    ["scasb", "ae", 0],
    ["fxsave", "0f ae 07", 2],
    ["lgdt", "0f 01 17", 0],
    ["indirect call", "ff 17", 0],
  ])("%s", (_, hex, error) => {
    const m = new TinyMachine(64).set({ rdi: BigInt(ABSENT), rcx: 5n, cr4: 0x220n });
    m.mapPage(ABSENT, 0);
    m.runToHalt(`90 ${hex} 90 f4`);
    expect(m.event()).toMatchObject({ vector: 14, error, rip: CODE + 1 });
    expect([m.reg("cr2"), m.reg("rdi"), m.reg("rcx")]).toEqual([BigInt(ABSENT), BigInt(ABSENT), 5n]);
  });

  it("of a write-protected page tell so, and nothing is written", () => {
    const m = new TinyMachine(64).set({ cr0: 0x8001_0011n, rax: 0x77n });
    m.mapPage(DATA, DATA | 5);
    m.runToHalt("8a 0f 88 07 f4");
    expect(m.event()).toMatchObject({ vector: 14, error: 3, rip: CODE + 2 });
    expect(m.read8(DATA)).toBe(0);
  });

  it("of a reserved bit tell so", () => {
    const m = new TinyMachine(64);
    m.write64(0x7000 + (ABSENT >> 12) * 8, (1n << 51n) | BigInt(ABSENT) | 7n);
    m.set({ rdi: BigInt(ABSENT) }).runToHalt("8a 07 f4");
    expect(m.event()).toMatchObject({ vector: 14, error: 9, rip: CODE });
  });

  it("of a fetch point to the target of the jump", () => {
    const m = new TinyMachine(64).set({ rdi: BigInt(ABSENT + 0x123) });
    m.mapPage(ABSENT, 0);
    m.runToHalt("ff e7");
    expect(m.event()).toMatchObject({ vector: 14, error: 0x10, rip: ABSENT + 0x123 });
    expect(m.reg("cr2")).toBe(BigInt(ABSENT + 0x123));
  });

  it("of a fetch in the next page point to its first byte", () => {
    const m = new TinyMachine(64);
    m.mapPage(CODE + 0x1000, 0);
    m.code(CODE + 0xffe, "fe c0").set({ rip: BigInt(CODE + 0xffe) });
    expect(m.run()).toBe("hlt");
    expect(m.event()).toMatchObject({ vector: 14, error: 0x10, rip: CODE + 0x1000 });
    expect(m.al).toBe(1);
  });

  it("of a no-execute page tell the fetch", () => {
    const m = new TinyMachine(64);
    m.write64(0x7000 + (ABSENT >> 12) * 8, (1n << 63n) | BigInt(ABSENT) | 7n);
    m.set({ rdi: BigInt(ABSENT) }).runToHalt("ff e7");
    expect(m.event()).toMatchObject({ vector: 14, error: 0x11, rip: ABSENT });
  });

  it("across pages give the address of the page that is missing", () => {
    const m = new TinyMachine(64).set({ rdi: BigInt(ABSENT - 2), rax: 0x1122_3344n });
    m.mapPage(ABSENT, 0);
    m.runToHalt("89 07 f4");
    expect(m.event()).toMatchObject({ vector: 14, error: 2, rip: CODE });
    expect([m.reg("cr2"), m.read8(ABSENT - 2)]).toEqual([BigInt(ABSENT), 0]);
  });

  it("in the middle of REP MOVSB leave the pointers at the element", () => {
    const m = new TinyMachine(64).set({ rdi: BigInt(ABSENT - 3), rsi: BigInt(DATA), rcx: 10n });
    m.mapPage(ABSENT, 0);
    m.code(DATA, "01 02 03 04").runToHalt("f3 a4 f4");
    expect(m.event()).toMatchObject({ vector: 14, error: 2, rip: CODE });
    expect([m.reg("rdi"), m.reg("rsi"), m.reg("rcx")]).toEqual([BigInt(ABSENT), BigInt(DATA + 3), 7n]);
    expect(m.read8(ABSENT - 1)).toBe(3);
  });

  it("of user code say so and change the stack", () => {
    const m = new TinyMachine(64).user();
    m.mapPage(DATA, DATA | 3);
    m.runToHalt("90 8a 07");
    expect(m.event()).toMatchObject({ vector: 14, error: 5, rip: CODE + 1 });
    expect([m.reg("cs.selector"), m.reg("ss.selector")]).toEqual([BigInt(SEL.code64), 0n]);
    expect(m.read32(Number(m.reg("rsp")) + 32)).toBe(STACK);
  });

  it("while delivering become a double fault", () => {
    const m = new TinyMachine(64);
    // The gate of #PF lies in an IDT page whose selector is bad: #GP while delivering #PF.
    m.write32(IDT + 14 * 16, 0xfff0_0000);
    m.mapPage(ABSENT, 0);
    m.set({ rdi: BigInt(ABSENT) }).runToHalt("8a 07");
    expect(m.event()).toMatchObject({ vector: 8, error: 0, rip: CODE });
    expect(m.reg("cr2")).toBe(BigInt(ABSENT));
  });
});

describe("general protection in 64-bit code", () => {
  it.each([
    ["load", "8b 07", 13],
    ["store", "89 07", 13],
    ["stack", "8b 04 24", 12],
    ["jump", "ff e7", 13],
  ])("of a non-canonical %s", (_, hex, vector) => {
    const m = new TinyMachine(64).set({ rdi: 0x8000_0000_0000n });
    if (vector === 12) {
      // The handler needs a stack of its own: IST1 at 0F000h.
      m.write32(IDT + 12 * 16 + 4, 0xee01);
      m.write64(0x3000 + 36, 0xf000n);
      m.set({ rsp: 0x8000_0000_0000n });
    }
    m.runToHalt(`90 ${hex} f4`);
    expect(m.event()).toMatchObject({ vector, error: 0, rip: CODE + 1 });
  });

  it("of privileged instructions in user code", () => {
    for (const hex of ["f4", "fa", "0f 22 d8", "0f 01 3f", "e6 80", "0f 32"]) {
      const m = new TinyMachine(64).user().runToHalt(hex);
      expect(m.event()).toMatchObject({ vector: 13, error: 0, rip: CODE });
      expect(m.log).toEqual([]);
    }
  });

  it("of an instruction that is too long", () => {
    const m = new TinyMachine(64).runToHalt(`${"66 ".repeat(15)} 90 f4`);
    expect(m.event()).toMatchObject({ vector: 13, error: 0, rip: CODE });
  });
});
