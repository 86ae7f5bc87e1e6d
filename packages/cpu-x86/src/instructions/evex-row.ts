// How rows with an EVEX prefix are made: of the rows with VEX that do the same, or of steps of their own.
import type { EvexForm, RegisterField } from "./evex-form.ts";
import type { Element, VectorLength } from "./evex-steps.ts";
import { type OperandCode, type Row, type RowOptions, row } from "./row.ts";

/** What differs from an instruction of 512 bits with a mask, without broadcast and rounding. */
export interface EvexTraits {
  /** EVEX.W, where it is not ignored. */
  readonly w?: 0 | 1;
  /** Bytes that a mask bit is about, in the result. */
  readonly element: Element;
  readonly broadcast?: 2 | 4 | 8;
  readonly rounding?: "er" | "sae";
  readonly masking?: EvexForm["masking"];
  readonly kind?: EvexForm["kind"];
  /** Its steps go by the slow path or may. */
  readonly float?: true;
  /** Elements of memory that are masked off fault all the same. */
  readonly faults?: true;
  /** The operand in ModRM.rm is the same for all parts. */
  readonly fixed?: true;
  /** One step does all of the vector. */
  readonly whole?: true;
  /** The memory operand is repeated in all of the vector. */
  readonly spreads?: true;
  readonly immediateBits?: number;
  readonly readsDestination?: true;
  readonly keepsFirst?: true;
  readonly aligned?: true;
  readonly sizedByW?: true;
  readonly compressed?: true;
  readonly vsib?: true;
  /** The result is the source as it is. */
  readonly moves?: true;
  /** Feature that it came with; AVX512F if absent. */
  readonly cpuid?: string;
  /** Name, where it is not that of the row with VEX. */
  readonly as?: string;
  /** Forms of 128 and 256 bits came with it: VL is not asked for. */
  readonly withoutVl?: true;
}

const FIELDS: Readonly<Record<string, RegisterField>> = {
  V: "reg",
  K: "reg",
  G: "reg",
  H: "vvvv",
  T: "vvvv",
  W: "rm",
  U: "rm",
  M: "rm",
  E: "rm",
  R: "rm",
  F: "rm",
};

const SIZES: Readonly<Record<string, number>> = { b: 1, w: 2, d: 4, ss: 4, q: 8, sd: 8, dq: 16, qq: 32 };

/** Bytes of an operand in a row of `length` bits. */
const bytesOf = (code: OperandCode, length: number): number => SIZES[code.slice(1)] ?? length / 8;

/** What computes: a row with VEX, of which `step` is the register form, or a step. */
export interface EvexSteps {
  readonly base?: Row;
  readonly step?: Row;
}

/** Makes one row. @param tail opcode and what follows; @param map prefix, map and W: `66.0F38.W0`. */
export function evexRow(
  length: VectorLength | "LIG",
  map: string,
  tail: string,
  name: string,
  operands: readonly OperandCode[],
  steps: EvexSteps,
  traits: EvexTraits,
): Row {
  const bits = length === "LIG" ? 128 : length;
  const parts = bits === 512 && !traits.whole && traits.kind !== "plain" ? 2 : 1;
  const part = bits / parts;
  const destination = operands[0] as OperandCode;
  const memory = operands.find((code) => FIELDS[code[0] as string] === "rm");
  const total = (code: OperandCode): number =>
    traits.fixed && FIELDS[code[0] as string] === "rm" ? bytesOf(code, part) : bytesOf(code, part) * parts;
  const memoryBytes = memory === undefined ? 0 : total(memory);
  const form: EvexForm = {
    kind: traits.kind ?? "vector",
    ...steps,
    length: bits,
    parts,
    strides: stridesOf(operands, part, traits),
    immediateBits: traits.immediateBits ?? 0,
    destination: FIELDS[destination[0] as string] ?? "reg",
    resultBytes: traits.kind === "mask" ? bits / 8 : total(destination),
    element: traits.element,
    scalar: length === "LIG",
    masking: traits.masking ?? (traits.kind === "plain" ? "none" : traits.kind === "mask" ? "merges" : "any"),
    broadcast: traits.broadcast ?? 0,
    memoryBytes,
    spread: traits.spreads ? memoryBytes : 0,
    ...(traits.rounding !== undefined &&
      (bits === 512 || length === "LIG" || traits.kind === "plain") && { rounding: traits.rounding }),
    suppresses: traits.faults !== true,
    float: traits.float === true,
    readsDestination: traits.readsDestination === true,
    kept: traits.keepsFirst ? "vvvv" : "destination",
    inPlace: traits.fixed !== true && isEven(stridesOf(operands, part, traits)),
    aligned: traits.aligned === true,
    compressed: traits.compressed === true,
  };
  const shorter = length !== "LIG" && length !== 512 && !traits.withoutVl;
  const options: RowOptions = {
    fpu: "avx",
    cpuid: traits.cpuid ?? "avx512f",
    ...(shorter && { alsoCpuid: "avx512vl" }),
    protectedOnly: true,
    wideVectors: true,
    ...(traits.vsib && { vsib: true, asize: true }),
    ...(traits.sizedByW && { sizedByW: true }),
    ...(steps.base?.opsize && { opsize: true }),
  };
  const made = row(`EVEX.${length}.${map} ${tail}`, name, operands, neverRun, options);
  return { ...made, evex: form };
}

/** The steps are run, not the row. */
const neverRun = (): void => {
  throw new Error("a row with an EVEX prefix has no semantics of its own");
};

function stridesOf(operands: readonly OperandCode[], part: number, traits: EvexTraits): EvexForm["strides"] {
  const strides: Record<RegisterField, number> = { reg: 0, vvvv: 0, rm: 0 };
  for (const code of operands) {
    const field = FIELDS[code[0] as string];
    if (field === undefined) continue;
    // The signs of vectors become masks.
    if (code[0] === "K") strides.reg = part / 8;
    else strides[field] = traits.fixed && field === "rm" ? 0 : bytesOf(code, part);
  }
  return strides;
}

/** All operands are as long as each other. */
function isEven(strides: EvexForm["strides"]): boolean {
  const used = Object.values(strides).filter((stride) => stride > 0);
  return used.every((stride) => stride === used[0]);
}

/** `VEX.256.66.0F.WIG FE /r` in parts. */
interface VexEncoding {
  readonly length: string;
  readonly map: string;
  readonly w: string;
  readonly tail: string;
}

function vexEncoding({ encoding }: Row): VexEncoding {
  const [prefix = "", ...tail] = encoding.split(" ");
  const [, length = "", pp = "", map = "", w = "WIG"] = prefix.split(".");
  return { length, map: `${pp}.${map}`, w, tail: tail.join(" ") };
}

/**
 * The rows that go with those of VEX: of 128 bits from 128, of 256 and of 512 from 256, scalars from scalars. Where there are none
 * of 256 bits, those of 128 do not need VL.
 */
export function evexFromVex(vexRows: readonly Row[], traits: EvexTraits): Row[] {
  const only128 = vexRows.every((vex) => vexEncoding(vex).length === "128");
  return vexRows.flatMap((vex) => {
    const { length, map, w, tail } = vexEncoding(vex);
    const lengths: readonly (VectorLength | "LIG")[] =
      length === "LIG" ? ["LIG"] : length === "256" ? [256, 512] : [128];
    const width = traits.w === undefined ? w : `W${traits.w}`;
    const operands = traits.kind === "mask" ? (["Kq", ...vex.operands.slice(1)] as OperandCode[]) : vex.operands;
    const own: EvexTraits = {
      ...traits,
      ...(vex.aligned && { aligned: true }),
      ...(only128 && { withoutVl: true }),
    };
    // What is loaded from memory alone, or stored there, is moved.
    const moved = traits.moves || (traits.kind !== "plain" && vex.operands.some((code) => code[0] === "M"));
    const steps = moved ? { base: vex } : { base: vex, step: vex };
    return lengths.map((bits) =>
      evexRow(bits, `${map}.${width}`, tail, traits.as ?? vex.mnemonic, operands, steps, own),
    );
  });
}

const ALL_LENGTHS: readonly VectorLength[] = [512, 256, 128];

/** Rows of their own, of all lengths. @param stepOf the step for a length, if not one of 256 bits serves all. */
export function evexOwn(
  map: string,
  tail: string,
  name: string,
  operands: readonly OperandCode[],
  step: Row | undefined | ((length: VectorLength) => Row | undefined),
  traits: EvexTraits,
  lengths: readonly VectorLength[] = ALL_LENGTHS,
): Row[] {
  return lengths.map((length) => {
    const own = typeof step === "function" ? step(length) : step;
    return evexRow(length, map, tail, name, operands, own === undefined ? {} : { step: own }, traits);
  });
}
