// The XSAVE family: where its area is in the soft TLB it is moved without a helper, and that must be what the helper does. SDM
// vol. 1, "Managing State Using the XSAVE Feature Set".
import { describe, expect, it } from "vitest";
import type { VcpuCounters } from "../src/vcpu-counters.ts";
import { DATA, TinyMachine } from "./tiny-machine.ts";

const OSXSAVE_OSFXSR_PKE = 0x44_0620n;
const AREA_BYTES = 0xb00;
const SOURCE = DATA + 0x4000;
const DISTANT_FRAME = 0x18_0000;

/** Turns that are made: the first one fills the soft TLB. */
const TURNS = 3;

interface Turn {
  readonly area: string;
  /** Helpers called since the turn before. */
  readonly helpers: number;
}

/** A page, and the frame it is mapped to. */
const SECOND_PAGE = DATA + 0x1000;

function build(frame: number): TinyMachine {
  const m = new TinyMachine(64, { heatLimit: 0, verify: false });
  m.set({ cr4: m.reg("cr4") | OSXSAVE_OSFXSR_PKE });
  m.mapPage(SECOND_PAGE, frame | 7);
  return m;
}

const setUp = [
  "31 c9 31 d2 b8 07 02 00 00 0f 01 d1", // xcr0 = 207h: x87, SSE, AVX, PKRU
  "d9 eb d9 e8", // fldpi; fld1
  "66 0f 76 c0 0f 28 f0 66 44 0f 6f c0", // xmm0, xmm6, xmm8 all ones
  "c5 fd 6f d0 c5 7d 76 c8", // vmovdqa ymm2, ymm0; vpcmpeqd ymm9, ymm0, ymm0
].join(" ");

/** `setUp`, then `turn` over and over, each with OUT 80h behind it. @returns what `area` was at each OUT. */
function run(frame: number, area: number, prepare: string, turn: string): readonly Turn[] {
  const m = build(frame);
  const turns: Turn[] = [];
  const gpas = Array.from({ length: AREA_BYTES }, (_, i) => {
    const linear = area + i;
    return linear >> 12 === SECOND_PAGE >> 12 ? frame + (linear & 0xfff) : linear;
  });
  let helpers = 0;
  m.onAccess = () => {
    const bytes = gpas.map((gpa) => m.read8(gpa).toString(16)).join(" ");
    const { helperCalls } = (m.vcpu as unknown as { counters: VcpuCounters }).counters;
    turns.push({ area: bytes, helpers: helperCalls - helpers });
    helpers = helperCalls;
    for (let i = 0; i < AREA_BYTES; i += 4) m.write32(gpas[i] as number, 0);
  };
  m.set({ rdi: BigInt(area), rsi: BigInt(SOURCE) });
  const body = `${turn} e6 80 ff cb`;
  const length = body.split(" ").length + 6;
  const back = (0x1_0000_0000 - length).toString(16).match(/../g)!.reverse().join(" ");
  m.runToHalt(`${setUp} ${prepare} bb 0${TURNS} 00 00 00 b8 ff ff ff ff ba ff ff ff ff ${body} 0f 85 ${back} f4`);
  expect(turns).toHaveLength(TURNS);
  return turns;
}

describe.each([
  ["within a page", DATA + 0x400, SECOND_PAGE],
  ["in neighbouring frames", DATA + 0xe40, SECOND_PAGE],
  ["in distant frames, its legacy region too", DATA + 0xf00, DISTANT_FRAME],
  ["in distant frames, parted at its header", DATA + 0xe00, DISTANT_FRAME],
])("an area %s", (_, area, frame) => {
  it.each([
    ["XSAVE", "48 0f ae 27"],
    ["XSAVE with 32-bit pointers", "0f ae 27"],
    ["XSAVEOPT", "48 0f ae 37"],
    ["XSAVEC", "48 0f c7 27"],
    ["XSAVES", "48 0f c7 2f"],
  ])("is written by %s as the helper writes it", (_, insn) => {
    const [byHelper, ...plain] = run(frame, area, "", insn) as [Turn, ...Turn[]];
    expect(byHelper.area).toMatch(/ff ff ff ff/);
    expect(byHelper.helpers).toBeGreaterThan(1);
    for (const turn of plain) expect(turn).toEqual({ area: byHelper.area, helpers: 1 });
  });

  // What was restored is told by a second area.
  const spoil = "66 0f 76 db 66 0f ef c0 d9 ee c5 ed ef d2";
  it.each([
    ["XRSTOR", "48 0f ae 26", "48 0f ae 2f"],
    ["XRSTOR with 32-bit pointers", "0f ae 26", "0f ae 2f"],
    ["XRSTOR of what XSAVEOPT left out", "db e3 48 0f ae 36", "48 0f ae 2f"],
    ["XRSTORS", "48 0f c7 26", "48 0f c7 1f"],
  ])("is read by %s as the helper reads it", (_, save, restore) => {
    const all = "b8 ff ff ff ff ba ff ff ff ff";
    // The state goes to [rsi], is copied to [rdi], and comes back from there.
    const copy = "56 57 b9 00 0b 00 00 f3 a4 5f 5e";
    const prepare = `${all} ${save}`;
    const turns = run(frame, SOURCE + 0x2000, prepare, turnOf(area, copy, `${spoil} ${restore}`));
    const [byHelper, ...plain] = turns as [Turn, ...Turn[]];
    expect(byHelper.area).toMatch(/ff ff ff ff/);
    for (const turn of plain) expect(turn).toEqual({ area: byHelper.area, helpers: 1 });
  });
});

/** Copies the source to `area`, restores from there, and saves to where RDI was. */
function turnOf(area: number, copy: string, restore: string): string {
  const low = [area, area >> 8, area >> 16, area >> 24]
    .map((byte) => (byte & 0xff).toString(16).padStart(2, "0"))
    .join(" ");
  return `57 bf ${low} ${copy} ${restore} 5f 48 0f ae 27`;
}

it("an area that is restored may change rights: the helper does it", () => {
  // PKRU is 0 as the state is saved, and 4 each time that it is restored.
  const turn = "48 0f ae 27 31 c9 31 d2 b8 04 00 00 00 0f 01 ef b8 ff ff ff ff ba ff ff ff ff 48 0f ae 2f";
  const turns = run(SECOND_PAGE, DATA + 0x400, "", turn);
  expect(turns.map(({ helpers }) => helpers > 1)).toEqual([true, true, true]);
});
