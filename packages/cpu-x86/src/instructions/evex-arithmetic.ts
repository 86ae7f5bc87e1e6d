// Arithmetic, comparison, logic and conversion with EVEX prefixes. SDM vol. 2, the instruction of each name.
import { PERMUTATION } from "../system/vector-permute.ts";
import { rows as avx } from "./avx.ts";
import {
  compareIntegers,
  multiplyQwords,
  permutation,
  qwordAbsolute,
  qwordExtreme,
  rotateByElements,
  rotateByImmediate,
  shiftByElements,
  shiftQwords,
  slowBinary,
  slowConversion,
  slowFromInteger,
  slowScalarClass,
  slowTernary,
  slowToInteger,
  slowUnary,
  stepRow,
  sumsOfDifferences,
  ternaryLogic,
  testBits,
} from "./evex-compute.ts";
import { type EvexTraits, evexFromVex, evexOwn, evexRow } from "./evex-row.ts";
import type { VectorLength } from "./evex-steps.ts";
import { rows as f16c } from "./f16c.ts";
import type { FloatKind } from "./float-lanes.ts";
import { rows as fma } from "./fma.ts";
import type { OperandCode, Row, Semantics } from "./row.ts";
import { rows as sseArith } from "./sse-arith.ts";
import { rows as sseConvert } from "./sse-convert.ts";
import { rows as sseInt } from "./sse-int.ts";
import { rows as sseShift } from "./sse-shift.ts";
import { rows as sseShuffle } from "./sse-shuffle.ts";
import type { Lanes } from "./vector-lanes.ts";

const named = (rows: readonly Row[], name: string): Row[] =>
  rows.filter(({ mnemonic, encoding }) => mnemonic === name && encoding.startsWith("VEX."));

const like = (rows: readonly Row[], name: string, traits: EvexTraits): Row[] => evexFromVex(named(rows, name), traits);

const KINDS: readonly FloatKind[] = ["ps", "pd", "ss", "sd"];

/** W, element and broadcast of a kind. */
function traitsOf(kind: FloatKind, rounding?: "er" | "sae"): EvexTraits {
  const double = kind === "pd" || kind === "sd";
  const packed = kind === "ps" || kind === "pd";
  return {
    w: double ? 1 : 0,
    element: double ? 8 : 4,
    float: true,
    ...(packed && { broadcast: double ? 8 : 4 }),
    ...(rounding !== undefined && { rounding }),
  };
}

// --- floating point that AVX has ---

const fourKinds = (rows: readonly Row[], name: string, rounding: "er" | "sae"): Row[] =>
  KINDS.flatMap((kind) => like(rows, `${name}${kind.toUpperCase()}`, traitsOf(kind, rounding)));

const arithmetic: readonly Row[] = [
  ...["VADD", "VSUB", "VMUL", "VDIV", "VSQRT"].flatMap((name) => fourKinds(sseArith, name, "er")),
  ...["VMIN", "VMAX"].flatMap((name) => fourKinds(sseArith, name, "sae")),
  ...KINDS.flatMap((kind) => like(sseArith, `VCMP${kind.toUpperCase()}`, { ...traitsOf(kind, "sae"), kind: "mask" })),
  ...["VUCOMISS", "VCOMISS"].flatMap((name) =>
    like(sseArith, name, { kind: "plain", w: 0, element: 4, rounding: "sae", float: true }),
  ),
  ...["VUCOMISD", "VCOMISD"].flatMap((name) =>
    like(sseArith, name, { kind: "plain", w: 1, element: 8, rounding: "sae", float: true }),
  ),
  ...fusedRows(),
];

function fusedRows(): Row[] {
  const names = new Set(fma.map(({ mnemonic }) => mnemonic));
  return [...names].flatMap((name) => {
    const kind = name.slice(-2).toLowerCase() as FloatKind;
    return like(fma, name, { ...traitsOf(kind, "er"), readsDestination: true });
  });
}

/** AND and its like of floating-point registers came with DQ. */
const floatLogic: readonly Row[] = ["VAND", "VANDN", "VOR", "VXOR"].flatMap((name) => [
  ...like(sseInt, `${name}PS`, { w: 0, element: 4, broadcast: 4, cpuid: "avx512dq" }),
  ...like(sseInt, `${name}PD`, { w: 1, element: 8, broadcast: 8, cpuid: "avx512dq" }),
]);

// --- conversions that AVX has ---

const conversions: readonly Row[] = [
  ...like(sseConvert, "VCVTDQ2PS", { ...traitsOf("ps", "er") }),
  ...like(sseConvert, "VCVTPS2DQ", { ...traitsOf("ps", "er") }),
  ...like(sseConvert, "VCVTTPS2DQ", { ...traitsOf("ps", "sae") }),
  ...like(sseConvert, "VCVTDQ2PD", { w: 0, element: 8, broadcast: 4, rounding: "sae" }),
  ...like(sseConvert, "VCVTPS2PD", { w: 0, element: 8, broadcast: 4, float: true, rounding: "sae" }),
  ...like(sseConvert, "VCVTPD2PS", { w: 1, element: 4, broadcast: 8, float: true, rounding: "er" }).map(shortened),
  ...like(sseConvert, "VCVTPD2DQ", { w: 1, element: 4, broadcast: 8, float: true, rounding: "er" }).map(shortened),
  ...like(sseConvert, "VCVTTPD2DQ", { w: 1, element: 4, broadcast: 8, float: true, rounding: "sae" }).map(shortened),
  ...like(f16c, "VCVTPH2PS", { w: 0, element: 4, float: true, rounding: "sae" }),
  ...toHalves(),
  ...like(sseConvert, "VCVTSS2SD", { w: 0, element: 8, float: true, rounding: "sae" }),
  ...like(sseConvert, "VCVTSD2SS", { w: 1, element: 4, float: true, rounding: "er" }),
  ...["VCVTSS2SI", "VCVTSD2SI", "VCVTTSS2SI", "VCVTTSD2SI"].flatMap((name) =>
    like(sseConvert, name, { kind: "plain", element: 4, float: true, rounding: name[4] === "T" ? "sae" : "er" }),
  ),
  ...fromGeneral(named(sseConvert, "VCVTSI2SS"), true),
  ...fromGeneral(named(sseConvert, "VCVTSI2SD"), false),
];

/** Of 128 bits, half are the result. */
function shortened(made: Row): Row {
  const form = made.evex as NonNullable<Row["evex"]>;
  return form.length === 128 ? { ...made, evex: { ...form, resultBytes: 8 } } : made;
}

/** Of a conversion between a scalar and a general register, which is as wide as W says. */
function ofGeneral(rounding: "er" | "sae"): EvexTraits {
  return { kind: "plain", sizedByW: true, element: 4, float: true, rounding };
}

/** The memory operand is as wide as W says. A 32-bit integer as a double needs no rounding: a given one is ignored. */
function fromGeneral(rows: readonly Row[], single: boolean): Row[] {
  return ([0, 1] as const).flatMap((w) =>
    evexFromVex(rows, { ...ofGeneral(single || w === 1 ? "er" : "sae"), w }).map((made) => {
      const form = made.evex as NonNullable<Row["evex"]>;
      return { ...made, evex: { ...form, memoryBytes: w === 1 ? 8 : 4 } };
    }),
  );
}

/** The destination may be memory, half as long as the source. */
function toHalves(): Row[] {
  const [narrow] = f16c.filter(({ mnemonic, operands }) => mnemonic === "VCVTPS2PH" && operands[0] === "Udq");
  const [wide] = f16c.filter(({ mnemonic, operands }) => mnemonic === "VCVTPS2PH" && operands[0] === "Wdq");
  const traits: EvexTraits = { element: 2, float: true, rounding: "sae" };
  const one = (length: VectorLength, code: OperandCode, step: Row): Row =>
    evexRow(length, "66.0F3A.W0", "1D /r ib", "VCVTPS2PH", [code, "Vps", "Ib"], { step }, traits);
  const whole = one(512, "Wdq", wide as Row);
  return [whole, one(256, "Wdq", wide as Row), one(128, "Wq", narrow as Row)];
}

// --- conversions of unsigned integers ---

/** A packed conversion by the slow path: codes of the operands in rows of 256 bits. */
function slowConversions(
  map: string,
  opcode: string,
  name: string,
  codes: readonly [OperandCode, OperandCode],
  operation: Parameters<typeof slowConversion>[0],
  kind: "ps" | "pd",
  traits: EvexTraits,
): Row[] {
  const wide = kind === "pd" || operation.endsWith("64") ? 4 : 8;
  const narrowed = (code: OperandCode): OperandCode => (code === "Vdq" ? "Vdq" : code === "Wdq" ? "Wq" : code);
  const steps = {
    256: stepRow(name, codes, slowConversion(operation, kind, wide), 256),
    128: stepRow(name, codes.map(narrowed), slowConversion(operation, kind, (wide / 2) as 2 | 4), 128),
  };
  return ([512, 256, 128] as const).map((length) => {
    const own = length === 128 ? (codes.map(narrowed) as OperandCode[]) : codes;
    const step = length === 128 ? steps[128] : steps[256];
    const made = evexRow(length, map, `${opcode} /r`, name, own, { step }, { ...traits, float: true });
    return codes[0] === "Vdq" ? shortened(made) : made;
  });
}

const unsigned: readonly Row[] = [
  ...slowConversions("NP.0F.W0", "79", "VCVTPS2UDQ", ["Vx", "Wx"], "toUint32", "ps", traitsOf("ps", "er")),
  ...slowConversions("NP.0F.W0", "78", "VCVTTPS2UDQ", ["Vx", "Wx"], "truncateToUint32", "ps", traitsOf("ps", "sae")),
  ...slowConversions("NP.0F.W1", "79", "VCVTPD2UDQ", ["Vdq", "Wx"], "toUint32", "pd", {
    element: 4,
    broadcast: 8,
    rounding: "er",
  }),
  ...slowConversions("NP.0F.W1", "78", "VCVTTPD2UDQ", ["Vdq", "Wx"], "truncateToUint32", "pd", {
    element: 4,
    broadcast: 8,
    rounding: "sae",
  }),
  ...slowConversions("F2.0F.W0", "7A", "VCVTUDQ2PS", ["Vx", "Wx"], "fromUint32", "ps", traitsOf("ps", "er")),
  ...slowConversions("F3.0F.W0", "7A", "VCVTUDQ2PD", ["Vx", "Wdq"], "fromUint32", "pd", {
    element: 8,
    broadcast: 4,
    rounding: "sae",
  }),
  ...qwordConversions("66.0F", "7B", "QQ", "toInt64", "er", ""),
  ...qwordConversions("66.0F", "7A", "QQ", "truncateToInt64", "sae", "T"),
  ...qwordConversions("66.0F", "79", "UQQ", "toUint64", "er", ""),
  ...qwordConversions("66.0F", "78", "UQQ", "truncateToUint64", "sae", "T"),
  ...slowConversions("F3.0F.W1", "E6", "VCVTQQ2PD", ["Vx", "Wx"], "fromInt64", "pd", ofQwords("pd")),
  ...slowConversions("NP.0F.W1", "5B", "VCVTQQ2PS", ["Vdq", "Wx"], "fromInt64", "ps", ofQwords("ps")),
  ...slowConversions("F3.0F.W1", "7A", "VCVTUQQ2PD", ["Vx", "Wx"], "fromUint64", "pd", ofQwords("pd")),
  ...slowConversions("F2.0F.W1", "7A", "VCVTUQQ2PS", ["Vdq", "Wx"], "fromUint64", "ps", ofQwords("ps")),
  ...scalarsFromUnsigned("F3", "VCVTUSI2SS", "ss"),
  ...scalarsFromUnsigned("F2", "VCVTUSI2SD", "sd"),
  ...scalarsToUnsigned("F3.0F", "79", "VCVTSS2USI", "ss", false),
  ...scalarsToUnsigned("F3.0F", "78", "VCVTTSS2USI", "ss", true),
  ...scalarsToUnsigned("F2.0F", "79", "VCVTSD2USI", "sd", false),
  ...scalarsToUnsigned("F2.0F", "78", "VCVTTSD2USI", "sd", true),
];

function ofQwords(kind: "ps" | "pd"): EvexTraits {
  return { element: kind === "pd" ? 8 : 4, broadcast: 8, rounding: "er", cpuid: "avx512dq" };
}

/** Singles and doubles as qwords. */
function qwordConversions(
  map: string,
  opcode: string,
  name: string,
  operation: "toInt64" | "truncateToInt64" | "toUint64" | "truncateToUint64",
  rounding: "er" | "sae",
  truncates: string,
): Row[] {
  const traits = { element: 8, rounding, cpuid: "avx512dq" } as const;
  return [
    ...slowConversions(`${map}.W1`, opcode, `VCVT${truncates}PD2${name}`, ["Vx", "Wx"], operation, "pd", {
      ...traits,
      broadcast: 8,
    }),
    ...slowConversions(`${map}.W0`, opcode, `VCVT${truncates}PS2${name}`, ["Vx", "Wdq"], operation, "ps", {
      ...traits,
      broadcast: 4,
    }),
  ];
}

/** A step with memory forms: the whole instruction. */
function plainStep(name: string, operands: readonly OperandCode[], semantics: Semantics): Row {
  return { ...stepRow(name, [], semantics, "LIG"), operands };
}

function scalarsFromUnsigned(prefix: string, name: string, kind: "ss" | "sd"): Row[] {
  return ([0, 1] as const).map((w) => {
    const operands: OperandCode[] = [`V${kind}`, `H${kind}`, w === 1 ? "Eq" : "Ed"];
    const base = plainStep(`${name}-${w}`, operands, slowFromInteger(kind));
    const rounds = kind === "ss" || w === 1;
    return evexRow("LIG", `${prefix}.0F.W${w}`, "7B /r", name, operands, { base }, ofGeneral(rounds ? "er" : "sae"));
  });
}

function scalarsToUnsigned(map: string, opcode: string, name: string, kind: "ss" | "sd", truncates: boolean): Row[] {
  return ([0, 1] as const).map((w) => {
    const operands: OperandCode[] = [w === 1 ? "Gq" : "Gd", `W${kind}`];
    const base = plainStep(`${name}-${w}`, operands, slowToInteger(kind, truncates));
    return evexRow(
      "LIG",
      `${map}.W${w}`,
      `${opcode} /r`,
      name,
      operands,
      { base },
      ofGeneral(truncates ? "sae" : "er"),
    );
  });
}

// --- floating point that AVX does not have ---

type SlowSemantics = (kind: FloatKind) => Semantics;

/** Packed rows and scalars, at opcodes that differ by one. @param binary the packed forms have two sources. */
function slowFloats(
  map: "0F38" | "0F3A",
  opcode: readonly [packed: string, scalar: string],
  name: string,
  semantics: SlowSemantics,
  more: Partial<EvexTraits> & { readonly binary?: true; readonly immediate?: true; readonly suffix?: string },
): Row[] {
  const { binary, immediate, suffix = "", ...traits } = more;
  const tail: OperandCode[] = immediate ? ["Ib"] : [];
  const ib = immediate ? " ib" : "";
  return KINDS.flatMap((kind) => {
    const packed = kind === "ps" || kind === "pd";
    const w = kind === "pd" || kind === "sd" ? 1 : 0;
    const full = `${name}${suffix}${kind.toUpperCase()}`;
    const three = binary || !packed;
    const operands: OperandCode[] = [`V${kind}`, ...(three ? [`H${kind}` as OperandCode] : []), `W${kind}`, ...tail];
    const own = { ...traitsOf(kind), ...traits, ...(!packed && { broadcast: undefined }) } as EvexTraits;
    const encoding = `66.${map}.W${w}`;
    if (!packed) {
      const step = stepRow(full, operands, semantics(kind), "LIG");
      return [evexRow("LIG", encoding, `${opcode[1]} /r${ib}`, full, operands, { step }, own)];
    }
    const steps = {
      256: stepRow(full, operands, semantics(kind), 256),
      128: stepRow(full, operands, semantics(kind), 128),
    };
    return evexOwn(
      encoding,
      `${opcode[0]} /r${ib}`,
      full,
      operands,
      (length) => (length === 128 ? steps[128] : steps[256]),
      own,
    );
  });
}

const special: readonly Row[] = [
  ...slowFloats("0F38", ["42", "43"], "VGETEXP", (kind) => slowUnary("getExponent", kind), { rounding: "sae" }),
  ...slowFloats("0F3A", ["26", "27"], "VGETMANT", (kind) => slowUnary("getMantissa", kind, true), {
    rounding: "sae",
    immediate: true,
  }),
  ...slowFloats("0F38", ["2C", "2D"], "VSCALEF", (kind) => slowBinary("scale", kind), { rounding: "er", binary: true }),
  ...roundings(),
  ...slowFloats("0F3A", ["54", "55"], "VFIXUPIMM", (kind) => slowTernary("fixUp", kind), {
    rounding: "sae",
    binary: true,
    immediate: true,
    readsDestination: true,
  }),
  ...slowFloats("0F38", ["4C", "4D"], "VRCP", (kind) => slowUnary("reciprocal", kind), { suffix: "14" }),
  ...slowFloats("0F38", ["4E", "4F"], "VRSQRT", (kind) => slowUnary("reciprocalRoot", kind), { suffix: "14" }),
];

const withDq: readonly Row[] = [
  ...slowFloats("0F3A", ["50", "51"], "VRANGE", (kind) => slowBinary("range", kind), {
    rounding: "sae",
    binary: true,
    immediate: true,
    cpuid: "avx512dq",
  }),
  ...slowFloats("0F3A", ["56", "57"], "VREDUCE", (kind) => slowUnary("reduce", kind, true), {
    rounding: "sae",
    immediate: true,
    cpuid: "avx512dq",
  }),
  ...KINDS.flatMap(classes),
];

/** Classes of numbers go into a mask. */
function classes(kind: FloatKind): Row[] {
  const packed = kind === "ps" || kind === "pd";
  const name = `VFPCLASS${kind.toUpperCase()}`;
  const codes: OperandCode[] = [`V${kind}`, `W${kind}`, "Ib"];
  const traits: EvexTraits = { ...traitsOf(kind), kind: "mask", cpuid: "avx512dq" };
  const map = `66.0F3A.W${kind === "pd" || kind === "sd" ? 1 : 0}`;
  const operands: OperandCode[] = ["Kq", `W${kind}`, "Ib"];
  const step = (length: 128 | 256 | "LIG"): Row => stepRow(name, codes, slowUnary("classify", kind, true), length);
  if (!packed) return [evexRow("LIG", map, "67 /r ib", name, operands, { step: scalarStep(kind) }, traits)];
  const steps = { 256: step(256), 128: step(128) };
  return evexOwn(map, "66 /r ib", name, operands, (length) => (length === 128 ? steps[128] : steps[256]), traits);
}

/** One source, and nothing that is kept beside the result. */
function scalarStep(kind: FloatKind): Row {
  const codes: OperandCode[] = ["Vdq", `W${kind}`, "Ib"];
  return stepRow(`VFPCLASS${kind.toUpperCase()}`, codes, slowScalarClass(kind), "LIG");
}

/** VRNDSCALE has an opcode for each kind. */
function roundings(): Row[] {
  const opcodes: Readonly<Record<FloatKind, string>> = { ps: "08", pd: "09", ss: "0A", sd: "0B" };
  const all = slowFloats("0F3A", ["08", "0A"], "VRNDSCALE", (kind) => slowUnary("roundScale", kind, true), {
    rounding: "sae",
    immediate: true,
  });
  return all.map((made) => {
    const kind = made.mnemonic.slice(-2).toLowerCase() as FloatKind;
    return { ...made, encoding: made.encoding.replace(/ 0[8A] \/r/, ` ${opcodes[kind]} /r`) };
  });
}

// --- integers ---

const DWORDS: EvexTraits = { w: 0, element: 4, broadcast: 4 };
const QWORDS: EvexTraits = { w: 1, element: 8, broadcast: 8 };
const BYTES: EvexTraits = { element: 1, cpuid: "avx512bw" };
const WORDS: EvexTraits = { element: 2, cpuid: "avx512bw" };
const list = (rows: readonly Row[], names: string, traits: EvexTraits): Row[] =>
  names.split(" ").flatMap((name) => like(rows, name, traits));

const integers: readonly Row[] = [
  ...list(sseInt, "VPADDD VPSUBD VPMULLD VPMINSD VPMINUD VPMAXSD VPMAXUD VPABSD", DWORDS),
  ...list(sseInt, "VPADDQ VPSUBQ VPMULUDQ VPMULDQ", QWORDS),
  ...["VPAND", "VPANDN", "VPOR", "VPXOR"].flatMap((name) => [
    ...like(sseInt, name, { ...DWORDS, as: `${name}D` }),
    ...like(sseInt, name, { ...QWORDS, as: `${name}Q` }),
  ]),
  ...list(sseInt, "VPCMPEQD VPCMPGTD", { ...DWORDS, kind: "mask" }),
  ...list(sseInt, "VPCMPEQQ VPCMPGTQ", { ...QWORDS, kind: "mask" }),
  ...list(sseInt, "VPCMPEQB VPCMPGTB", { ...BYTES, kind: "mask" }),
  ...list(sseInt, "VPCMPEQW VPCMPGTW", { ...WORDS, kind: "mask" }),
  ...list(
    sseInt,
    "VPADDB VPADDSB VPADDUSB VPSUBB VPSUBSB VPSUBUSB VPMINSB VPMINUB VPMAXSB VPMAXUB VPAVGB VPABSB",
    BYTES,
  ),
  ...list(
    sseInt,
    "VPADDW VPADDSW VPADDUSW VPSUBW VPSUBSW VPSUBUSW VPMINSW VPMINUW VPMAXSW VPMAXUW VPAVGW VPABSW VPMULLW VPMULHW VPMULHUW " +
      "VPMULHRSW",
    WORDS,
  ),
  ...like(sseInt, "VPMADDUBSW", { ...WORDS, faults: true }),
  ...like(sseInt, "VPMADDWD", { element: 4, cpuid: "avx512bw", faults: true }),
  ...like(sseInt, "VPSADBW", { element: 8, cpuid: "avx512bw", masking: "none" }),
];

/** What AVX has for dwords only, or not at all: three operands of one length. */
const ternary = (map: string, opcode: string, name: string, semantics: Semantics, traits: EvexTraits): Row[] =>
  evexOwn(map, `${opcode} /r`, name, ["Vx", "Hx", "Wx"], stepRow(name, ["Vx", "Hx", "Wx"], semantics), traits);

const binary = (
  map: string,
  tail: string,
  name: string,
  operands: OperandCode[],
  semantics: Semantics,
  traits: EvexTraits,
): Row[] => evexOwn(map, tail, name, operands, stepRow(name, operands, semantics), traits);

const newIntegers: readonly Row[] = [
  ...ternary("66.0F38.W1", "39", "VPMINSQ", qwordExtreme("min", false), QWORDS),
  ...ternary("66.0F38.W1", "3B", "VPMINUQ", qwordExtreme("min", true), QWORDS),
  ...ternary("66.0F38.W1", "3D", "VPMAXSQ", qwordExtreme("max", false), QWORDS),
  ...ternary("66.0F38.W1", "3F", "VPMAXUQ", qwordExtreme("max", true), QWORDS),
  ...binary("66.0F38.W1", "1F /r", "VPABSQ", ["Vx", "Wx"], qwordAbsolute, QWORDS),
  ...ternary("66.0F38.W1", "40", "VPMULLQ", multiplyQwords, { ...QWORDS, cpuid: "avx512dq" }),
  ...binary("66.0F3A.W0", "42 /r ib", "VDBPSADBW", ["Vx", "Hx", "Wx", "Ib"], sumsOfDifferences, {
    ...WORDS,
    faults: true,
  }),
  ...logicOfThree(0, "VPTERNLOGD", DWORDS),
  ...logicOfThree(1, "VPTERNLOGQ", QWORDS),
];

function logicOfThree(w: 0 | 1, name: string, traits: EvexTraits): Row[] {
  const operands: OperandCode[] = ["Vx", "Hx", "Wx", "Ib"];
  const step = stepRow(name, operands, ternaryLogic);
  return evexOwn(`66.0F3A.W${w}`, "25 /r ib", name, operands, step, { ...traits, readsDestination: true });
}

// --- shifts and rotations ---

const SHIFTED = { D: DWORDS, Q: QWORDS, W: WORDS } as const;

const shifts: readonly Row[] = [
  ...(["VPSLLD", "VPSRLD", "VPSRAD", "VPSLLQ", "VPSRLQ", "VPSLLW", "VPSRLW", "VPSRAW"] as const).flatMap(shiftForms),
  ...["VPSLLDQ", "VPSRLDQ"].flatMap((name) =>
    withMemory(like(sseShift, name, { element: 1, cpuid: "avx512bw", masking: "none" })),
  ),
  ...list(avx, "VPSLLVD VPSRLVD VPSRAVD", DWORDS),
  ...list(avx, "VPSLLVQ VPSRLVQ", QWORDS),
  ...ternary("66.0F38.W1", "46", "VPSRAVQ", shiftByElements("i64x2", "sar"), QWORDS),
  ...ternary("66.0F38.W1", "12", "VPSLLVW", shiftByElements("i16x8", "shl"), WORDS),
  ...ternary("66.0F38.W1", "10", "VPSRLVW", shiftByElements("i16x8", "shr"), WORDS),
  ...ternary("66.0F38.W1", "11", "VPSRAVW", shiftByElements("i16x8", "sar"), WORDS),
  ...binary("66.0F.W1", "72 /4 ib", "VPSRAQ", ["Hx", "Wx", "Ib"], shiftQwords(false), QWORDS),
  ...binary("66.0F.W1", "E2 /r", "VPSRAQ", ["Vx", "Hx", "Wdq"], shiftQwords(true), byVectorCount(QWORDS)),
  ...rotations("left", "VPROL", "72 /1 ib", "15"),
  ...rotations("right", "VPROR", "72 /0 ib", "14"),
];

/** The count is one for all parts, of 128 bits and not masked. */
function byVectorCount({ broadcast: _, ...traits }: EvexTraits): EvexTraits {
  return { ...traits, fixed: true, faults: true };
}

/** Unlike with VEX, the source of a shift by immediate may be memory. */
function withMemory(made: readonly Row[]): Row[] {
  return made.map((one) => {
    const { base: _, ...form } = one.evex as NonNullable<Row["evex"]>;
    return { ...one, operands: ["Hx", "Wx", "Ib"], evex: { ...form, memoryBytes: form.length / 8 } };
  });
}

function shiftForms(name: string): Row[] {
  const traits = SHIFTED[name.slice(-1) as keyof typeof SHIFTED];
  const rows = named(sseShift, name);
  const byImmediate = rows.filter(({ operands }) => operands[0] === "Hx");
  const byVector = rows.filter(({ operands }) => operands[0] === "Vx");
  return [...withMemory(evexFromVex(byImmediate, traits)), ...evexFromVex(byVector, byVectorCount(traits))];
}

function rotations(direction: "left" | "right", name: string, byDigit: string, opcode: string): Row[] {
  const [dwords, qwords] = ["i32x4", "i64x2"] as const;
  const operands: OperandCode[] = ["Hx", "Wx", "Ib"];
  return [
    ...binary("66.0F.W0", byDigit, `${name}D`, operands, rotateByImmediate(dwords, direction), DWORDS),
    ...binary("66.0F.W1", byDigit, `${name}Q`, operands, rotateByImmediate(qwords, direction), QWORDS),
    ...ternary("66.0F38.W0", opcode, `${name}VD`, rotateByElements(dwords, direction), DWORDS),
    ...ternary("66.0F38.W1", opcode, `${name}VQ`, rotateByElements(qwords, direction), QWORDS),
  ];
}

// --- comparisons and tests into masks ---

function comparison(
  map: string,
  opcode: string,
  name: string,
  lanes: Lanes,
  sign: "s" | "u",
  traits: EvexTraits,
): Row[] {
  const operands: OperandCode[] = ["Vx", "Hx", "Wx", "Ib"];
  const step = stepRow(name, operands, compareIntegers(lanes, sign));
  return evexOwn(map, `${opcode} /r ib`, name, ["Kq", "Hx", "Wx", "Ib"], step, { ...traits, kind: "mask" });
}

function tests(map: string, opcode: string, name: string, lanes: Lanes, none: boolean, traits: EvexTraits): Row[] {
  const step = stepRow(name, ["Vx", "Hx", "Wx"], testBits(lanes, none));
  return evexOwn(map, `${opcode} /r`, name, ["Kq", "Hx", "Wx"], step, { ...traits, kind: "mask" });
}

const intoMasks: readonly Row[] = [
  ...comparison("66.0F3A.W0", "1F", "VPCMPD", "i32x4", "s", DWORDS),
  ...comparison("66.0F3A.W0", "1E", "VPCMPUD", "i32x4", "u", DWORDS),
  ...comparison("66.0F3A.W1", "1F", "VPCMPQ", "i64x2", "s", QWORDS),
  ...comparison("66.0F3A.W1", "1E", "VPCMPUQ", "i64x2", "u", QWORDS),
  ...comparison("66.0F3A.W0", "3F", "VPCMPB", "i8x16", "s", BYTES),
  ...comparison("66.0F3A.W0", "3E", "VPCMPUB", "i8x16", "u", BYTES),
  ...comparison("66.0F3A.W1", "3F", "VPCMPW", "i16x8", "s", WORDS),
  ...comparison("66.0F3A.W1", "3E", "VPCMPUW", "i16x8", "u", WORDS),
  ...tests("66.0F38.W0", "27", "VPTESTMD", "i32x4", false, DWORDS),
  ...tests("66.0F38.W1", "27", "VPTESTMQ", "i64x2", false, QWORDS),
  ...tests("F3.0F38.W0", "27", "VPTESTNMD", "i32x4", true, DWORDS),
  ...tests("F3.0F38.W1", "27", "VPTESTNMQ", "i64x2", true, QWORDS),
  ...tests("66.0F38.W0", "26", "VPTESTMB", "i8x16", false, BYTES),
  ...tests("66.0F38.W1", "26", "VPTESTMW", "i16x8", false, WORDS),
  ...tests("F3.0F38.W0", "26", "VPTESTNMB", "i8x16", true, BYTES),
  ...tests("F3.0F38.W1", "26", "VPTESTNMW", "i16x8", true, WORDS),
];

// --- extension ---

const EXTENDED: Readonly<Record<string, 2 | 4 | 8>> = { BW: 2, BD: 4, BQ: 8, WD: 4, WQ: 8, DQ: 8 };
const extensions: readonly Row[] = ["VPMOVSX", "VPMOVZX"].flatMap((name) =>
  Object.entries(EXTENDED).flatMap(([suffix, element]) =>
    like(sseShuffle, `${name}${suffix}`, {
      element,
      ...(suffix === "BW" && { cpuid: "avx512bw" }),
      ...(suffix === "DQ" && { w: 0 }),
    }),
  ),
);

// --- conflict detection ---

function counted(opcode: string, w: 0 | 1, name: string, what: (typeof PERMUTATION)[keyof typeof PERMUTATION]): Row[] {
  const element = w === 0 ? 4 : 8;
  const operands: OperandCode[] = ["Vx", "Wx"];
  const step = (length: VectorLength): Row =>
    stepRow(`${name}-${length}`, operands, permutation(what, element, length / 8 / element));
  return evexOwn(`66.0F38.W${w}`, `${opcode} /r`, name, operands, step, {
    element,
    broadcast: element,
    whole: true,
    cpuid: "avx512cd",
    ...(what === PERMUTATION.conflicts && { faults: true }),
  });
}

const conflicts: readonly Row[] = [
  ...counted("C4", 0, "VPCONFLICTD", PERMUTATION.conflicts),
  ...counted("C4", 1, "VPCONFLICTQ", PERMUTATION.conflicts),
  ...counted("44", 0, "VPLZCNTD", PERMUTATION.leadingZeros),
  ...counted("44", 1, "VPLZCNTQ", PERMUTATION.leadingZeros),
];

export const rows: readonly Row[] = [
  ...arithmetic,
  ...floatLogic,
  ...conversions,
  ...unsigned,
  ...special,
  ...withDq,
  ...integers,
  ...newIntegers,
  ...shifts,
  ...intoMasks,
  ...extensions,
  ...conflicts,
];
