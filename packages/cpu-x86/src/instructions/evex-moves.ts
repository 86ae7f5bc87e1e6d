// Moves, broadcasts, blends and permutations with EVEX prefixes. SDM vol. 2, the instruction of each name.
import { describeIndexed } from "../system/evex-memory.ts";
import { NARROWING, PERMUTATION } from "../system/vector-permute.ts";
import { rows as avx } from "./avx.ts";
import {
  broadcastRegister,
  extractLanes,
  insertLanes,
  maskedPermutation,
  maskToVector,
  narrowing,
  permutation,
  shuffleLanes,
  stepRow,
} from "./evex-compute.ts";
import { type EvexTraits, evexFromVex, evexOwn, evexRow } from "./evex-row.ts";
import type { VectorLength } from "./evex-steps.ts";
import type { OperandCode, Row, Semantics } from "./row.ts";
import { rows as sseMov } from "./sse-mov.ts";
import { rows as sseShuffle } from "./sse-shuffle.ts";

const named = (rows: readonly Row[], name: string): Row[] =>
  rows.filter(({ mnemonic, encoding }) => mnemonic === name && encoding.startsWith("VEX."));

const like = (rows: readonly Row[], name: string, traits: EvexTraits): Row[] => evexFromVex(named(rows, name), traits);

// --- moves ---

const SINGLE: EvexTraits = { w: 0, element: 4 };
const DOUBLE: EvexTraits = { w: 1, element: 8 };
const PLAIN: EvexTraits = { kind: "plain", element: 4 };

const moves: readonly Row[] = [
  ...like(sseMov, "VMOVUPS", { ...SINGLE, moves: true }),
  ...like(sseMov, "VMOVAPS", { ...SINGLE, moves: true }),
  ...like(sseMov, "VMOVUPD", { ...DOUBLE, moves: true }),
  ...like(sseMov, "VMOVAPD", { ...DOUBLE, moves: true }),
  ...like(sseMov, "VMOVDQA", { ...SINGLE, as: "VMOVDQA32", moves: true }),
  ...like(sseMov, "VMOVDQA", { ...DOUBLE, as: "VMOVDQA64", moves: true }),
  ...like(sseMov, "VMOVDQU", { ...SINGLE, as: "VMOVDQU32", moves: true }),
  ...like(sseMov, "VMOVDQU", { ...DOUBLE, as: "VMOVDQU64", moves: true }),
  ...bytesAndWords("VMOVDQU8", 0, 1),
  ...bytesAndWords("VMOVDQU16", 1, 2),
  ...like(sseMov, "VMOVNTPS", { ...SINGLE, masking: "none" }),
  ...like(sseMov, "VMOVNTPD", { ...DOUBLE, masking: "none" }),
  ...like(sseMov, "VMOVNTDQ", { ...SINGLE, masking: "none" }),
  ...like(sseMov, "VMOVNTDQA", { ...SINGLE, masking: "none" }),
  ...like(sseMov, "VMOVSS", SINGLE),
  ...like(sseMov, "VMOVSD", DOUBLE),
  ...["VMOVLPS", "VMOVHPS", "VMOVHLPS", "VMOVLHPS"].flatMap((name) => like(sseMov, name, { ...PLAIN, w: 0 })),
  ...["VMOVLPD", "VMOVHPD"].flatMap((name) => like(sseMov, name, { ...PLAIN, w: 1 })),
  ...bySize(named(sseMov, "VMOVD"), "avx512f"),
  ...like(sseMov, "VMOVQ", { ...PLAIN, w: 1 }),
  ...like(sseMov, "VMOVSLDUP", { ...SINGLE, faults: true }),
  ...like(sseMov, "VMOVSHDUP", { ...SINGLE, faults: true }),
  ...like(sseMov, "VMOVDDUP", { ...DOUBLE, faults: true }),
];

/** VMOVDQU8 and VMOVDQU16 have a prefix of their own. */
function bytesAndWords(name: string, w: 0 | 1, element: 1 | 2): Row[] {
  return like(sseMov, "VMOVDQU", { w, element, as: name, cpuid: "avx512bw", moves: true }).map((made) => ({
    ...made,
    encoding: made.encoding.replace(".F3.", ".F2."),
  }));
}

/** The operand size, which EVEX.W says, is that of memory. */
function bySize(rows: readonly Row[], cpuid: string): Row[] {
  return ([0, 1] as const).flatMap((w) =>
    evexFromVex(rows, { ...PLAIN, w, sizedByW: true, cpuid }).map((made) => {
      const form = made.evex;
      return form === undefined ? made : { ...made, evex: { ...form, memoryBytes: w === 1 ? 8 : 4 } };
    }),
  );
}

const elements: readonly Row[] = [
  ...like(sseShuffle, "VINSERTPS", { ...PLAIN, w: 0 }),
  ...like(sseShuffle, "VEXTRACTPS", PLAIN),
  ...["VPEXTRB", "VPEXTRW", "VPINSRB", "VPINSRW"].flatMap((name) =>
    like(sseShuffle, name, { ...PLAIN, cpuid: "avx512bw" }),
  ),
  ...bySize(named(sseShuffle, "VPEXTRD"), "avx512dq"),
  ...bySize(named(sseShuffle, "VPINSRD"), "avx512dq"),
];

// --- broadcasts ---

const broadcasts: readonly Row[] = [
  ...like(avx, "VBROADCASTSS", { ...SINGLE, fixed: true, spreads: true }),
  ...like(avx, "VBROADCASTSD", { ...DOUBLE, fixed: true, spreads: true }),
  ...like(avx, "VPBROADCASTD", { ...SINGLE, fixed: true, spreads: true }),
  ...like(avx, "VPBROADCASTQ", { ...DOUBLE, fixed: true, spreads: true }),
  ...like(avx, "VPBROADCASTB", { w: 0, element: 1, fixed: true, spreads: true, cpuid: "avx512bw" }),
  ...like(avx, "VPBROADCASTW", { w: 0, element: 2, fixed: true, spreads: true, cpuid: "avx512bw" }),
  ...fromRegister("7A", 0, "VPBROADCASTB", "Rd", "i8x16", 1, "avx512bw"),
  ...fromRegister("7B", 0, "VPBROADCASTW", "Rd", "i16x8", 2, "avx512bw"),
  ...fromRegister("7C", 0, "VPBROADCASTD", "Rd", "i32x4", 4, "avx512f", { sizedByW: true }),
  ...fromRegister("7C", 1, "VPBROADCASTQ", "Rq", "i64x2", 8, "avx512f", { sizedByW: true }),
  ...spread("1A", 0, "VBROADCASTF32X4", "Mdq", 4, "avx512f", [512, 256]),
  ...spread("1B", 1, "VBROADCASTF64X4", "Mqq", 8, "avx512f", [512]),
  ...spread("5A", 0, "VBROADCASTI32X4", "Mdq", 4, "avx512f", [512, 256]),
  ...spread("5B", 1, "VBROADCASTI64X4", "Mqq", 8, "avx512f", [512]),
  ...spread("1A", 1, "VBROADCASTF64X2", "Mdq", 8, "avx512dq", [512, 256]),
  ...spread("1B", 0, "VBROADCASTF32X8", "Mqq", 4, "avx512dq", [512]),
  ...spread("5A", 1, "VBROADCASTI64X2", "Mdq", 8, "avx512dq", [512, 256]),
  ...spread("5B", 0, "VBROADCASTI32X8", "Mqq", 4, "avx512dq", [512]),
  ...pairs("19", "VBROADCASTF32X2", [512, 256]),
  ...pairs("59", "VBROADCASTI32X2", [512, 256, 128]),
];

/** Masks as vectors, vectors as masks, and masks as numbers in vectors. */
const fromMasks: readonly Row[] = [
  ...maskMoves(0, "28", "29", "B", 1, "avx512bw"),
  ...maskMoves(1, "28", "29", "W", 2, "avx512bw"),
  ...maskMoves(0, "38", "39", "D", 4, "avx512dq"),
  ...maskMoves(1, "38", "39", "Q", 8, "avx512dq"),
  ...maskBroadcast(1, "2A", "VPBROADCASTMB2Q", "Fb", "i64x2", 8),
  ...maskBroadcast(0, "3A", "VPBROADCASTMW2D", "Fw", "i32x4", 4),
];

function maskMoves(w: 0 | 1, to: string, from: string, suffix: string, element: 1 | 2 | 4 | 8, cpuid: string): Row[] {
  const name = `VPMOVM2${suffix}`;
  const traits: EvexTraits = { element, whole: true, masking: "none", cpuid };
  const step = (length: VectorLength): Row => stepRow(`${name}-${length}`, ["Vx", "Fq"], maskToVector(element, length));
  return [
    ...evexOwn(`F3.0F38.W${w}`, `${to} /r`, name, ["Vx", "Fq"], step, traits),
    ...evexOwn(`F3.0F38.W${w}`, `${from} /r`, `VPMOV${suffix}2M`, ["Kq", "Ux"], undefined, { ...traits, kind: "mask" }),
  ];
}

function maskBroadcast(
  w: 0 | 1,
  opcode: string,
  name: string,
  code: "Fb" | "Fw",
  lanes: "i32x4" | "i64x2",
  element: 4 | 8,
): Row[] {
  const step = stepRow(name, ["Vx", code], broadcastRegister(lanes));
  const traits: EvexTraits = { element, fixed: true, masking: "none", cpuid: "avx512cd" };
  return evexOwn(`F3.0F38.W${w}`, `${opcode} /r`, name, ["Vx", code], step, traits);
}

function fromRegister(
  opcode: string,
  w: 0 | 1,
  name: string,
  code: "Rd" | "Rq",
  lanes: Parameters<typeof broadcastRegister>[0],
  element: 1 | 2 | 4 | 8,
  cpuid: string,
  more: Pick<EvexTraits, "sizedByW"> = {},
): Row[] {
  const step = stepRow(name, ["Vx", code], broadcastRegister(lanes));
  return evexOwn(`66.0F38.W${w}`, `${opcode} /r`, name, ["Vx", code], step, { element, fixed: true, cpuid, ...more });
}

/** From memory only. */
function spread(
  opcode: string,
  w: 0 | 1,
  name: string,
  code: "Mdq" | "Mqq",
  element: 4 | 8,
  cpuid: string,
  lengths: readonly VectorLength[],
): Row[] {
  const traits: EvexTraits = { element, fixed: true, whole: true, spreads: true, cpuid };
  return evexOwn(`66.0F38.W${w}`, `${opcode} /r`, name, ["Vx", code], undefined, traits, lengths);
}

/** Two dwords are moved as a qword is, under masks of dwords. */
function pairs(opcode: string, name: string, lengths: readonly VectorLength[]): Row[] {
  const step = named(avx, "VPBROADCASTQ").find(({ encoding }) => encoding.startsWith("VEX.256.")) as Row;
  const traits: EvexTraits = { element: 4, fixed: true, spreads: true, cpuid: "avx512dq" };
  return evexOwn("66.0F38.W0", `${opcode} /r`, name, ["Vx", "Wq"], step, traits, lengths);
}

// --- blends: a merge with another register ---

const blend = (opcode: string, w: 0 | 1, name: string, element: 1 | 2 | 4 | 8): Row[] =>
  evexOwn(`66.0F38.W${w}`, `${opcode} /r`, name, ["Vx", "Hx", "Wx"], undefined, {
    element,
    keepsFirst: true,
    ...(element >= 4 && { broadcast: element as 4 | 8 }),
    ...(element < 4 && { cpuid: "avx512bw" }),
  });

const blends: readonly Row[] = [
  ...blend("65", 0, "VBLENDMPS", 4),
  ...blend("65", 1, "VBLENDMPD", 8),
  ...blend("64", 0, "VPBLENDMD", 4),
  ...blend("64", 1, "VPBLENDMQ", 8),
  ...blend("66", 0, "VPBLENDMB", 1),
  ...blend("66", 1, "VPBLENDMW", 2),
];

// --- permutations ---

const FLOAT_SHUFFLES: readonly (readonly [string, "single" | "double", Partial<EvexTraits>])[] = [
  ["VUNPCKLPS", "single", {}],
  ["VUNPCKHPS", "single", {}],
  ["VUNPCKLPD", "double", {}],
  ["VUNPCKHPD", "double", {}],
  ["VSHUFPS", "single", {}],
  ["VSHUFPD", "double", { immediateBits: 4 }],
  ["VPUNPCKLDQ", "single", {}],
  ["VPUNPCKHDQ", "single", {}],
  ["VPUNPCKLQDQ", "double", {}],
  ["VPUNPCKHQDQ", "double", {}],
  ["VPSHUFD", "single", {}],
];
const IN_LANES: readonly (readonly [string, "single" | "double", Partial<EvexTraits>])[] = [
  ["VPERMILPS", "single", {}],
  ["VPERMILPD", "double", { immediateBits: 4 }],
  ["VPERMQ", "double", {}],
  ["VPERMPD", "double", {}],
];

const shuffled = (rows: readonly Row[], table: typeof IN_LANES): Row[] =>
  table.flatMap(([name, kind, more]) => {
    const element = kind === "single" ? 4 : 8;
    return like(rows, name, { w: kind === "single" ? 0 : 1, element, broadcast: element, faults: true, ...more });
  });

const BYTES: EvexTraits = { element: 1, cpuid: "avx512bw", faults: true };
const WORDS: EvexTraits = { element: 2, cpuid: "avx512bw", faults: true };

const inLanes: readonly Row[] = [
  ...shuffled(sseShuffle, FLOAT_SHUFFLES),
  ...shuffled(avx, IN_LANES),
  ...["VPUNPCKLBW", "VPUNPCKHBW", "VPSHUFB", "VPALIGNR", "VPACKSSWB", "VPACKUSWB"].flatMap((name) =>
    like(sseShuffle, name, BYTES),
  ),
  ...["VPUNPCKLWD", "VPUNPCKHWD", "VPSHUFLW", "VPSHUFHW"].flatMap((name) => like(sseShuffle, name, WORDS)),
  ...["VPACKSSDW", "VPACKUSDW"].flatMap((name) => like(sseShuffle, name, { ...WORDS, w: 0, broadcast: 4 })),
];

/** By numbers, over all of the vector. */
function byNumbers(
  map: string,
  opcode: string,
  name: string,
  what: (typeof PERMUTATION)[keyof typeof PERMUTATION],
  element: 1 | 2 | 4 | 8,
  lengths?: readonly VectorLength[],
): Row[] {
  const operands: readonly OperandCode[] = ["Vx", "Hx", "Wx"];
  const two = what === PERMUTATION.ofTwo || what === PERMUTATION.ofTwoByDestination;
  return evexOwn(
    map,
    `${opcode} /r`,
    name,
    operands,
    (length) => stepRow(`${name}-${length}`, operands, permutation(what, element, length / 8 / element)),
    {
      element,
      whole: true,
      faults: true,
      ...(element >= 4 && { broadcast: element as 4 | 8 }),
      ...(element < 4 && { cpuid: element === 1 ? "avx512-vbmi" : "avx512bw" }),
      ...(two && { readsDestination: true }),
    },
    lengths,
  );
}

const { byNumbers: ONE, ofTwo, ofTwoByDestination } = PERMUTATION;
const TWO_LENGTHS: readonly VectorLength[] = [512, 256];
const across: readonly Row[] = [
  ...byNumbers("66.0F38.W0", "36", "VPERMD", ONE, 4, TWO_LENGTHS),
  ...byNumbers("66.0F38.W1", "36", "VPERMQ", ONE, 8, TWO_LENGTHS),
  ...byNumbers("66.0F38.W0", "16", "VPERMPS", ONE, 4, TWO_LENGTHS),
  ...byNumbers("66.0F38.W1", "16", "VPERMPD", ONE, 8, TWO_LENGTHS),
  ...byNumbers("66.0F38.W1", "8D", "VPERMW", ONE, 2),
  ...byNumbers("66.0F38.W0", "76", "VPERMI2D", ofTwoByDestination, 4),
  ...byNumbers("66.0F38.W1", "76", "VPERMI2Q", ofTwoByDestination, 8),
  ...byNumbers("66.0F38.W0", "77", "VPERMI2PS", ofTwoByDestination, 4),
  ...byNumbers("66.0F38.W1", "77", "VPERMI2PD", ofTwoByDestination, 8),
  ...byNumbers("66.0F38.W1", "75", "VPERMI2W", ofTwoByDestination, 2),
  ...byNumbers("66.0F38.W0", "7E", "VPERMT2D", ofTwo, 4),
  ...byNumbers("66.0F38.W1", "7E", "VPERMT2Q", ofTwo, 8),
  ...byNumbers("66.0F38.W0", "7F", "VPERMT2PS", ofTwo, 4),
  ...byNumbers("66.0F38.W1", "7F", "VPERMT2PD", ofTwo, 8),
  ...byNumbers("66.0F38.W1", "7D", "VPERMT2W", ofTwo, 2),
  ...align(0, "VALIGND", 4),
  ...align(1, "VALIGNQ", 8),
];

function align(w: 0 | 1, name: string, element: 4 | 8): Row[] {
  const operands: readonly OperandCode[] = ["Vx", "Hx", "Wx", "Ib"];
  return evexOwn(
    `66.0F3A.W${w}`,
    "03 /r ib",
    name,
    operands,
    (length) => stepRow(`${name}-${length}`, operands, permutation(PERMUTATION.align, element, length / 8 / element)),
    { element, whole: true, faults: true, broadcast: element },
  );
}

// --- parts of vectors ---

function extracts(
  opcode: string,
  w: 0 | 1,
  name: string,
  size: 1 | 2,
  element: 4 | 8,
  cpuid: string,
  lengths: readonly VectorLength[],
): Row[] {
  const code = size === 1 ? "Udq" : "Uqq";
  const step = (length: VectorLength): Row =>
    stepRow(`${name}-${length}`, [code, "Vx", "Ib"], extractLanes(size, length === 512 ? 4 : 2));
  const traits: EvexTraits = { element, whole: true, faults: true, cpuid };
  const operands: readonly OperandCode[] = [size === 1 ? "Wdq" : "Wqq", "Vx", "Ib"];
  return evexOwn(`66.0F3A.W${w}`, `${opcode} /r ib`, name, operands, step, traits, lengths);
}

function inserts(
  opcode: string,
  w: 0 | 1,
  name: string,
  size: 1 | 2,
  element: 4 | 8,
  cpuid: string,
  lengths: readonly VectorLength[],
): Row[] {
  const operands: readonly OperandCode[] = ["Vx", "Hx", size === 1 ? "Wdq" : "Wqq", "Ib"];
  const codes: readonly OperandCode[] = ["Vx", "Hx", size === 1 ? "Udq" : "Uqq", "Ib"];
  const step = (length: VectorLength): Row =>
    stepRow(`${name}-${length}`, codes, insertLanes(size, length === 512 ? 4 : 2));
  const traits: EvexTraits = { element, whole: true, faults: true, fixed: true, cpuid };
  return evexOwn(`66.0F3A.W${w}`, `${opcode} /r ib`, name, operands, step, traits, lengths);
}

function shuffles(opcode: string, w: 0 | 1, name: string, element: 4 | 8): Row[] {
  const step = (length: VectorLength): Row =>
    stepRow(`${name}-${length}`, ["Vx", "Hx", "Ux", "Ib"], shuffleLanes(length === 512 ? 4 : 2));
  const traits: EvexTraits = { element, whole: true, faults: true, broadcast: element };
  const operands: readonly OperandCode[] = ["Vx", "Hx", "Wx", "Ib"];
  return evexOwn(`66.0F3A.W${w}`, `${opcode} /r ib`, name, operands, step, traits, TWO_LENGTHS);
}

const lanes: readonly Row[] = [
  ...extracts("19", 0, "VEXTRACTF32X4", 1, 4, "avx512f", TWO_LENGTHS),
  ...extracts("1B", 1, "VEXTRACTF64X4", 2, 8, "avx512f", [512]),
  ...extracts("39", 0, "VEXTRACTI32X4", 1, 4, "avx512f", TWO_LENGTHS),
  ...extracts("3B", 1, "VEXTRACTI64X4", 2, 8, "avx512f", [512]),
  ...extracts("19", 1, "VEXTRACTF64X2", 1, 8, "avx512dq", TWO_LENGTHS),
  ...extracts("1B", 0, "VEXTRACTF32X8", 2, 4, "avx512dq", [512]),
  ...extracts("39", 1, "VEXTRACTI64X2", 1, 8, "avx512dq", TWO_LENGTHS),
  ...extracts("3B", 0, "VEXTRACTI32X8", 2, 4, "avx512dq", [512]),
  ...inserts("18", 0, "VINSERTF32X4", 1, 4, "avx512f", TWO_LENGTHS),
  ...inserts("1A", 1, "VINSERTF64X4", 2, 8, "avx512f", [512]),
  ...inserts("38", 0, "VINSERTI32X4", 1, 4, "avx512f", TWO_LENGTHS),
  ...inserts("3A", 1, "VINSERTI64X4", 2, 8, "avx512f", [512]),
  ...inserts("18", 1, "VINSERTF64X2", 1, 8, "avx512dq", TWO_LENGTHS),
  ...inserts("1A", 0, "VINSERTF32X8", 2, 4, "avx512dq", [512]),
  ...inserts("38", 1, "VINSERTI64X2", 1, 8, "avx512dq", TWO_LENGTHS),
  ...inserts("3A", 0, "VINSERTI32X8", 2, 4, "avx512dq", [512]),
  ...shuffles("23", 0, "VSHUFF32X4", 4),
  ...shuffles("23", 1, "VSHUFF64X2", 8),
  ...shuffles("43", 0, "VSHUFI32X4", 4),
  ...shuffles("43", 1, "VSHUFI64X2", 8),
];

// --- compression and expansion ---

function compression(opcode: string, w: 0 | 1, name: string, element: 4 | 8, what: "compress" | "expand"): Row[] {
  const operands: readonly OperandCode[] = what === "compress" ? ["Wx", "Vx"] : ["Vx", "Wx"];
  const step = (length: VectorLength): Row =>
    stepRow(`${name}-${length}`, operands, maskedPermutation(PERMUTATION[what], element, length / 8 / element));
  return evexOwn(`66.0F38.W${w}`, `${opcode} /r`, name, operands, step, { element, whole: true, compressed: true }).map(
    (made) => ({ ...made, evex: { ...(made.evex as NonNullable<Row["evex"]>), memoryBytes: element } }),
  );
}

const compressions: readonly Row[] = [
  ...compression("8A", 0, "VCOMPRESSPS", 4, "compress"),
  ...compression("8A", 1, "VCOMPRESSPD", 8, "compress"),
  ...compression("8B", 0, "VPCOMPRESSD", 4, "compress"),
  ...compression("8B", 1, "VPCOMPRESSQ", 8, "compress"),
  ...compression("88", 0, "VEXPANDPS", 4, "expand"),
  ...compression("88", 1, "VEXPANDPD", 8, "expand"),
  ...compression("89", 0, "VPEXPANDD", 4, "expand"),
  ...compression("89", 1, "VPEXPANDQ", 8, "expand"),
];

// --- narrowing ---

const NARROWED: readonly (readonly [string, number, number, 2 | 4 | 8, 1 | 2 | 4])[] = [
  ["WB", 0, 2, 2, 1],
  ["DB", 1, 4, 4, 1],
  ["QB", 2, 8, 8, 1],
  ["DW", 3, 2, 4, 2],
  ["QW", 4, 4, 8, 2],
  ["QD", 5, 2, 8, 4],
];

/** VPMOVDB and its like. */
function narrowings(base: number, prefix: string, how: (typeof NARROWING)[keyof typeof NARROWING]): Row[] {
  return NARROWED.flatMap(([suffix, offset, ratio, from, to]) => {
    const name = `VPMOV${prefix}${suffix}`;
    const opcode = (base + offset).toString(16).toUpperCase().padStart(2, "0");
    return ([512, 256, 128] as const).map((length) => {
      const bytes = length / 8 / ratio;
      const step = stepRow(`${name}-${length}`, ["Ux", "Vx"], narrowing(how, from, to, bytes / to));
      const cpuid = suffix === "WB" ? "avx512bw" : "avx512f";
      const traits: EvexTraits = { element: to, whole: true, cpuid };
      const made = evexRow(length, "F3.0F38.W0", `${opcode} /r`, name, ["Wx", "Vx"], { step }, traits);
      const form = made.evex as NonNullable<Row["evex"]>;
      return { ...made, evex: { ...form, memoryBytes: bytes, resultBytes: bytes } };
    });
  });
}

// --- gathers and scatters ---

function indexed(opcode: string, w: 0 | 1, name: string, index: 4 | 8, kind: "gather" | "scatter"): Row[] {
  const element = w === 0 ? 4 : 8;
  const operands: readonly OperandCode[] = kind === "gather" ? ["Vx", "M" as "Mx"] : ["M" as "Mx", "Vx"];
  const memory = `M${w === 0 ? "d" : "q"}` as OperandCode;
  const codes = operands.map((code) => (code[0] === "M" ? memory : code)) as OperandCode[];
  const traits: EvexTraits = { kind, element, masking: "needed", vsib: true };
  return ([512, 256, 128] as const).map((length) => {
    const count = length / 8 / Math.max(index, element);
    const step = indexedStep(`${name}-${length}`, memory, kind, index, element, count);
    return evexRow(length, `66.0F38.W${w}`, `${opcode} /r`, name, codes, { step }, { ...traits, whole: true });
  });
}

function indexedStep(
  name: string,
  memory: OperandCode,
  kind: "gather" | "scatter",
  index: 4 | 8,
  element: 4 | 8,
  count: number,
): Row {
  const semantics: Semantics = (b, data) => {
    const { asize } = b.shape;
    if (asize === 16) return b.raise("UD");
    const { fields } = b;
    const origin = b.add(b.gpr(64, fields.base()), fields.displacement());
    const description = b.const(describeIndexed(index, element, count, asize));
    const registers = [data!.register(), fields.index(), fields.vvvv()];
    const helper = kind === "gather" ? "evexGather" : "evexScatter";
    b.helper(helper, origin, description, fields.segment(), fields.scale(), ...registers);
  };
  const step = stepRow(name, ["Vx", memory], semantics);
  return { ...step, vsib: true, asize: true };
}

const gathers: readonly Row[] = (["gather", "scatter"] as const).flatMap((kind) => {
  const [base, verb] = kind === "gather" ? [0x90, "GATHER"] : [0xa0, "SCATTER"];
  const at = (offset: number): string => (base + offset).toString(16).toUpperCase();
  return [
    ...indexed(at(0), 0, `VP${verb}DD`, 4, kind),
    ...indexed(at(0), 1, `VP${verb}DQ`, 4, kind),
    ...indexed(at(1), 0, `VP${verb}QD`, 8, kind),
    ...indexed(at(1), 1, `VP${verb}QQ`, 8, kind),
    ...indexed(at(2), 0, `V${verb}DPS`, 4, kind),
    ...indexed(at(2), 1, `V${verb}DPD`, 4, kind),
    ...indexed(at(3), 0, `V${verb}QPS`, 8, kind),
    ...indexed(at(3), 1, `V${verb}QPD`, 8, kind),
  ];
});

export const rows: readonly Row[] = [
  ...moves,
  ...elements,
  ...broadcasts,
  ...fromMasks,
  ...blends,
  ...inLanes,
  ...across,
  ...lanes,
  ...compressions,
  ...narrowings(0x30, "", NARROWING.truncate),
  ...narrowings(0x20, "S", NARROWING.signed),
  ...narrowings(0x10, "US", NARROWING.unsigned),
  ...gathers,
];
