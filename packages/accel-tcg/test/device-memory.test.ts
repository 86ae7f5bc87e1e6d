// Accesses that no memory slot backs go to the board, as wide as the program made them.
import { describe, expect, it } from "vitest";
import { CODE, DEVICE, TinyMachine } from "./tiny-machine.ts";

const RAM_END = 0x40_0000;

/** rdi and rbx point to the device. */
function build(bits: 32 | 64, target: number = DEVICE): TinyMachine {
  return new TinyMachine(bits).set({ rdi: BigInt(target), rbx: BigInt(target), rax: 0x1122_3344n, rcx: 0n });
}

describe.each([64, 32] as const)("device memory in %i-bit code", (bits) => {
  it.each([
    ["8a 0f", "load 40000000 1", 0x5an],
    ["66 8b 0f", "load 40000000 2", 0x5a5an],
    ["8b 0f", "load 40000000 4", 0x5a5a_5a5an],
    ["0f b6 4f 03", "load 40000003 1", 0x5an],
    ["0f bf 4f 02", "load 40000002 2", 0x5a5an],
  ])("%s: %s", (hex, log, value) => {
    const m = build(bits).runToHalt(`${hex} f4`);
    expect(m.log).toEqual([log]);
    expect(m.reg("rcx")).toBe(value);
  });

  it.each([
    ["88 07", "store 40000000 44"],
    ["66 89 07", "store 40000000 44 33"],
    ["89 07", "store 40000000 44 33 22 11"],
    ["c7 07 01 00 00 00", "store 40000000 01 00 00 00"],
  ])("%s: %s", (hex, log) => {
    expect(build(bits).runToHalt(`${hex} f4`).log).toEqual([log]);
  });

  it.each([
    ["inc", "fe 07", ["load 40000000 1", "store 40000000 5b"]],
    ["add", "01 07", ["load 40000000 4", "store 40000000 9e 8d 7c 6b"]],
    ["xchg", "87 07", ["load 40000000 4", "store 40000000 44 33 22 11"]],
    ["bts", "0f ba 2f 00", ["load 40000000 4", "store 40000000 5b 5a 5a 5a"]],
  ])("%s reads once and writes once", (_, hex, log) => {
    expect(build(bits).runToHalt(`${hex} f4`).log).toEqual(log);
  });

  it("is accessed every time", () => {
    const m = build(bits).runToHalt("8b 0f 8b 0f 89 0f 89 0f f4");
    expect(m.log.map((line) => line.split(" ")[0])).toEqual(["load", "load", "store", "store"]);
  });

  it("is moved to and from by strings, element by element", () => {
    const m = build(bits).set({ rsi: BigInt(DEVICE + 0x10), rcx: 2n });
    m.runToHalt("f3 a5 f4");
    expect(m.log).toEqual([
      "load 40000010 4",
      "store 40000000 5a 5a 5a 5a",
      "load 40000014 4",
      "store 40000004 5a 5a 5a 5a",
    ]);
  });

  it("crossing into the next page is split there", () => {
    const m = build(bits, DEVICE + 0xffe).runToHalt("8b 0f 89 07 f4");
    expect(m.log).toEqual(["load 40000ffe 2", "load 40001000 2", "store 40000ffe 44 33", "store 40001000 22 11"]);
  });

  it("holds the page behind RAM: an access across has both", () => {
    const m = build(bits, RAM_END - 1);
    if (bits === 64) {
      // 4 MiB to 6 MiB: a large page of its own.
      m.write64(0x6000 + 16, BigInt(RAM_END + 0x87));
    }
    m.code(RAM_END - 1, "77").runToHalt("66 8b 0f 89 07 f4");
    expect(m.reg("rcx")).toBe(0x5a77n);
    expect(m.read8(RAM_END - 1)).toBe(0x44);
    expect(m.log).toEqual(["load 400000 1", "store 400000 33 22 11"]);
  });

  it("can hold code", () => {
    const m = build(bits);
    m.answer = 0xf4;
    m.set({ rip: BigInt(DEVICE + 0x20) });
    expect(m.run()).toBe("hlt");
    expect(m.rip).toBe(DEVICE + 0x21);
  });

  it("does not see a store whose instruction faults", () => {
    const m = build(bits, DEVICE + 0xffe);
    if (bits === 32) return expectNothingUnmapped(m);
    // The page behind is not there: 4 KiB pages at 1 GiB.
    const [pd, pt] = [0x11_0000, 0x12_0000];
    m.write64(0x5000 + 8, BigInt(pd + 7));
    m.write64(pd, BigInt(pt + 7));
    m.write64(pt, BigInt(DEVICE + 7));
    m.runToHalt("89 07 f4");
    expect(m.event()).toMatchObject({ vector: 14, error: 2, rip: CODE });
    expect(m.reg("cr2")).toBe(BigInt(DEVICE + 0x1000));
    expect(m.log).toEqual([]);
  });
});

/** Without paging a segment limit is what faults: the two bytes beyond it. */
function expectNothingUnmapped(m: TinyMachine): void {
  m.set({ "ds.limit": BigInt(DEVICE + 0xfff) }).runToHalt("89 07 f4");
  expect(m.event()).toMatchObject({ vector: 13, error: 0, rip: CODE });
  expect(m.log).toEqual([]);
}

it("a device may have the rest of an instruction where another one, in memory alone, was executed before", () => {
  const m = new TinyMachine(64);
  m.mapPage(CODE + 0x1000, DEVICE | 7);
  m.answer = 0xf4;
  // ret; later mov eax, f4f4f4f4; hlt
  m.code(CODE + 0xfff, "c3");
  // call cfff; mov byte [cfff], b8; push cfff; ret
  m.runToHalt("e8 fa 0f 00 00 c6 05 f3 0f 00 00 b8 68 ff cf 00 00 c3");
  expect([m.reg("rax"), m.rip]).toEqual([0xf4f4_f4f4n, CODE + 0x1005]);
});

describe("64-bit and vector accesses", () => {
  it("come whole", () => {
    const m = build(64).set({ cr4: 0x220n, rax: 0x1122_3344_5566_7788n });
    // mov rcx, [rdi]; mov [rdi], rax; movups xmm0, [rdi]; movups [rdi], xmm0
    m.runToHalt("48 8b 0f 48 89 07 0f 10 07 0f 11 07 f4");
    const bytes = "5a ".repeat(16).trim();
    expect(m.log).toEqual([
      "load 40000000 8",
      "store 40000000 88 77 66 55 44 33 22 11",
      "load 40000000 16",
      `store 40000000 ${bytes}`,
    ]);
    expect(m.reg("rcx")).toBe(0x5a5a_5a5a_5a5a_5a5an);
  });
});

describe("ROM", () => {
  it("is read and executed, and stores to it vanish", () => {
    const m = new TinyMachine(64);
    // The 64 KiB at 20 0000h become read-only.
    const { ramHva } = m;
    m.code(0x20_0000, "b0 33 f4");
    m.vm.setMemorySlot(0, { gpa: 0, length: 0x20_0000, hva: ramHva, readOnly: false });
    m.vm.setMemorySlot(1, { gpa: 0x20_0000, length: 0x1_0000, hva: ramHva + 0x20_0000, readOnly: true });
    // mov byte [rdi], 11h; inc byte [rdi + 2]; jmp rdi
    m.set({ rdi: 0x20_0000n }).runToHalt("c6 07 11 fe 47 02 ff e7");
    expect([m.al, m.rip]).toEqual([0x33, 0x20_0003]);
    expect(m.log).toEqual([]);
  });

  it("moved elsewhere leaves nothing of the old place behind", () => {
    const m = new TinyMachine(64);
    const { ramHva } = m;
    m.set({ rdi: 0x20_0000n }).code(0x20_0000, "11");
    m.onAccess = () => {
      m.vm.setMemorySlot(0, { gpa: 0, length: 0x20_0000, hva: ramHva, readOnly: false });
    };
    // mov al, [rdi]; out; mov al, [rdi]
    m.runToHalt("8a 07 88 c1 e6 80 8a 07 f4");
    expect([m.reg("rcx"), m.al]).toEqual([0x11n, 0x5a]);
    expect(m.log).toEqual(["out 80 1 11", "load 200000 1"]);
  });
});
