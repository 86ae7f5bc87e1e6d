// Code that changes under the processor: by its own stores, by DMA, and by other mappings. SDM vol. 3A, "Self-Modifying
// Code" and "Handling Self- and Cross-Modifying Code".
import { describe, expect, it } from "vitest";
import { type Bits, CODE, DATA, DEVICE, TinyMachine } from "./tiny-machine.ts";

const MODES: readonly Bits[] = [64, 32, 16];
const NEXT_PAGE = CODE + 0x1000;

/** Registers that address `target` by ModRM 07. */
const pointAt = (target: number): Record<string, bigint> => ({ rdi: BigInt(target), rbx: BigInt(target) });

describe.each(MODES)("a store to code in %i-bit mode", (bits) => {
  it("changes an instruction executed before", () => {
    const m = new TinyMachine(bits).set(pointAt(CODE + 7));
    // inc al; cmp al, 5; je end; (6:) mov cl, 1 -> its immediate at +7 is incremented; jmp start
    m.runToHalt("fe c0 3c 05 74 06 b1 01 fe 07 eb f4 f4");
    expect(m.reg("rcx") & 0xffn).toBe(4n);
    expect(m.al).toBe(5);
  });

  it.each([
    ["right behind it", "", 2],
    ["behind a jump", "eb 00", 4],
  ])("changes the instruction %s", (_, between, at) => {
    const m = new TinyMachine(bits).set({ ...pointAt(CODE + at), rcx: 0xf4n });
    // mov [bx], cl; inc al, which becomes hlt
    m.runToHalt(`88 0f ${between} fe c0 90 90 f4`);
    expect([m.rip, m.al]).toEqual([CODE + at + 1, 0]);
  });

  it("changes the next page, which has been executed already", () => {
    const m = new TinyMachine(bits).set(pointAt(NEXT_PAGE + 1));
    // Straight from one page into the other: inc byte [bx]; nop... | mov al, 11h; inc dl; cmp dl, 2; jne back; hlt
    m.code(CODE + 0xff8, "fe 07 90 90 90 90 90 90");
    m.code(NEXT_PAGE, "b0 11 fe c2 80 fa 02 75 ef f4").set({ rip: BigInt(NEXT_PAGE) });
    expect(m.run()).toBe("hlt");
    expect([m.al, m.reg("rdx") & 0xffn]).toEqual([0x12, 2n]);
  });

  it.each([
    ["the last of a page", 0xffe],
    ["one across two pages", 0xfff],
  ])("by %s is executed once, and what follows comes next", (_, at) => {
    // The target is no instruction, but shares its chunk of the page with one.
    const m = new TinyMachine(bits).set(pointAt(CODE + 0xfc0));
    m.code(CODE + at, "fe 07 fe c0 f4").set({ rip: BigInt(CODE + at) });
    expect(m.run()).toBe("hlt");
    expect([m.read8(CODE + 0xfc0), m.al, m.rip, m.vcpu.instructionCount]).toEqual([1, 1, CODE + at + 5, 3]);
  });

  // 16-bit addresses do not reach the device.
  const targets = [DATA, CODE + 0x800, ...(bits === 16 ? [] : [DEVICE])];
  it.each([
    ...targets.map((target) => ["STOSB", "f3 aa", target] as const),
    ["MOVSB", "f3 a4", DATA] as const,
    ["MOVSB", "f3 a4", CODE + 0x800] as const,
  ])("by REP %s (%s) to %i counts once, as elsewhere", (_, bytes, target) => {
    const m = new TinyMachine(bits).set({ rdi: BigInt(target), rsi: BigInt(DATA + 0x800), rcx: 100n, rax: 0x90n });
    m.runToHalt(`${bytes} f4`);
    expect([m.vcpu.instructionCount, m.reg("rcx")]).toEqual([2, 0n]);
  });

  it("is seen in a page that was stored to before it held code", () => {
    const m = new TinyMachine(bits).set({ ...pointAt(DATA + 1), rsi: BigInt(DATA) });
    // mov al, 0; ret - called twice, its immediate counted up before each call
    m.code(DATA, "b0 00 c3").runToHalt("fe 07 ff d6 fe 07 ff d6 f4");
    expect(m.al).toBe(2);
  });

  it("is seen by an instruction that begins in the page before", () => {
    const m = new TinyMachine(bits).set({ ...pointAt(DATA + 0x1000), rsi: BigInt(DATA + 0xfff) });
    m.code(DATA + 0xfff, "b0 00 c3").runToHalt("fe 07 ff d6 fe 07 ff d6 fe 07 ff d6 f4");
    expect(m.al).toBe(3);
  });

  it("outside of decoded bytes forgets nothing", () => {
    const m = new TinyMachine(bits).set({ ...pointAt(CODE + 0x800), rcx: 100n });
    // inc byte [bx]; dec cl; jnz
    m.runToHalt("fe 07 fe c9 75 fa f4");
    expect(m.read8(CODE + 0x800)).toBe(100);
    const { invalidations } = (m.vcpu as unknown as { counters: { invalidations: number } }).counters;
    expect(invalidations).toBe(0);
  });

  it("by REP STOS over the code itself ends in what was stored", () => {
    const m = new TinyMachine(bits).set({ rdi: BigInt(CODE + 2), rcx: 8n, rax: 0xf4n });
    m.runToHalt("f3 aa fe c0 fe c0 fe c0 fe c0");
    // The processor may have fetched behind REP STOS, but not behind its end.
    expect([m.rip, m.al]).toEqual([CODE + 3, 0xf4]);
  });
});

describe.each(MODES)("code written by DMA in %i-bit mode", (bits) => {
  it("is executed by the next run", () => {
    const m = new TinyMachine(bits);
    m.runToHalt("b0 01 f4");
    m.runToHalt("b0 02 f4");
    expect(m.al).toBe(2);
  });

  it("during a port access is executed by the same run", () => {
    const m = new TinyMachine(bits);
    m.onAccess = () => void m.code(CODE + 5, "b0 22 f4");
    m.runToHalt(`e6 80 eb 01 90 b0 11 f4`);
    expect(m.al).toBe(0x22);
  });

  it("into the second half of an instruction across pages is seen", () => {
    const m = new TinyMachine(bits);
    m.code(CODE + 0xfff, "b0 11 f4");
    for (const value of ["11", "22"]) {
      m.code(NEXT_PAGE, value).set({ rip: BigInt(CODE + 0xfff) });
      expect(m.run()).toBe("hlt");
      expect(m.al).toBe(Number.parseInt(value, 16));
    }
  });
});

describe.each(MODES)("a jump across two pages in %i-bit mode", (bits) => {
  it("follows DMA into its second page, where nothing else is decoded nearby", () => {
    const m = new TinyMachine(bits).set(pointAt(CODE + 0xfff));
    // jmp +7fh, to: out 80h; jmp back. The port access makes it jmp +6fh, to HLT.
    m.code(CODE + 0xfff, "eb 7f")
      .code(NEXT_PAGE + 0x80, "e6 80 ff e7")
      .code(NEXT_PAGE + 0x70, "f4");
    m.onAccess = () => void m.code(NEXT_PAGE, "6f");
    m.set({ rip: BigInt(CODE + 0xfff) });
    expect(m.run()).toBe("hlt");
    expect([m.rip, m.log.length]).toEqual([NEXT_PAGE + 0x71, 1]);
  });
});

describe("an instruction across two pages", () => {
  /** mov eax, imm32 with two bytes of the immediate in the second page, then HLT. */
  function crossing(): TinyMachine {
    const m = new TinyMachine(64);
    m.code(CODE + 0xffd, "b8 11 22 33 44 f4").code(0x10_0000, "55 66 f4");
    return m.set({ rip: BigInt(CODE + 0xffd) });
  }
  const eax = (m: TinyMachine): number => Number(m.reg("rax"));

  it("has the bytes of both", () => {
    const m = crossing();
    expect(m.run()).toBe("hlt");
    expect(eax(m)).toBe(0x4433_2211);
  });

  it("follows INVLPG of the second", () => {
    const m = crossing();
    m.run();
    m.mapPage(NEXT_PAGE, 0x10_0000 | 7);
    // invlpg [rdi]; jmp to the crossing instruction
    m.set({ rdi: BigInt(NEXT_PAGE), rax: 0n })
      .code(CODE, "0f 01 3f e9 f5 0f 00 00")
      .set({ rip: BigInt(CODE) });
    expect(m.run()).toBe("hlt");
    expect(eax(m)).toBe(0x6655_2211);
  });

  it("follows MOV to CR3", () => {
    const m = crossing();
    m.run();
    m.mapPage(NEXT_PAGE, 0x10_0000 | 7);
    m.set({ rax: m.reg("cr3") })
      .code(CODE, "0f 22 d8 e9 f5 0f 00 00")
      .set({ rip: BigInt(CODE) });
    expect(m.run()).toBe("hlt");
    expect(eax(m)).toBe(0x6655_2211);
  });

  it("faults with the address of the second, and runs when that is there", () => {
    const m = crossing();
    m.mapPage(NEXT_PAGE, 0);
    expect(m.run()).toBe("hlt");
    expect(m.event()).toMatchObject({ vector: 14, error: 0x10, rip: CODE + 0xffd });
    expect(m.reg("cr2")).toBe(BigInt(NEXT_PAGE));
    m.mapPage(NEXT_PAGE, NEXT_PAGE | 7);
    m.set({ rip: BigInt(CODE + 0xffd), rax: 0n });
    expect(m.run()).toBe("hlt");
    expect(eax(m)).toBe(0x4433_2211);
  });

  it("loses its second page between two turns of a loop", () => {
    const m = crossing();
    // mov eax, imm32 (crossing); then at +2 of the second page: inc cl; cmp cl, 2; je +7; jmp CODE; hlt
    m.code(NEXT_PAGE + 2, "fe c1 80 f9 02 74 05 e9 f2 ef ff ff f4");
    m.code(CODE, "0f 01 3f e9 f5 0f 00 00").set({ rdi: BigInt(NEXT_PAGE) });
    m.code(0x10_0000, "55 66 f4");
    const target = m.rip;
    m.onAccess = () => m.mapPage(NEXT_PAGE, 0x10_0000 | 7);
    // The page is replaced by a port access in front of INVLPG, which is executed in the second turn.
    m.code(CODE, "e6 80 0f 01 3f e9 f3 0f 00 00").set({ rip: BigInt(target) });
    expect(m.run()).toBe("hlt");
    expect([eax(m), m.rip, m.reg("rcx")]).toEqual([0x6655_2211, NEXT_PAGE + 3, 1n]);
  });
});

describe("the same frame under two addresses", () => {
  it("is changed through the one and executed through the other", () => {
    const m = new TinyMachine(64);
    m.mapPage(0x10_0000, CODE | 7);
    m.set({ ...pointAt(0x10_0000 + 1) });
    // mov al, 0 with its immediate counted up through the alias; cmp; jne; hlt
    m.runToHalt("b0 00 fe 07 3c 03 75 f8 f4");
    expect(m.al).toBe(3);
  });
});

describe("one IP in two code segments of real mode", () => {
  it("is two places", () => {
    const m = new TinyMachine(16).set({ rax: 0xc010n });
    // 0000:C000 jmp far 0400:C010; there, at 1_0010h: mov cl, 1; jmp far 0000:C020; there: jmp ax; 0000:C010: mov ch, 2; hlt
    m.code(CODE, "ea 10 c0 00 04").code(0x1_0010, "b1 01 ea 20 c0 00 00");
    m.code(CODE + 0x20, "ff e0").code(CODE + 0x10, "b5 02 f4");
    m.set({ rcx: 0n, rip: BigInt(CODE) });
    expect(m.run()).toBe("hlt");
    expect([m.reg("rcx"), m.rip]).toEqual([0x201n, CODE + 0x13]);
  });
});
