import { JUMP_CACHE, TLB_READ, TLB_WRITE } from "../../src/state/memory-map.ts";
import type { Snippet } from "./snippet-source.ts";

/** A snippet and what of it is shown. */
export interface Golden extends Snippet {
  /** Name of the file. */
  readonly name: string;
  /** What to look for in it. */
  readonly shows: string;
  /** Each instruction by itself too: as the interpreter's handler, then with the record's fields known. */
  readonly alone?: true;
  /** The one of the two that is not shown. */
  readonly without?: "ir" | "wat";
  /** What all regions have in their WebAssembly is shown too: locals, registers loaded and stored, the way of side exits. */
  readonly whole?: true;
  /** How often something stands in the WebAssembly: what must not get lost unseen when the file is updated. */
  readonly claims: readonly (readonly [pattern: RegExp, times: number])[];
}

const looksAt = (table: number): RegExp => new RegExp(`i64[.]load offset=${table} `, "g");
/** Looks into the soft TLB. */
const READ_PROBE = looksAt(TLB_READ);
const WRITE_PROBE = looksAt(TLB_WRITE);
const JUMP_CACHE_LOOK = looksAt(JUMP_CACHE);

export const GOLDENS: readonly Golden[] = [
  {
    name: "constant-folding",
    shows: "A shift by a constant: that its count is not 0, and so what becomes of the flags, is known beforehand.",
    code: { 0: "c1 e0 03" },
    alone: true,
    claims: [[/\(if /g, 0]],
  },
  {
    name: "dead-flags",
    shows: "Flags that the next instruction overwrites are never computed; the last ones on the way out only.",
    code: { 0: "01 d8 83 e1 07 29 ca" },
    claims: [[/i64\.extend32_s/g, 1]],
  },
  {
    name: "flags-for-a-way-out",
    shows: "What a shift leaves in the flags only the side exit of the next instruction needs: it is computed there.",
    code: { 0: "c1 e8 08 33 07" },
    claims: [
      [/\(then\s+\(i64\.extend32_s/g, 1],
      [/local\.tee/g, 1],
    ],
  },
  {
    name: "compare-and-branch",
    shows: "CMP and Jcc become one comparison of the operands; the flags themselves are left to the ways out.",
    code: { 0: "48 39 d8 72 03 48 29 d8" },
    claims: [[/i64\.lt_u \(local\.get/g, 1]],
  },
  {
    name: "tlb-checks",
    shows: "Four instructions access [rdi]: one look into the TLB for reads and one for writes answer for all of them.",
    code: { 0: "8b 07 03 07 01 0f 01 07" },
    claims: [
      [READ_PROBE, 1],
      [WRITE_PROBE, 1],
    ],
  },
  {
    name: "neighbours",
    shows:
      "Memory beside [rdi] is compared with its page, each time with the same address; only in another page it is looked up.",
    code: { 0: "8b 07 8b 47 08 8b 47 10" },
    claims: [
      [READ_PROBE, 1],
      [/call \$\S*reachGuest/g, 2],
    ],
  },
  {
    name: "stores-to-state",
    shows: "Registers go to memory once, behind everything else, whatever was put into them before.",
    code: { 0: "b8 01 00 00 00 b4 02 89 c1 31 c0" },
    alone: true,
    whole: true,
    claims: [
      [/i64\.store offset=\d+\(;rax;\)/g, 1],
      [/i64\.store offset=\d+\(;rcx;\)/g, 1],
    ],
  },
  {
    name: "small-function",
    shows: "Each call has a copy of a small function, whose return leads back to the place behind that call.",
    code: { 0: "e8 1b 00 00 00 e8 16 00 00 00 89 d1", 32: "8d 04 7f c3" },
    without: "ir",
    claims: [[/\(i64\.shl \(local\.get \S+\) \(i64\.const 1\)\)/g, 2]],
  },
  {
    name: "guessed-target",
    shows: "An indirect jump is compared with where it mostly went; control stays in the region if it goes there.",
    code: { 0: "ff e0", 16: "89 d1" },
    went: { 0: 0x10 },
    claims: [[/i64\.eq \(local\.get \S+\) \(i64\.add \(local\.get \$pageRip\)/g, 1]],
  },
  {
    name: "several-targets",
    shows: "An indirect jump that goes here and there finds its target by halves; control stays in the region.",
    code: { 0: "ff e0", 16: "89 d1", 32: "89 c1", 48: "29 d1" },
    scattered: { 0: [0x20, 0x10, 0x30] },
    without: "ir",
    claims: [[/\(i64\.eq /g, 3]],
  },
  {
    name: "loop",
    shows: "Fuel is looked at on the edge that goes back, and rip written only if it is spent.",
    code: { 0: "48 03 07 83 e9 01 75 f8" },
    claims: [
      [/\(loop /g, 1],
      [/i32\.le_s/g, 1],
    ],
  },
  {
    name: "several-turns",
    shows:
      "Three turns of a small loop, entered in its middle: units are looked at once, the fuel too, and what is left in flags and XMM0 is computed as the loop is left.",
    code: { 0: "eb 04", 2: "48 83 c7 08 66 0f fc c1 90 90 90 90 90 90 90 90 90 90 90 90 48 39 f7 75 e7" },
    goesAround: true,
    without: "ir",
    claims: [
      [/\(loop /g, 1],
      [/i64\.eq /g, 3],
      [/;#NM, /g, 1],
      [/i32\.le_s/g, 1],
    ],
  },
  {
    name: "known-to-be-passed",
    shows:
      "The second turn knows that its branch is not taken, other than most of the time: it is the last one, and leaves.",
    code: { 0: "01 c8 85 d2 74 03 83 c6 05 ba 01 00 00 00 83 e9 01 75 ed" },
    taken: [4],
    goesAround: true,
    without: "wat",
    claims: [[/i32\.const \(;\d+ done/g, 3]],
  },
  {
    name: "counting-down",
    shows: "DEC leaves CF alone: each turn a bit says whether it is the borrow of this subtraction or not.",
    code: { 0: "ff c9 75 fc" },
    claims: [
      [/i64\.lt_u/g, 6],
      [/i64\.shl/g, 0],
    ],
  },
  {
    name: "other-page",
    shows: "A jump to another page stays in the region if the jump cache says that the page is still mapped.",
    code: { 0: "89 c8 e9 f9 0f 00 00", 4096: "89 d1" },
    claims: [[JUMP_CACHE_LOOK, 1]],
  },
  {
    name: "scalar-double",
    shows: "ADDSD is f64.add where the result is proven to be right; the rest is left to the interpreter.",
    code: { 0: "f2 0f 58 c1" },
    without: "ir",
    claims: [
      [/f64\.add/g, 1],
      [/i64x2\.bitmask/g, 1],
    ],
  },
  {
    name: "float-operand",
    shows: "MOVSD loads floats, which are no integers on their way to the registers.",
    code: { 0: "f2 0f 10 07 f2 0f 10 4f 08" },
    without: "ir",
    claims: [
      [/f64\.load/g, 3],
      [/i64\.reinterpret_f64/g, 0],
    ],
  },
  {
    name: "packed-single",
    shows:
      "MULPS and ADDPS look for what is normal first; a product that was found so is not looked at again as an operand.",
    code: { 0: "0f 59 c1 0f 58 c2" },
    without: "ir",
    claims: [[/f32x4\.pmin/g, 3]],
  },
  {
    name: "repeated-store",
    shows: "REP STOSB fills what is left of the page at once, and comes round for the next page.",
    code: { 0: "f3 aa" },
    without: "wat",
    claims: [[/memory\.fill/g, 1]],
  },
  {
    name: "side-exit",
    shows: "CPUID is left to the interpreter, and the region is entered again behind it.",
    code: { 0: "b8 07 00 00 00 0f a2 89 c1" },
    whole: true,
    claims: [[/\(br \$B1\)/g, 1]],
  },
  {
    name: "entry-in-a-loop",
    shows:
      "A function that is not in the region returns into the middle of a loop: a switch stands at the loop's head.",
    code: { 0: "e8 fb 1f 00 00 e2 f9" },
    claims: [
      [/\(loop /g, 1],
      [/br_table/g, 2],
    ],
  },
];
