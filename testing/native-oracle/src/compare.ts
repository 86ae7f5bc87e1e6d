import { FXSAVE, VISIBLE_FLAGS } from "./cpu-state.ts";
import { SEGMENT_NAMES } from "./environment.ts";
import {
  definedException,
  definedWrites,
  undefinedConditionBits,
  undefinedFlags,
  undefinedRegisterBits,
} from "./undefined-results.ts";
import { type Bytes, OVERRIDABLE, type VectorInput, type VectorOutcome } from "./vector.ts";

/** One field that differs, as text for people. */
export interface Difference {
  readonly field: string;
  readonly expected: string;
  readonly actual: string;
}

/** How strictly outcomes are compared. */
export interface CompareOptions {
  /** Compares undefined flags too. */
  readonly strict?: boolean;
}

/** Everything in which `actual` differs from what the CPU did, most telling fields first; empty when equal. */
export function compareOutcomes(
  input: VectorInput,
  expected: VectorOutcome,
  actual: VectorOutcome,
  options: CompareOptions = {},
): readonly Difference[] {
  const differences: Difference[] = [];
  const check = (field: string, a: bigint | number, b: bigint | number): void => {
    if (BigInt(a) !== BigInt(b)) differences.push({ field, expected: hex(a), actual: hex(b) });
  };
  compareExceptions(definedException(input, expected), definedException(input, actual), differences);
  check("rip", expected.state.rip, actual.state.rip);
  const defined = options.strict ? -1n : ~undefinedRegisterBits(input);
  for (let i = 0; i < 16; i++)
    check(OVERRIDABLE[i] ?? "", (expected.state.gpr[i] ?? 0n) & defined, (actual.state.gpr[i] ?? 0n) & defined);
  compareFlags(input, expected, actual, options, differences);
  SEGMENT_NAMES.forEach((name, i) => {
    check(name, expected.state.selectors[i] ?? 0, actual.state.selectors[i] ?? 0);
  });
  check("fs.base", expected.state.fsBase, actual.state.fsBase);
  check("gs.base", expected.state.gsBase, actual.state.gsBase);
  compareWrites(definedWrites(input, expected.writes), definedWrites(input, actual.writes), differences);
  const undefinedBits = options.strict || expected.exception ? 0 : undefinedConditionBits(input);
  compareFxsave(expected.state.fxsave, actual.state.fxsave, undefinedBits, differences);
  return differences;
}

function hex(value: bigint | number): string {
  return value.toString(16);
}

/** "#PF error 6 at 7000", or "none". */
export function describeException({ exception }: VectorOutcome): string {
  if (!exception) return "none";
  const names = [
    "DE",
    "DB",
    "NMI",
    "BP",
    "OF",
    "BR",
    "UD",
    "NM",
    "DF",
    "9",
    "TS",
    "NP",
    "SS",
    "GP",
    "PF",
    "15",
    "MF",
    "AC",
    "MC",
    "XM",
  ];
  const name = names[exception.vector] ?? exception.vector.toString();
  const address = exception.vector === 14 ? ` at ${hex(exception.cr2)}` : "";
  return `#${name} error ${hex(exception.errorCode)}${address}`;
}

function compareExceptions(expected: VectorOutcome, actual: VectorOutcome, differences: Difference[]): void {
  const a = describeException(expected);
  const b = describeException(actual);
  if (a !== b) differences.push({ field: "exception", expected: a, actual: b });
}

const FLAG_LETTERS = Object.entries({
  OF: 0x800,
  DF: 0x400,
  IF: 0x200,
  SF: 0x80,
  ZF: 0x40,
  AF: 0x10,
  PF: 4,
  CF: 1,
  AC: 0x4_0000,
  ID: 0x20_0000,
});

function describeFlags(flags: number, mask: number): string {
  return FLAG_LETTERS.filter(([, bit]) => mask & bit)
    .map(([name, bit]) => (flags & bit ? name : name.toLowerCase()))
    .join(" ");
}

function compareFlags(
  input: VectorInput,
  expected: VectorOutcome,
  actual: VectorOutcome,
  { strict }: CompareOptions,
  differences: Difference[],
): void {
  const undefinedBits = strict || expected.exception ? 0 : undefinedFlags(input);
  const wrong = (expected.state.rflags ^ actual.state.rflags) & VISIBLE_FLAGS & ~undefinedBits;
  if (wrong === 0) return;
  differences.push({
    field: "rflags",
    expected: describeFlags(expected.state.rflags, wrong),
    actual: describeFlags(actual.state.rflags, wrong),
  });
}

function compareWrites(expected: readonly Bytes[], actual: readonly Bytes[], differences: Difference[]): void {
  const a = describeWrites(expected);
  const b = describeWrites(actual);
  if (a !== b) differences.push({ field: "memory", expected: a, actual: b });
}

/** "5ff8=0102 6000=03", addresses of runs and their bytes. */
function describeWrites(writes: readonly Bytes[]): string {
  return (
    writes.map(({ address, bytes }) => `${hex(address)}=${Buffer.from(bytes).toString("hex")}`).join(" ") || "unchanged"
  );
}

function compareFxsave(
  expected: Uint8Array,
  actual: Uint8Array,
  undefinedBits: number,
  differences: Difference[],
): void {
  const a = new DataView(expected.buffer, expected.byteOffset);
  const b = new DataView(actual.buffer, actual.byteOffset);
  const check = (field: string, x: number, y: number): void => {
    if (x !== y) differences.push({ field, expected: hex(x), actual: hex(y) });
  };
  const bytes = (field: string, offset: number, length: number): void => {
    const x = describeBytes(expected, offset, length);
    const y = describeBytes(actual, offset, length);
    if (x !== y) differences.push({ field, expected: x, actual: y });
  };
  for (let i = 0; i < 16; i++) {
    bytes(`xmm${i}`, FXSAVE.xmm + i * 16, 16);
    bytes(`ymm${i}.upper`, FXSAVE.ymm + i * 16, 16);
  }
  check("mxcsr", a.getUint32(FXSAVE.mxcsr, true), b.getUint32(FXSAVE.mxcsr, true));
  check("fcw", a.getUint16(FXSAVE.fcw, true), b.getUint16(FXSAVE.fcw, true));
  check("fsw", a.getUint16(FXSAVE.fsw, true) & ~undefinedBits, b.getUint16(FXSAVE.fsw, true) & ~undefinedBits);
  check("ftw", a.getUint8(FXSAVE.ftw), b.getUint8(FXSAVE.ftw));
  for (let i = 0; i < 8; i++) bytes(`st${i}`, FXSAVE.st + i * 16, 10);
}

/** Most significant byte first, as registers are read. */
function describeBytes(image: Uint8Array, offset: number, length: number): string {
  return Buffer.from(image.slice(offset, offset + length).reverse()).toString("hex");
}
