/**
 * Turns forms into vectors. Every choice comes from a generator seeded by form, environment and index, so a new form
 * leaves the vectors of all others as they are.
 */
import { createInitialState } from "../cpu-state.ts";
import { integerEdge } from "../edge-values.ts";
import { CODE, type CodeBits, type ContentType, ENVIRONMENTS, type Environment } from "../environment.ts";
import { type Encoding, type Form, parseEncoding, type VexEncoding } from "../forms/form.ts";
import { createRandom, hashText, type Random } from "../random.ts";
import { formLabel, type VectorInput } from "../vector.ts";
import { type Draft, offsetOf } from "./draft.ts";
import { encode } from "./encode.ts";
import { chooseAddress, chooseSlot, overrideSegment, placeGather, placeMemoryOperand } from "./memory-operand.ts";
import { addNoise } from "./noise.ts";

/** Vectors per operand size and per choice of register or memory operand. */
const PER_VARIANT = 8;
/** Forms without variants still meet many states. */
const MINIMUM_PER_ENVIRONMENT = 12;
/** SSE and x87 differ little between modes: outside 64-bit code a few vectors show that they decode. */
const FLOATING_LEGACY_VECTORS = { 32: 6, 16: 3 } as const;
/** There are many of them. */
const VEX_VECTORS = { 64: 14, 32: 4, 16: 2 } as const;
const SEEDS = 1 << 14;
const LOCK = 0xf0;
const REPNE = 0xf2;
const REP = 0xf3;
const OPERAND_SIZE = 0x66;
const ADDRESS_SIZE = 0x67;

/**
 * All vectors of `form`, environments in order; the same for ever as long as the form stays as it is. The corpus has no
 * salt; any other gives other vectors.
 */
export function generateVectors(form: Form, salt = ""): readonly VectorInput[] {
  const encoding = parseEncoding(form.encoding);
  return environmentsOf(form).flatMap((environment) => {
    const sizes = operandSizes(form, environment);
    return Array.from({ length: vectorCount(form, environment, sizes.length) }, (_, i) =>
      generateVector(form, encoding, environment, sizes, i, salt),
    );
  });
}

function environmentsOf({ options }: Form): readonly Environment[] {
  const { long, flat32, segmented16, flat32stack16, segmented16stack32 } = ENVIRONMENTS;
  if (options.modes === "long") return [long];
  const legacy = options.stack ? [flat32, segmented16, flat32stack16, segmented16stack32] : [flat32, segmented16];
  return options.modes === "legacy" ? legacy : [long, ...legacy];
}

function vectorCount(form: Form, { codeBits }: Environment, sizes: number): number {
  const floating = form.options.flavour !== undefined;
  if (form.encoding.startsWith("VEX.")) return VEX_VECTORS[codeBits];
  if (floating && codeBits !== 64 && form.options.modes !== "legacy") return FLOATING_LEGACY_VECTORS[codeBits];
  const choices = form.operands.some((code) => /^[EWQ]/.test(code)) ? 2 : 1;
  return Math.max(floating ? 2 * MINIMUM_PER_ENVIRONMENT : MINIMUM_PER_ENVIRONMENT, PER_VARIANT * sizes * choices);
}

/** Sizes that `v` operands take; the first is the one without prefixes. */
function operandSizes({ operands, options }: Form, { codeBits }: Environment): readonly CodeBits[] {
  const variable = options.sized || options.default64 || operands.some((code) => /^[AEGIZOXYJMR]\w*[vzpa]$/.test(code));
  if (options.branch && codeBits === 64) return [64];
  if (variable && codeBits === 64) return options.default64 ? [64, 16] : options.noRexW ? [32, 16] : [32, 16, 64];
  if (variable) return codeBits === 32 ? [32, 16] : [16, 32];
  if (operands.some((code) => /^[EGMR]y$/.test(code))) return codeBits === 64 ? [32, 64] : [32];
  return [codeBits];
}

function generateVector(
  form: Form,
  encoding: Encoding,
  environment: Environment,
  sizes: readonly CodeBits[],
  index: number,
  salt: string,
): VectorInput {
  const random = createRandom(hashText(`${formLabel(form)}|${environment.name}|${index}${salt}`));
  const seed = random.below(SEEDS);
  const flavour = form.options.flavour ?? "integer";
  const operandBits = sizes[index % sizes.length] ?? environment.codeBits;
  const draft = createDraft(form, encoding, environment, random, operandBits);
  draft.initial = createInitialState(environment, seed, flavour);
  const wantMemory = Math.floor(index / sizes.length) % 2 === 1;
  completeDraft(draft, encoding, wantMemory);
  const code = placeCode(draft);
  const { codeAddress, overrides, patches } = draft;
  return { form, environment, codeAddress, code, seed, flavour, overrides, patches };
}

/**
 * One instruction of `form` for a place in a program, or undefined where it does not exist. Its bytes come from `encode`
 * when `codeAddress` is set; the registers it wants are in `overrides`.
 */
export function draftInstruction(form: Form, environment: Environment, random: Random): Draft | undefined {
  const { modes } = form.options;
  if (modes !== undefined && (modes === "long") !== (environment.codeBits === 64)) return undefined;
  const encoding = parseEncoding(form.encoding);
  const draft = createDraft(form, encoding, environment, random, random.pick(operandSizes(form, environment)));
  completeDraft(draft, encoding, random.oneIn(2));
  return draft;
}

function completeDraft(draft: Draft, encoding: Encoding, wantMemory: boolean): void {
  chooseOperands(draft, encoding, wantMemory);
  choosePrefixes(draft);
  draft.form.options.prepare?.(draft);
  if (!draft.form.options.plain) addNoise(draft);
}

function createDraft(
  form: Form,
  encoding: Encoding,
  environment: Environment,
  random: Random,
  operandBits: CodeBits,
): Draft {
  const { options, operands } = form;
  const { codeBits } = environment;
  const fixed = !options.sized && !options.default64 && !operands.some((code) => /^[AEGIZOXYJMR]\w*[vzpa]$/.test(code));
  const prefixed = !fixed && (codeBits === 16 ? operandBits === 32 : operandBits === 16);
  const y = operands.some((code) => /^[EGMR]y$/.test(code));
  const sized = operandBits === 64 && (y || (!fixed && !options.default64 && !options.branch));
  const w = encoding.vex && !y ? vexW(encoding.vex, options.fixedW ? undefined : random) : encoding.rexW || sized;
  return {
    form,
    environment,
    random,
    operandBits,
    addressBits: random.oneIn(8) ? (codeBits === 32 ? 16 : 32) : codeBits,
    prefixes: prefixed ? [OPERAND_SIZE] : [],
    rex: { w, r: false, x: false, b: false, forced: codeBits === 64 && random.oneIn(4) },
    vex: encoding.vex && startVex(encoding.vex, random),
    opcode: [...encoding.opcode],
    modrm: undefined,
    sib: undefined,
    displacement: undefined,
    ripTarget: undefined,
    immediates: [],
    memoryAddress: undefined,
    codeAddress: CODE.address + 0x100 + random.below(0x40),
    overrides: new Map(),
    patches: [],
    initial: createInitialState(environment, 0, "integer"),
  };
}

/** W where it says something, now and then the wrong one. */
function vexW({ w, ignoresW }: VexEncoding, random: Random | undefined): boolean {
  if (random === undefined) return w === 1;
  if (ignoresW) return random.oneIn(4);
  return (w === 1) !== random.oneIn(48);
}

/** L likewise. A register that is no operand is all ones: 15 here means none, 1 now and then is #UD. */
function startVex({ l, pp, map }: VexEncoding, random: Random): NonNullable<Draft["vex"]> {
  const length = l === undefined ? random.below(2) : random.oneIn(48) ? 1 - l : l;
  return { l: length, pp, map, register: random.oneIn(48) ? 1 : 0, short: random.oneIn(2) };
}

/** Bytes of an operand by the size letters of its code. */
function operandBytes(draft: Draft, code: string): number {
  const v = draft.operandBits / 8;
  const letters = /^[A-Z]([a-z]*)/.exec(code)?.[1] ?? "";
  const sizes: Readonly<Record<string, number>> = {
    b: 1,
    bs: 1,
    w: 2,
    d: 4,
    q: 8,
    dq: 16,
    qq: 32,
    x: vectorBytes(draft),
    t: 10,
    ps: vectorBytes(draft),
    pd: vectorBytes(draft),
    ss: 4,
    sd: 8,
    v,
    y: draft.rex.w ? 8 : 4,
    z: Math.min(v, 4),
    p: v + 2,
    a: 2 * v,
  };
  return sizes[letters] ?? 1;
}

function vectorBytes({ form }: Draft): number {
  return form.encoding.startsWith("VEX.256.") ? 32 : 16;
}

function contentOf({ form }: Draft, code: string): ContentType {
  if (form.options.content) return form.options.content;
  if (/s[s]$|ps$/.test(code)) return "single";
  return /sd$|pd$/.test(code) ? "double" : "integer";
}

function registerCount({ environment }: Draft): number {
  return environment.codeBits === 64 ? 16 : 8;
}

function chooseOperands(draft: Draft, encoding: Encoding, wantMemory: boolean): void {
  const { random } = draft;
  draft.prefixes.push(...encoding.mandatoryPrefixes);
  if (encoding.modrm !== undefined) draft.modrm = { mod: 3, reg: 0, rm: 0 };
  if (typeof encoding.modrm === "number" && draft.modrm) draft.modrm.reg = encoding.modrm;
  if (encoding.registerInOpcode) chooseOpcodeRegister(draft);
  for (const code of draft.form.operands) {
    // A gather's registers are chosen together with its address.
    if (draft.form.options.vsib !== undefined && code.startsWith("H")) continue;
    if (draft.vex && /^[HB][a-z]/.test(code)) draft.vex.register = random.below(registerCount(draft));
    else if (/^L[a-z]/.test(code)) draft.immediates.push({ bytes: 1, value: BigInt(random.below(256)) });
    else if (/^[GVSPCD][a-z]/.test(code)) chooseRegField(draft, code);
    else if (/^(M$|[EWQMRUN][a-z])/.test(code)) chooseRmField(draft, code, wantMemory);
    else if (/^O[a-z]/.test(code)) chooseMoffs(draft, operandBytes(draft, code));
    else if (code === "Ap") chooseFarPointer(draft);
    else if (/^[IJ][a-z]/.test(code))
      draft.immediates.push({ bytes: operandBytes(draft, code), value: integerEdge(random) });
  }
}

function chooseOpcodeRegister(draft: Draft): void {
  const register = draft.random.below(draft.form.options.flavour === "x87" ? 8 : registerCount(draft));
  draft.opcode[draft.opcode.length - 1] = (draft.opcode.at(-1) ?? 0) + (register & 7);
  draft.rex.b = register > 7;
}

function chooseRegField(draft: Draft, code: string): void {
  const modrm = draft.modrm as NonNullable<Draft["modrm"]>;
  const eight = code.startsWith("P") || code.startsWith("S");
  const register = draft.random.below(eight ? (code.startsWith("S") ? 6 : 8) : registerCount(draft));
  modrm.reg = register & 7;
  draft.rex.r = register > 7;
}

function chooseRmField(draft: Draft, code: string, wantMemory: boolean): void {
  const modrm = draft.modrm as NonNullable<Draft["modrm"]>;
  const memory = code.startsWith("M") || (wantMemory && /^[EWQ]/.test(code));
  if (!memory) {
    const register = draft.random.below(/^[QN]/.test(code) ? 8 : registerCount(draft));
    modrm.rm = register & 7;
    draft.rex.b = register > 7;
    return;
  }
  if (draft.form.options.vsib !== undefined) return chooseGather(draft, draft.form.options.vsib);
  const bytes = operandBytes(draft, code);
  const { unaligned, mapped } = draft.form.options;
  const aligned = draft.vex ? draft.form.options.aligned === true : bytes === 16 && !unaligned;
  const need = { bytes, content: contentOf(draft, code), aligned };
  placeMemoryOperand(draft, mapped ? chooseSlot(draft.random, need) : chooseAddress(draft.random, need));
}

/** Destination, index and mask are three registers, or it is #UD; so is a 16-bit address. */
function chooseGather(draft: Draft, indexBytes: 4 | 8): void {
  const { random } = draft;
  const count = registerCount(draft);
  const index = random.below(count);
  const modrm = draft.modrm as NonNullable<Draft["modrm"]>;
  const vex = draft.vex as NonNullable<Draft["vex"]>;
  const destination = (index + 1 + random.below(count - 2)) % count;
  modrm.reg = destination & 7;
  draft.rex.r = destination > 7;
  do vex.register = random.below(count);
  while (!random.oneIn(24) && (vex.register === index || vex.register === destination));
  placeGather(draft, indexBytes, index, random.oneIn(6));
}

/** Offset and selector in the instruction; `prepare` sets them. */
function chooseFarPointer(draft: Draft): void {
  draft.immediates.push({ bytes: draft.operandBits / 8, value: 0n }, { bytes: 2, value: 0n });
}

/** An absolute address as wide as the address size. */
function chooseMoffs(draft: Draft, bytes: number): void {
  const linear = chooseAddress(draft.random, { bytes, content: "integer", aligned: false });
  draft.memoryAddress = linear;
  const segment = overrideSegment(draft, "ds");
  draft.immediates.push({ bytes: draft.addressBits / 8, value: offsetOf(draft, segment, linear) });
}

function choosePrefixes(draft: Draft): void {
  const { form, random, modrm } = draft;
  const memoryFirst = modrm !== undefined && modrm.mod !== 3 && /^[EM]/.test(form.operands[0] ?? "");
  if (form.options.lock && memoryFirst) {
    if (random.oneIn(5)) draft.prefixes.unshift(LOCK);
  } else if (!form.options.noLock && random.oneIn(48)) {
    // Everywhere else LOCK is #UD.
    draft.prefixes.unshift(LOCK);
  }
  if (form.options.repeat && !random.oneIn(3))
    draft.prefixes.unshift(form.options.repeat === "rep" ? REP : random.pick([REP, REPNE]));
  const addressMatters =
    draft.memoryAddress !== undefined ||
    form.options.repeat !== undefined ||
    /^(LOOP|J.?CXZ|XLAT|V?MASKMOV[DQ])/.test(form.mnemonic);
  if (!addressMatters) draft.addressBits = draft.environment.codeBits;
  else if (draft.addressBits !== draft.environment.codeBits) draft.prefixes.unshift(ADDRESS_SIZE);
}

/** Encodes, and decides where: in the middle of the window, right up to its end, or over it (a fetch fault). */
function placeCode(draft: Draft): Uint8Array {
  const end = CODE.address + CODE.length;
  let code = encode(draft);
  const place = draft.form.options.plain ? 31 : draft.random.below(32);
  let cut = 0;
  if (place < 2) draft.codeAddress = end - code.length;
  else if (place === 2 && code.length > 1) cut = 1 + draft.random.below(code.length - 1);
  if (cut > 0) draft.codeAddress = end - (code.length - cut);
  aimBranch(draft, code.length);
  code = encode(draft);
  return code.subarray(0, code.length - cut);
}

/** Relative branches go anywhere in the code window but into themselves. */
function aimBranch(draft: Draft, length: number): void {
  const at = draft.form.operands.findIndex((code) => /^J[bz]$/.test(code));
  const field = draft.immediates[0];
  if (at < 0 || !field) return;
  const next = draft.codeAddress + length;
  for (;;) {
    const target =
      field.bytes === 1 ? next - 128 + draft.random.below(256) : CODE.address + draft.random.below(CODE.length);
    const inside = target >= CODE.address && target < CODE.address + CODE.length;
    if (!inside || (target >= draft.codeAddress && target < next)) continue;
    field.value = BigInt(target - next);
    return;
  }
}
