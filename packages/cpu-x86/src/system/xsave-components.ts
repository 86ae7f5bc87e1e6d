// The state components of the XSAVE feature set: where each lies in a save area, and how it is moved. SDM vol. 1,
// "XSAVE-Supported Features and State-Component Bitmaps" and "XSAVE Area". Offsets in the standard form are those of Intel's
// processors and QEMU's; guests learn them from CPUID leaf 0DH.

import type { FeatureName } from "../cpuid/features.ts";
import type { CpuModel } from "../cpuid/models.ts";
import { isValidCetControl, isValidSsp } from "../msr/cet.ts";
import { recomputeMode } from "../segments/cache.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, type FieldName } from "../state/layout.ts";
import { XSTATE } from "../state/xstate.ts";
import { initX87, isX87Initial, LEGACY_BYTES, readX87, writeX87, XMM_REGISTERS } from "./fpu-area.ts";
import { setPkru } from "./protection-keys.ts";
import {
  arePiecesZero,
  clearPieces,
  lengthOfPieces,
  OPMASKS,
  type RegisterPieces,
  readPieces,
  writePieces,
  XMM,
  YMM_UPPER,
  ZMM_HIGH,
  ZMM_UPPER,
} from "./register-pieces.ts";
import type { SaveArea } from "./save-area.ts";

/** Bytes before the first component that is not in the legacy region: that region and the header. */
export const XSAVE_HEADER: number = LEGACY_BYTES;
/** Bytes of the legacy region and the header, which every area has. */
export const XSAVE_MINIMUM: number = XSAVE_HEADER + 64;

/** One state component. `at` is where it begins in the area; the legacy ones have fixed places and ignore it. */
export interface XsaveComponent {
  readonly bit: number;
  /** Number in CPUID leaf 0DH. */
  readonly index: number;
  readonly needs: FeatureName;
  /** Place in the standard form; 0 for the legacy components and the supervisor's. */
  readonly offset: number;
  readonly length: number;
  write(cpu: Cpu, area: SaveArea, at: number, wide: boolean): void;
  read(cpu: Cpu, area: SaveArea, at: number, wide: boolean): void;
  initialize(cpu: Cpu): void;
  isInitial(cpu: Cpu): boolean;
  /** A bit of IA32_XSS: XSAVES and XRSTORS alone move it. */
  readonly supervisor: boolean;
  /** Whether what an area has may be loaded; undefined: whatever it is. */
  readonly isValid: ((cpu: Cpu, area: SaveArea, at: number) => boolean) | undefined;
}

const x87: XsaveComponent = {
  bit: XSTATE.X87,
  index: 0,
  needs: "xsave",
  offset: 0,
  length: 0,
  write: (cpu, area, _at, wide) => writeX87(cpu, area, wide),
  read: (cpu, area, _at, wide) => readX87(cpu, area, wide),
  initialize: initX87,
  isInitial: isX87Initial,
  supervisor: false,
  isValid: undefined,
};

/** XMM registers. MXCSR is the business of the instructions, which differ in it. */
const sse: XsaveComponent = {
  ...vectors(XSTATE.SSE, 1, "xsave", 0, XMM),
  length: 0,
  write: (cpu, area) => writePieces(cpu, area, XMM_REGISTERS, XMM),
  read: (cpu, area) => readPieces(cpu, area, XMM_REGISTERS, XMM),
};

/** A component of vector or mask registers. */
function vectors(
  bit: number,
  index: number,
  needs: FeatureName,
  offset: number,
  pieces: RegisterPieces,
): XsaveComponent {
  return {
    bit,
    index,
    needs,
    offset,
    length: lengthOfPieces(pieces),
    write: (cpu, area, at) => writePieces(cpu, area, at, pieces),
    read: (cpu, area, at) => readPieces(cpu, area, at, pieces),
    initialize: (cpu) => clearPieces(cpu, pieces),
    isInitial: (cpu) => arePiecesZero(cpu, pieces),
    supervisor: false,
    isValid: undefined,
  };
}

const avx = vectors(XSTATE.AVX, 2, "avx", 576, YMM_UPPER);
const opmask = vectors(XSTATE.OPMASK, 5, "avx512f", 1088, OPMASKS);
const zmmUpper = vectors(XSTATE.ZMM_HI256, 6, "avx512f", 1152, ZMM_UPPER);
const zmmHigh = vectors(XSTATE.HI16_ZMM, 7, "avx512f", 1664, ZMM_HIGH);

const pkru: XsaveComponent = {
  bit: XSTATE.PKRU,
  index: 9,
  needs: "pku",
  offset: 2688,
  length: 8,
  write: (cpu, area, at) => {
    const word = area.word(at);
    area.words[word] = cpu.get32(AT.pkru);
    area.words[word + 1] = 0;
  },
  read: (cpu, area, at) => setPkru(cpu, area.words[area.word(at)] as number),
  initialize: (cpu) => setPkru(cpu, 0),
  isInitial: (cpu) => cpu.get32(AT.pkru) === 0,
  supervisor: false,
  isValid: undefined,
};

const quadword = ({ words }: SaveArea, word: number): bigint =>
  (BigInt(words[word + 1] as number) << 32n) | BigInt(words[word] as number);

/** A supervisor component of registers of 64 bits. */
function registers(
  bit: number,
  index: number,
  list: readonly (readonly [field: FieldName, index: number, isValid: (cpu: Cpu, value: bigint) => boolean])[],
  loaded: (cpu: Cpu) => void,
): XsaveComponent {
  const savedValue = (area: SaveArea, at: number, i: number): bigint => quadword(area, area.word(at + i * 8));
  const load = (cpu: Cpu, value: (i: number) => bigint): void => {
    for (const [i, [field, element]] of list.entries()) cpu.set64(field, value(i), element);
    loaded(cpu);
  };
  return {
    bit,
    index,
    needs: "shstk",
    offset: 0,
    length: list.length * 8,
    write: (cpu, area, at) => {
      for (const [i, [field, element]] of list.entries()) {
        const word = area.word(at + i * 8);
        area.words[word] = cpu.low(field, element);
        area.words[word + 1] = cpu.high(field, element);
      }
    },
    read: (cpu, area, at) => load(cpu, (i) => savedValue(area, at, i)),
    initialize: (cpu) => load(cpu, () => 0n),
    isInitial: (cpu) => list.every(([field, element]) => cpu.get64(field, element) === 0n),
    supervisor: true,
    isValid: (cpu, area, at) => list.every(([, , isValid], i) => isValid(cpu, savedValue(area, at, i))),
  };
}

/** IA32_U_CET and IA32_PL3_SSP. A processor without shadow stacks shows neither component. */
const cetUser = registers(
  XSTATE.CET_U,
  11,
  [
    ["cetControl", 1, isValidCetControl],
    ["privilegeSsp", 3, isValidSsp],
  ],
  recomputeMode,
);

/** IA32_PL0_SSP to IA32_PL2_SSP. */
const cetSupervisor = registers(
  XSTATE.CET_S,
  12,
  [0, 1, 2].map((cpl) => ["privilegeSsp", cpl, isValidSsp] as const),
  () => {},
);

/** All components, in order; all of one shape, as they are looked at for every XSAVE. XCR0 and IA32_XSS have only bits of those that the processor model has. */
export const COMPONENTS: readonly XsaveComponent[] = [
  x87,
  sse,
  avx,
  opmask,
  zmmUpper,
  zmmHigh,
  pkru,
  cetUser,
  cetSupervisor,
];

/** The components that a processor model has, in order. */
export function componentsOf({ features }: CpuModel): readonly XsaveComponent[] {
  return COMPONENTS.filter(({ needs }) => features.has(needs));
}

/** XCR0 bits that may be set. */
export function supportedXcr0(model: CpuModel): number {
  return maskOf(componentsOf(model).filter(({ supervisor }) => !supervisor));
}

/** IA32_XSS bits that may be set. */
export function supportedXss(model: CpuModel): number {
  return maskOf(componentsOf(model).filter(({ supervisor }) => supervisor));
}

const maskOf = (components: readonly XsaveComponent[]): number => components.reduce((mask, { bit }) => mask | bit, 0);

/** Bytes that the components of `mask` need in the standard form. */
export function standardSize(mask: number): number {
  let size = XSAVE_MINIMUM;
  for (const { bit, offset, length } of COMPONENTS) {
    if ((mask & bit) !== 0 && offset + length > size) size = offset + length;
  }
  return size;
}

/** Bytes that they need in the compacted form. */
export function compactedSize(mask: number): number {
  let size = XSAVE_MINIMUM;
  for (const { bit, length } of COMPONENTS) if ((mask & bit) !== 0) size += length;
  return size;
}
