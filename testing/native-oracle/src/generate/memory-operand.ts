/**
 * Chooses a memory operand: first the linear address it should reach, then an addressing form, then register contents
 * and displacement that reach it.
 */
import { type ContentType, DATA, PAGE_BYTES, READ_ONLY, type SegmentName, STACK, TYPED_AREAS } from "../environment.ts";
import { SEGMENT_PREFIX } from "../prefixes.ts";
import type { Random } from "../random.ts";
import { vectorOverride } from "../vector.ts";
import { type Draft, offsetOf, REGISTERS, setPointer } from "./draft.ts";

const { rbx, rsp, rbp, rsi, rdi } = REGISTERS;
const UNMAPPED_BELOW = DATA.address;
const UNMAPPED_ABOVE = READ_ONLY.address + READ_ONLY.length;
const MIDDLE = DATA.address + PAGE_BYTES;

/** What the operand is: its size in bytes, its contents, and whether a misaligned address faults. */
export interface MemoryNeed {
  readonly bytes: number;
  readonly content: ContentType;
  readonly aligned: boolean;
}

/** A linear address for an operand: mostly a typed slot, sometimes misaligned, across pages, read-only or unmapped. */
export function chooseAddress(random: Random, need: MemoryNeed): number {
  const { bytes, aligned } = need;
  const part = 1 + random.below(Math.max(1, bytes - 1));
  switch (random.below(24)) {
    case 0:
    case 1:
      return DATA.address + random.below(DATA.length - bytes);
    case 2:
      return MIDDLE - (aligned ? bytes : part);
    case 3:
      return READ_ONLY.address + random.below(64) * Math.max(8, bytes);
    case 4:
      return READ_ONLY.address - (aligned ? 0 : part);
    case 5:
      return random.pick([
        UNMAPPED_BELOW - part,
        UNMAPPED_ABOVE - part,
        UNMAPPED_ABOVE + random.below(64),
        UNMAPPED_ABOVE - bytes,
      ]);
    case 6:
      return STACK.address + random.below(STACK.length / 16 - 1) * 16;
    default:
      return chooseSlot(random, need);
  }
}

/** A value of the right type in the data window. */
export function chooseSlot(random: Random, { bytes, content, aligned }: MemoryNeed): number {
  const area = TYPED_AREAS[content];
  const step = aligned ? Math.max(area.slot, bytes) : area.slot;
  return area.address + random.below(Math.floor((area.length - bytes) / step)) * step;
}

/** Fills ModRM, SIB, displacement and registers so that the operand lies at `linear`. `reg` is the ModRM.reg field. */
export function placeMemoryOperand(draft: Draft, linear: number): void {
  draft.memoryAddress = linear;
  if (draft.addressBits === 16) place16(draft, linear);
  else place32Or64(draft, linear);
}

/**
 * Fills ModRM and SIB so that the elements of a gather lie around the middle of the data window: mostly inside, and where
 * `far` says so one of them beyond its end.
 */
export function placeGather(draft: Draft, indexBytes: 4 | 8, indexRegister: number, far: boolean): void {
  const { random } = draft;
  draft.memoryAddress = MIDDLE;
  const scale = random.below(4);
  const quarters = Array.from({ length: 4 }, () => {
    const index = (): bigint => BigInt(random.below(0x200) - 0x100);
    const [low, high] = [index(), index()];
    return indexBytes === 8 ? low : (BigInt.asUintN(32, high) << 32n) | BigInt.asUintN(32, low);
  });
  if (far) quarters[random.below(4)] = BigInt(0x2000 + random.below(0x100));
  for (const [i, value] of quarters.entries()) {
    draft.overrides.set(vectorOverride(indexRegister, i), BigInt.asUintN(64, value));
  }
  const base = anyRegister(draft);
  const mod = 1 + random.below(2);
  const segment = overrideSegment(draft, base === rsp || base === rbp ? "ss" : "ds");
  draft.modrm = { mod, reg: draft.modrm?.reg ?? 0, rm: 4 };
  draft.sib = { scale, index: indexRegister & 7, base: base & 7 };
  draft.rex.b = base > 7;
  draft.rex.x = indexRegister > 7;
  const displacement = displacementFor(random, mod, 4);
  writeDisplacement(draft, displacement);
  setPointer(draft, base, offsetOf(draft, segment, MIDDLE) - displacement);
}

/** Picks an override now and then; FS and GS more often, since only they have a base everywhere. */
export function overrideSegment(draft: Draft, standard: SegmentName): SegmentName {
  const { random } = draft;
  if (draft.form.options.mapped || !random.oneIn(6)) return standard;
  // SS is no choice: its faults are another vector, which the default already shows through rBP and rSP.
  const segment = random.pick(["fs", "gs", "fs", "gs", "es", "ds", "cs", "ss"] as const);
  draft.prefixes.unshift(SEGMENT_PREFIX[segment]);
  // 64-bit code ignores the others' prefixes.
  return draft.environment.codeBits === 64 && segment !== "fs" && segment !== "gs" ? standard : segment;
}

/** Base and index registers of the 16-bit forms. SDM vol. 2A, "16-Bit Addressing Forms with the ModR/M Byte". */
const FORMS16: readonly (readonly number[])[] = [
  [rbx, rsi],
  [rbx, rdi],
  [rbp, rsi],
  [rbp, rdi],
  [rsi],
  [rdi],
  [rbp],
  [rbx],
];

function place16(draft: Draft, linear: number): void {
  const { random } = draft;
  const rm = random.below(8);
  const mod = random.below(3);
  const absolute = mod === 0 && rm === 6;
  const registers = absolute ? [] : (FORMS16[rm] as readonly number[]);
  const segment = overrideSegment(draft, registers.includes(rbp) ? "ss" : "ds");
  const target = nearLimit(draft) ?? offsetOf(draft, segment, linear);
  draft.modrm = { mod, reg: draft.modrm?.reg ?? 0, rm };
  const displacement = absolute ? target : displacementFor(random, mod, 2);
  if (absolute || mod !== 0) draft.displacement = { bytes: mod === 1 ? 1 : 2, value: displacement };
  let rest = target - displacement;
  if (registers.length === 2) {
    const index = BigInt(random.below(0x1_0000));
    setPointer(draft, registers[1] as number, index);
    rest -= index;
  }
  if (registers.length > 0) setPointer(draft, registers[0] as number, rest);
}

/**
 * Now and then the last bytes of a 64 KiB segment, where larger operands cross its limit. Not for vector operands (which
 * of limit and alignment is checked first differs) and not for pointers and pairs (their parts are read one by one).
 */
function nearLimit({ random, environment, form }: Draft): bigint | undefined {
  const { flavour, mapped } = form.options;
  const unclear = flavour !== undefined || mapped || form.operands.some((code) => /^M[ap]$/.test(code));
  if (environment.codeBits !== 16 || unclear || !random.oneIn(24)) return undefined;
  return 0xffffn - BigInt(random.below(16));
}

function displacementFor(random: Random, mod: number, wideBytes: number): bigint {
  if (mod === 0) return 0n;
  if (mod === 1) return BigInt(random.pick([random.below(256) - 128, -1, 1, 127, -128]));
  return BigInt.asIntN(wideBytes * 8, BigInt(random.u32()) >> BigInt(random.below(32)));
}

function place32Or64(draft: Draft, linear: number): void {
  const { random } = draft;
  draft.modrm = { mod: random.below(3), reg: draft.modrm?.reg ?? 0, rm: 0 };
  switch (random.below(6)) {
    case 0:
      placeWithoutBase(draft, linear);
      break;
    case 1:
    case 2:
      placeScaledIndex(draft, linear);
      break;
    default:
      placeBase(draft, linear);
  }
}

function anyRegister(draft: Draft): number {
  return draft.random.below(draft.environment.codeBits === 64 ? 16 : 8);
}

/** RIP-relative in 64-bit code, absolute in 32-bit code; a SIB byte without base and index is absolute in both. */
function placeWithoutBase(draft: Draft, linear: number): void {
  const modrm = draft.modrm as NonNullable<Draft["modrm"]>;
  const target = offsetOf(draft, overrideSegment(draft, "ds"), linear);
  modrm.mod = 0;
  if (draft.random.oneIn(2)) {
    modrm.rm = 4;
    draft.sib = { scale: draft.random.below(4), index: 4, base: 5 };
    draft.displacement = { bytes: 4, value: target };
  } else {
    modrm.rm = 5;
    draft.displacement = { bytes: 4, value: target };
    if (draft.environment.codeBits === 64) draft.ripTarget = target;
  }
}

function placeBase(draft: Draft, linear: number): void {
  const modrm = draft.modrm as NonNullable<Draft["modrm"]>;
  const base = anyRegister(draft);
  const segment = overrideSegment(draft, base === rsp || base === rbp ? "ss" : "ds");
  if ((base & 7) === rbp && modrm.mod === 0) modrm.mod = 1;
  const displacement = displacementFor(draft.random, modrm.mod, 4);
  setBase(draft, base, (base & 7) === rsp);
  writeDisplacement(draft, displacement);
  setPointer(draft, base, (nearLimit(draft) ?? offsetOf(draft, segment, linear)) - displacement);
}

function placeScaledIndex(draft: Draft, linear: number): void {
  const { random } = draft;
  const modrm = draft.modrm as NonNullable<Draft["modrm"]>;
  const index = pickIndex(draft);
  const scale = random.below(4);
  const baseless = random.oneIn(4);
  const base = baseless ? undefined : anyRegister(draft);
  const segment = overrideSegment(draft, base === rsp || base === rbp ? "ss" : "ds");
  const target = offsetOf(draft, segment, linear);
  // Whatever the registers cannot give, the displacement must: the low bits when base and index are one register.
  const indexValue =
    base === undefined || base === index ? BigInt(random.below(0x400)) : random.u64() >> BigInt(random.below(60));
  const scaled = indexValue << BigInt(scale);
  if (base === undefined) modrm.mod = 0;
  else if (base === index) modrm.mod = 2;
  else if ((base & 7) === rbp && modrm.mod === 0) modrm.mod = 1;
  let displacement = displacementFor(random, modrm.mod, 4);
  if (base === undefined) displacement = target - scaled;
  else if (base === index) displacement = target - scaled - indexValue;
  setBase(draft, base ?? rbp, true);
  draft.sib = { scale, index: index & 7, base: (base ?? rbp) & 7 };
  draft.rex.x = index > 7;
  if (base === undefined) draft.displacement = { bytes: 4, value: displacement };
  else writeDisplacement(draft, displacement);
  setPointer(draft, index, indexValue);
  if (base !== undefined && base !== index) setPointer(draft, base, target - displacement - scaled);
}

/** Any register but rSP, whose number means "no index". */
function pickIndex(draft: Draft): number {
  for (;;) {
    const index = anyRegister(draft);
    if (index !== rsp) return index;
  }
}

function setBase(draft: Draft, base: number, sib: boolean): void {
  const modrm = draft.modrm as NonNullable<Draft["modrm"]>;
  modrm.rm = sib ? 4 : base & 7;
  draft.rex.b = base > 7;
  if (sib) draft.sib = { scale: draft.random.below(4), index: 4, base: base & 7 };
}

function writeDisplacement(draft: Draft, value: bigint): void {
  const mod = draft.modrm?.mod ?? 0;
  if (mod !== 0) draft.displacement = { bytes: mod === 1 ? 1 : 4, value };
}
