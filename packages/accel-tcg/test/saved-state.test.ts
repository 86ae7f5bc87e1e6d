// Stopping anywhere and going on elsewhere: saved registers and RAM are all there is.
import { describe, expect, it } from "vitest";
import { type Bits, CODE, DATA, HANDLERS, STACK, TinyMachine } from "./tiny-machine.ts";

const MODES: readonly Bits[] = [64, 32, 16];
const PAGE = 0x1000;
const RAM_BYTES = 4 << 20;

/** Strings, stack, lazy flags, exceptions, self-modification and a port, three times over. UD2's handler skips it. */
function program(m: TinyMachine): void {
  // pop ax; add ax, 2; push ax; iret
  const handler = { 64: "58 48 83 c0 02 50 48 cf", 32: "58 83 c0 02 50 cf", 16: "58 83 c0 02 50 cf" };
  m.code(HANDLERS + 6 * 16, handler[m.bits]);
  const incAtSi = m.bits === 16 ? "fe 04" : "fe 06";
  // mov dh, 3; (2:) xor cx, cx; mov cl, 20; rep stosb; ud2; inc byte [bx]; push ax; pop cx; (14:) add al, 0f1h;
  // adc dl, al; out 80h; inc byte [si], the immediate of the addition; dec dh; jnz 2; hlt
  m.code(CODE, `b6 03 31 c9 b1 14 f3 aa 0f 0b fe 07 50 59 04 f1 10 c2 e6 80 ${incAtSi} fe ce 75 e8 f4`);
  m.set({ rsi: BigInt(CODE + 15) });
}

/** RAM and registers, without what only says how far the run loop is. */
function stateOf(m: TinyMachine): unknown {
  const ram = Array.from({ length: 0x40 }, (_, i) => m.read32(DATA + i * 4));
  const stack = Array.from({ length: 0x40 }, (_, i) => m.read32(STACK - 0x100 + i * 4));
  return { regs: m.vcpu.save().regs, ram, stack, log: m.log };
}

describe.each(MODES)("a %i-bit program", (bits) => {
  const whole = new TinyMachine(bits);
  program(whole);
  const reason = whole.run(100_000);
  const total = whole.vcpu.instructionCount;

  it("ends by itself", () => {
    expect(reason).toBe("hlt");
    expect([whole.rip, whole.log.length]).toEqual([CODE + 27, 3]);
    expect(total).toBeGreaterThan(50);
  });

  it.each([1, 2, 3, 5, 17, 64])("ends the same in runs of %i", (budget) => {
    const m = new TinyMachine(bits);
    program(m);
    while (m.run(budget) === "intr");
    expect(stateOf(m)).toEqual(stateOf(whole));
  });

  it("ends the same when registers and RAM go over to another machine after every instruction", () => {
    let m = new TinyMachine(bits);
    let other = new TinyMachine(bits);
    program(m);
    while (m.run(1) === "intr") {
      other.copyRamFrom(m);
      other.vcpu.restore(structuredClone(m.vcpu.save()));
      other.log.splice(0, other.log.length, ...m.log);
      [m, other] = [other, m];
    }
    expect(stateOf(m)).toEqual(stateOf(whole));
  });
});

describe("restore", () => {
  it("refuses what no processor could have, and changes nothing", () => {
    const m = new TinyMachine(64);
    const before = m.vcpu.save();
    for (const regs of [{ bogus: 1n }, { rax: 1n << 64n }, { rax: 5n, cr0: 0x8000_0000n }]) {
      expect(() => m.set(regs)).toThrow(expect.objectContaining({ name: "SnapshotError", code: "SNAPSHOT_CPU" }));
    }
    expect(m.vcpu.save()).toEqual(before);
  });

  it("brings back an exception that was pending, and a shadow", () => {
    const m = new TinyMachine(64).set({ "pending.vector": 14n + 1n, "pending.error": 2n, "pending.address": 0x1234n });
    expect(m.run()).toBe("hlt");
    expect(m.event()).toMatchObject({ vector: 14, error: 2, rip: CODE });
    expect(m.reg("cr2")).toBe(0x1234n);

    const shadow = new TinyMachine(64).set({ "interrupt.shadow": 1n, rflags: 0x202n });
    shadow.interrupt(0x31);
    shadow.runToHalt("90 90 f4");
    expect(shadow.event()).toMatchObject({ vector: 0x31, rip: CODE + 1 });
  });

  it("tells the board how far ahead the time-stamp counter is", () => {
    const m = new TinyMachine(64).set({ "msr.3b": 1000n });
    expect(m.tscLead).toBe(1000);
  });
});

describe("the dirty log", () => {
  const dirtyPages = (m: TinyMachine): number[] => {
    const log = m.vm.takeDirtyLog(0);
    expect(log.length).toBe(RAM_BYTES / PAGE / 8);
    return [...log].flatMap((byte, i) =>
      [0, 1, 2, 3, 4, 5, 6, 7].flatMap((bit) => ((byte >> bit) & 1 ? i * 8 + bit : [])),
    );
  };

  it.each(MODES)("of %i-bit code has the pages that were stored to since it was read", (bits) => {
    const m = new TinyMachine(bits);
    m.code(CODE, "88 07 50 88 07 f4").vm.takeDirtyLog(0);
    // mov [bx], al; push; and a hlt
    expect(m.run()).toBe("hlt");
    const tables = bits === 64 ? [0x4, 0x5, 0x6, 0x7] : [];
    expect(dirtyPages(m).filter((page) => !tables.includes(page))).toEqual([DATA >> 12, (STACK - 1) >> 12]);
    expect(dirtyPages(m)).toEqual([]);
  });

  it("has a page again that is stored to again, though its translation was known", () => {
    const m = new TinyMachine(64);
    const seen: boolean[] = [];
    m.onAccess = () => seen.push(dirtyPages(m).includes(DATA >> 12));
    // store; out; out; store; out
    m.runToHalt("88 07 e6 80 e6 80 88 07 e6 80 f4");
    expect(seen).toEqual([true, false, true]);
  });

  it("has a page of code that was stored to", () => {
    const m = new TinyMachine(64);
    m.code(CODE, "88 07 f4").vm.takeDirtyLog(0);
    m.set({ rdi: BigInt(CODE + 0x10) });
    m.run();
    expect(dirtyPages(m)).toContain(CODE >> 12);
  });
});
