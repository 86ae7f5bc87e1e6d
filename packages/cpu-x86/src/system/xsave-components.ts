// The state components of the XSAVE feature set: where each lies in a save area, and how it is moved. SDM vol. 1,
// "XSAVE-Supported Features and State-Component Bitmaps" and "XSAVE Area". Offsets in the standard form are those of Intel's
// processors and QEMU's; guests learn them from CPUID leaf 0DH.

import type { FeatureName } from "../cpuid/features.ts";
import type { CpuModel } from "../cpuid/models.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";
import { XSTATE } from "../state/xstate.ts";
import {
  clearVectorPart,
  initX87,
  isVectorPartZero,
  isX87Initial,
  LEGACY_BYTES,
  readVectors,
  readX87,
  readXmm,
  VECTOR_PART,
  writeVectors,
  writeX87,
  writeXmm,
} from "./fpu-area.ts";
import { setPkru } from "./protection-keys.ts";
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
  /** Place in the standard form; 0 for the legacy components. */
  readonly offset: number;
  readonly length: number;
  write(cpu: Cpu, area: SaveArea, at: number, wide: boolean): void;
  read(cpu: Cpu, area: SaveArea, at: number, wide: boolean): void;
  initialize(cpu: Cpu): void;
  isInitial(cpu: Cpu): boolean;
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
};

/** XMM registers. MXCSR is the business of the instructions, which differ in it. */
const sse: XsaveComponent = {
  bit: XSTATE.SSE,
  index: 1,
  needs: "xsave",
  offset: 0,
  length: 0,
  write: writeXmm,
  read: readXmm,
  initialize: (cpu) => clearVectorPart(cpu, VECTOR_PART.lower),
  isInitial: (cpu) => isVectorPartZero(cpu, VECTOR_PART.lower),
};

/** Bits 255:128 of the YMM registers. */
const avx: XsaveComponent = {
  bit: XSTATE.AVX,
  index: 2,
  needs: "avx",
  offset: 576,
  length: 256,
  write: (cpu, area, at) => writeVectors(cpu, area, at, VECTOR_PART.upper),
  read: (cpu, area, at) => readVectors(cpu, area, at, VECTOR_PART.upper),
  initialize: (cpu) => clearVectorPart(cpu, VECTOR_PART.upper),
  isInitial: (cpu) => isVectorPartZero(cpu, VECTOR_PART.upper),
};

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
};

/** All components, in order. XCR0 has only bits of those that the processor model has. */
export const COMPONENTS: readonly XsaveComponent[] = [x87, sse, avx, pkru];

/** The components that a processor model has, in order. */
export function componentsOf({ features }: CpuModel): readonly XsaveComponent[] {
  return COMPONENTS.filter(({ needs }) => features.has(needs));
}

/** XCR0 bits that may be set. */
export function supportedXcr0(model: CpuModel): number {
  return componentsOf(model).reduce((mask, { bit }) => mask | bit, 0);
}

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
