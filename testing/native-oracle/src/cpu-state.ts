import { doubleEdge, extendedEdge, integerEdge, singleEdge } from "./edge-values.ts";
import { type Environment, SEGMENT_NAMES } from "./environment.ts";
import { createRandom, type Random } from "./random.ts";

/** Offsets in the 64-bit FXSAVE image (SDM vol. 1, "FXSAVE Area"), behind which the upper halves of YMM0..YMM15 stand. */
export const FXSAVE = { fcw: 0, fsw: 2, ftw: 4, mxcsr: 24, st: 32, xmm: 160, ymm: 416, length: 672 } as const;

/** RFLAGS bits that user code can see change. */
export const FLAGS = {
  CF: 0x1,
  PF: 0x4,
  AF: 0x10,
  ZF: 0x40,
  SF: 0x80,
  IF: 0x200,
  DF: 0x400,
  OF: 0x800,
  AC: 0x4_0000,
  ID: 0x20_0000,
} as const;
/** CF PF AF ZF SF OF. */
export const STATUS_FLAGS: number = FLAGS.CF | FLAGS.PF | FLAGS.AF | FLAGS.ZF | FLAGS.SF | FLAGS.OF;
/** What a vector compares of RFLAGS. RF is not among them: only the trap frame shows it. */
export const VISIBLE_FLAGS: number = STATUS_FLAGS | FLAGS.DF | FLAGS.IF | FLAGS.AC | FLAGS.ID;
/** Bit 1 reads as one; IF is set in user code. */
const FIXED_FLAGS = 0x202;

/** The user-visible state a vector starts from and leaves. */
export interface CpuState {
  /** In encoding order: rax rcx rdx rbx rsp rbp rsi rdi r8..r15. Outside 64-bit code only the lower halves of the first 8 count. */
  readonly gpr: BigUint64Array;
  rip: bigint;
  rflags: number;
  /** Selectors in {@link SEGMENT_NAMES} order. */
  readonly selectors: Uint16Array;
  fsBase: bigint;
  gsBase: bigint;
  /** x87, MXCSR, XMM and the upper halves of YMM as {@link FXSAVE} has them: ST(i) in stack order, the abridged tag byte; instruction pointers stay 0. */
  readonly fxsave: Uint8Array;
}

/** What the XMM, MXCSR and x87 registers hold at first. 'integer' leaves x87 and MXCSR at their defaults. */
export const FLAVOURS = ["integer", "single", "double", "x87", "mmx"] as const;
export type Flavour = (typeof FLAVOURS)[number];

/** A deep copy. */
export function copyState(state: CpuState): CpuState {
  return { ...state, gpr: state.gpr.slice(), selectors: state.selectors.slice(), fxsave: state.fxsave.slice() };
}

/** The state `seed` stands for: recorded vectors hold the seed only, so the order of draws must never change. */
export function createInitialState(environment: Environment, seed: number, flavour: Flavour): CpuState {
  const random = createRandom(seed);
  const state: CpuState = {
    gpr: new BigUint64Array(16),
    rip: 0n,
    rflags: FIXED_FLAGS | randomFlags(random),
    selectors: Uint16Array.from(SEGMENT_NAMES, (name) => environment.segments[name].selector),
    fsBase: environment.fsBase,
    gsBase: environment.gsBase,
    fxsave: new Uint8Array(FXSAVE.length),
  };
  const registers = environment.codeBits === 64 ? 16 : 8;
  for (let i = 0; i < registers; i++) {
    const value = integerEdge(random);
    state.gpr[i] = registers === 16 ? value : value & 0xffff_ffffn;
  }
  fillFloatingPoint(new DataView(state.fxsave.buffer), random, flavour);
  return state;
}

/** Any arithmetic flags; DF rarely, since it matters to strings only and they choose it themselves. */
function randomFlags(random: Random): number {
  const status = random.pick([0, STATUS_FLAGS, random.u32() & STATUS_FLAGS]);
  return status | (random.oneIn(16) ? FLAGS.DF : 0);
}

function fillFloatingPoint(image: DataView, random: Random, flavour: Flavour): void {
  image.setUint16(FXSAVE.fcw, 0x37f, true);
  image.setUint32(FXSAVE.mxcsr, 0x1f80, true);
  if (flavour === "x87") fillX87(image, random);
  if (flavour === "mmx") fillMmx(image, random);
  const lane = flavour === "single" ? singlePair : flavour === "double" ? doubleEdge : integerEdge;
  for (let i = 0; i < 32; i++) image.setBigUint64(FXSAVE.xmm + i * 8, lane(random), true);
  if ((flavour === "single" || flavour === "double") && random.oneIn(3))
    image.setUint32(FXSAVE.mxcsr, randomMxcsr(random), true);
  for (let i = 0; i < 32; i++) image.setBigUint64(FXSAVE.ymm + i * 8, lane(random), true);
}

function singlePair(random: Random): bigint {
  return (singleEdge(random) << 32n) | singleEdge(random);
}

/** Any rounding mode, FTZ and DAZ, sometimes sticky flags, sometimes unmasked exceptions. */
function randomMxcsr(random: Random): number {
  const rounding = random.below(4) << 13;
  const flush = (random.oneIn(4) ? 0x8000 : 0) | (random.oneIn(4) ? 0x40 : 0);
  const masks = random.oneIn(3) ? random.below(64) << 7 : 0x1f80;
  // A flag that is already set and unmasked does not fault by itself, but recording both tells nothing new.
  const sticky = random.oneIn(4) && masks === 0x1f80 ? random.below(64) : 0;
  return rounding | flush | masks | sticky;
}

function fillX87(image: DataView, random: Random): void {
  const precision = random.oneIn(3) ? random.pick([0x000, 0x200]) : 0x300;
  const rounding = random.oneIn(3) ? random.below(4) << 10 : 0;
  const masks = random.oneIn(8) ? random.below(64) : 0x3f;
  image.setUint16(FXSAVE.fcw, precision | rounding | masks | 0x40, true);
  const top = random.below(8);
  const conditions = random.u32() & 0x4700;
  const sticky = masks === 0x3f && random.oneIn(4) ? random.below(64) : 0;
  image.setUint16(FXSAVE.fsw, conditions | (top << 11) | sticky, true);
  const depth = random.oneIn(6) ? random.below(9) : 2 + random.below(6);
  let tags = 0;
  // The tag byte is by physical register, the values by distance from the top.
  for (let i = 0; i < depth; i++) tags |= 1 << ((top + i) & 7);
  image.setUint8(FXSAVE.ftw, tags);
  for (let i = 0; i < 8; i++) setExtended(image, i, extendedEdge(random));
}

function fillMmx(image: DataView, random: Random): void {
  image.setUint8(FXSAVE.ftw, random.pick([0, 0xff, random.below(256)]));
  for (let i = 0; i < 8; i++) setExtended(image, i, (0xffffn << 64n) | integerEdge(random));
}

function setExtended(image: DataView, index: number, value: bigint): void {
  image.setBigUint64(FXSAVE.st + index * 16, value & 0xffff_ffff_ffff_ffffn, true);
  image.setUint16(FXSAVE.st + index * 16 + 8, Number(value >> 64n), true);
}
