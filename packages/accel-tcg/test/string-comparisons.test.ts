// PCMPISTRI and PCMPISTRM in regions, where the control byte is a constant and they become vector code, against the
// interpreter, which calls a helper; its own test compares that with the manual's matrix.
import { describe, expect, it } from "vitest";
import type { VcpuCounters } from "../src/index.ts";
import { DATA, TinyMachine } from "./tiny-machine.ts";

const PAIRS = 48;
const RESULTS = DATA + PAIRS * 32;
const RESULT_BYTES = 24;
/** Control bytes that one program tries, one loop each. */
const AT_ONCE = 8;
const counters = (m: TinyMachine): VcpuCounters => (m.vcpu as unknown as { counters: VcpuCounters }).counters;
const hex = (byte: number): string => byte.toString(16).padStart(2, "0");

/** Letters from a small alphabet, some with the sign bit, of one byte or two, with ends here and there. */
function letters(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const choice = (state >>> 12) % 23;
    return choice === 0 ? 0 : choice < 4 ? 0xfe - choice : 0x61 + (choice % 3);
  };
}

/** The little-endian bytes of a 32-bit immediate. */
const word = (value: number): string => [0, 8, 16, 24].map((shift) => hex((value >> shift) & 0xff)).join(" ");

/** A loop over the pairs: ECX, flags and XMM0 of both instructions go to where RDI is. */
const loop = (control: number): string =>
  // mov esi, DATA; mov ebp, PAIRS; (again) movdqu xmm1, [rsi]; pcmpistri xmm1, [rsi+16], control; pushfq; pop rdx
  `be ${word(DATA)} bd ${word(PAIRS)} f3 0f 6f 0e 66 0f 3a 63 4e 10 ${hex(control)} 9c 5a ` +
  // mov [rdi], ecx; mov [rdi+4], edx; pcmpistrm xmm1, [rsi+16], control; movdqu [rdi+8], xmm0
  `89 0f 89 57 04 66 0f 3a 62 4e 10 ${hex(control)} f3 0f 7f 47 08 ` +
  // add esi, 32; add edi, 24; sub ebp, 1; jnz again
  "83 c6 20 83 c7 18 83 ed 01 75 d7 ";

function run(first: number, heatLimit: number): { machine: TinyMachine; results: readonly number[] } {
  const machine = new TinyMachine(64, { heatLimit, verify: heatLimit !== 0 });
  const next = letters(first + 1);
  for (let pair = 0; pair < PAIRS; pair++) {
    // Every third pair has no end at all, every fourth begins with the same elements on both sides.
    const bytes = Array.from({ length: 32 }, () => (pair % 3 === 0 ? next() || 0x62 : next()));
    if (pair % 4 === 0) for (let i = 0; i < pair / 4; i++) bytes[16 + i] = bytes[i] as number;
    for (const [i, byte] of bytes.entries()) machine.fill(DATA + pair * 32 + i, DATA + pair * 32 + i + 1, byte);
  }
  machine.set({ cr4: 0x620n, rdi: BigInt(RESULTS), rcx: 0xffff_ffff_ffff_ffffn });
  machine.runToHalt(`${Array.from({ length: AT_ONCE }, (_, i) => loop(first + i)).join("")} f4`);
  const results = Array.from({ length: AT_ONCE * PAIRS * RESULT_BYTES }, (_, i) => machine.read8(RESULTS + i));
  return { machine, results };
}

describe("PCMPISTRI and PCMPISTRM in a region", () => {
  it.each(Array.from({ length: 128 / AT_ONCE }, (_, i) => [hex(i * AT_ONCE), i * AT_ONCE] as const))(
    "agree with the interpreter: control bytes from %s on",
    (_, first) => {
      const [hot, cold] = [run(first, 3), run(first, 0)];
      expect(counters(hot.machine).regionsMade).toBeGreaterThanOrEqual(AT_ONCE);
      expect(hot.results).toEqual(cold.results);
    },
  );
});
