// What keeps translations and what drops them. SDM vol. 3A, "Invalidation of TLBs and Paging-Structure Caches", "Process-
// Context Identifiers (PCIDs)".
import { describe, expect, it } from "vitest";
import { CODE, DATA, IDT, PML4, PT, TinyMachine } from "./tiny-machine.ts";

const OTHER_FRAME = 0x10_0000;
const PCIDE = 1n << 17n;

/** Data pages of two frames: 11h in the one that DATA is mapped to, 22h in the other. */
function build(): TinyMachine {
  const m = new TinyMachine(64);
  m.code(DATA, "11").code(OTHER_FRAME, "22");
  return m;
}
const remap = (m: TinyMachine): void => m.mapPage(DATA, OTHER_FRAME | 7);

describe("a changed page-table entry", () => {
  it("counts after INVLPG, for loads", () => {
    const m = build();
    m.onAccess = () => remap(m);
    // mov al, [rdi]; mov cl, al; out 80h; invlpg [rdi]; mov al, [rdi]
    m.runToHalt("8a 07 88 c1 e6 80 0f 01 3f 8a 07 f4");
    expect([m.al, m.reg("rcx")]).toEqual([0x22, 0x11n]);
  });

  it("counts after INVLPG, for stores", () => {
    const m = build();
    m.onAccess = () => remap(m);
    m.runToHalt("b0 77 88 07 e6 80 0f 01 3f 88 07 f4");
    expect([m.read8(DATA), m.read8(OTHER_FRAME)]).toEqual([0x77, 0x77]);
  });

  it.each([
    ["MOV to CR3", "0f 20 d8 0f 22 d8"],
    ["a toggled CR4.PGE", "0f 20 e0 0c 80 0f 22 e0"],
  ])("counts after %s", (_, hex) => {
    const m = build();
    m.onAccess = () => remap(m);
    m.runToHalt(`8a 07 e6 80 ${hex} 8a 07 f4`);
    expect(m.al).toBe(0x22);
  });

  it("gives up rights at once after INVLPG", () => {
    const m = build();
    m.onAccess = () => m.mapPage(DATA, DATA | 5);
    m.set({ cr0: 0x8001_0011n });
    m.runToHalt("88 07 e6 80 0f 01 3f 88 07 f4");
    expect(m.event()).toMatchObject({ vector: 14, error: 3, rip: CODE + 7 });
  });

  it("that maps code elsewhere counts after INVLPG", () => {
    const m = build();
    const page = 0x11_0000;
    // The page called: mov al, 1; ret - and the one that takes its place.
    m.code(page, "b0 01 c3").code(OTHER_FRAME, "b0 02 c3");
    m.onAccess = () => m.mapPage(page, OTHER_FRAME | 7);
    m.set({ rdi: BigInt(page) });
    m.runToHalt("ff d7 88 c1 e6 80 0f 01 3f ff d7 f4");
    expect([m.al, m.reg("rcx")]).toEqual([2, 1n]);
  });
});

describe("INVLPG", () => {
  it("drops all of a large page", () => {
    const m = build();
    // 2 MiB at 20 0000h, through its PD entry; read at both ends, invalidated in the middle.
    const pd = 0x6000 + 8;
    m.code(0x20_0000, "11").code(0x3f_ffff, "11");
    m.onAccess = () => m.write64(pd, 0n);
    m.set({ rdi: 0x3f_ffffn, rsi: 0x30_0000n });
    m.runToHalt("8a 07 e6 80 0f 01 3e 8a 07 f4");
    expect(m.event()).toMatchObject({ vector: 14, error: 0, rip: CODE + 7 });
    expect(m.reg("cr2")).toBe(0x3f_ffffn);
  });
});

describe("with PCIDs", () => {
  /** Loads, switches to PCID 1, does `there`, comes back (with `keep` as bit 63 of CR3) and loads again. */
  function visit(keep: bigint, there = ""): TinyMachine {
    const m = build();
    const cr3 = BigInt(PML4);
    m.set({ cr4: 0x20n | PCIDE, rcx: cr3 | 1n, rdx: cr3 | (keep << 63n) });
    m.onAccess = () => remap(m);
    // mov al, [rdi]; out; mov cr3, rcx; ...; mov cr3, rdx; mov al, [rdi]
    return m.runToHalt(`8a 07 e6 80 0f 22 d9 ${there} 0f 22 da 8a 07 f4`);
  }

  it("MOV to CR3 with bit 63 clear drops the translations of that PCID", () => {
    expect(visit(0n).al).toBe(0x22);
  });

  it("MOV to CR3 with bit 63 set keeps them", () => {
    expect(visit(1n).al).toBe(0x11);
  });

  it("another PCID has translations of its own", () => {
    // mov ah, [rdi]
    expect(visit(1n, "8a 27").reg("rax") & 0xff00n).toBe(0x2200n);
  });

  it("INVPCID of one address drops it there", () => {
    const m = build();
    m.set({ cr4: 0x20n | PCIDE, rax: 0n, rsi: BigInt(OTHER_FRAME + 0x100) });
    // The descriptor: PCID 0, address DATA.
    m.write64(OTHER_FRAME + 0x100, 0n);
    m.write64(OTHER_FRAME + 0x108, BigInt(DATA));
    m.onAccess = () => remap(m);
    // mov cl, [rdi]; out; invpcid rax, [rsi]; mov cl, [rdi]
    m.runToHalt("8a 0f e6 80 66 0f 38 82 06 8a 0f f4");
    expect(m.reg("rcx")).toBe(0x22n);
  });
});

describe("accessed and dirty bits", () => {
  it("are set by the first load and the first store", () => {
    const m = build();
    const entry = PT + (DATA >> 12) * 8;
    const seen: number[] = [];
    m.onAccess = () => seen.push(m.read32(entry) & 0x60);
    m.runToHalt("e6 80 8a 07 e6 80 88 07 e6 80 f4");
    expect(seen).toEqual([0, 0x20, 0x60]);
  });
});

describe("privilege", () => {
  it("has translations of its own: a supervisor page stays closed to user code", () => {
    const m = build();
    m.mapPage(DATA, DATA | 3);
    // The supervisor loads it, then returns to user code that does, too: iretq with a frame on the stack.
    const frame = 0xa000;
    for (const [i, value] of [CODE + 0x100, 0x1b, 2, 0xb000, 0x23].entries()) m.write64(frame + i * 8, BigInt(value));
    m.code(CODE + 0x100, "8a 07").set({ rsp: BigInt(frame) });
    m.runToHalt("8a 07 48 cf");
    expect(m.event()).toMatchObject({ vector: 14, error: 5, rip: CODE + 0x100 });
    expect(m.reg("cs.selector")).toBe(8n);
    expect(m.read32(IDT)).not.toBe(0);
  });
});
