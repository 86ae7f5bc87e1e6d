// The state components of the XSAVE feature set: where each lies in a save area, and how it is moved. SDM vol. 1,
// "XSAVE-Supported Features and State-Component Bitmaps" and "XSAVE Area". Offsets in the standard form are those of Intel's
// processors and QEMU's; guests learn them from CPUID leaf 0DH.
import type { FeatureName } from "../cpuid/features.ts";
import type { CpuModel } from "../cpuid/models.ts";
import type { Cpu } from "../state/cpu.ts";
import { AT, ELEMENT_SIZE } from "../state/layout.ts";
import { XSTATE } from "../state/xstate.ts";
import {
  clearXmm,
  initX87,
  isX87Initial,
  LEGACY_BYTES,
  readX87,
  readXmm,
  vectorCount,
  writeX87,
  writeXmm,
} from "./fpu-area.ts";
import { setPkru } from "./protection-keys.ts";

/** Bytes before the first component that is not in the legacy region: that region and the header. */
export const XSAVE_HEADER: number = LEGACY_BYTES;
/** Bytes of the legacy region and the header, which every area has. */
export const XSAVE_MINIMUM: number = XSAVE_HEADER + 64;

/** An area in memory on its way in or out. */
export interface XsaveArea {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** One state component. `at` is where it begins in the area; the legacy ones have fixed places and ignore it. */
export interface XsaveComponent {
  readonly bit: number;
  /** Number in CPUID leaf 0DH. */
  readonly index: number;
  readonly needs: FeatureName;
  /** Place in the standard form; 0 for the legacy components. */
  readonly offset: number;
  readonly length: number;
  write(cpu: Cpu, area: XsaveArea, at: number, wide: boolean): void;
  read(cpu: Cpu, area: XsaveArea, at: number, wide: boolean): void;
  initialize(cpu: Cpu): void;
  isInitial(cpu: Cpu): boolean;
}

const x87: XsaveComponent = {
  bit: XSTATE.X87,
  index: 0,
  needs: "xsave",
  offset: 0,
  length: 0,
  write: (cpu, area, _at, wide) => writeX87(cpu, area.view, wide),
  read: (cpu, area, _at, wide) => readX87(cpu, area.view, wide),
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
  write: (cpu, area) => writeXmm(cpu, area.bytes),
  read: (cpu, area) => readXmm(cpu, area.bytes),
  initialize: clearXmm,
  isInitial: (cpu) => isZero(cpu, 0),
};

/** Bits 255:128 of the YMM registers. */
const avx: XsaveComponent = {
  bit: XSTATE.AVX,
  index: 2,
  needs: "avx",
  offset: 576,
  length: 256,
  write: (cpu, { bytes }, at) => {
    for (let i = 0; i < vectorCount(cpu); i++) {
      const from = upperHalf(i);
      bytes.set(cpu.u8.subarray(from, from + 16), at + i * 16);
    }
  },
  read: (cpu, { bytes }, at) => {
    for (let i = 0; i < vectorCount(cpu); i++) cpu.u8.set(bytes.subarray(at + i * 16, at + i * 16 + 16), upperHalf(i));
  },
  initialize: (cpu) => {
    for (let i = 0; i < vectorCount(cpu); i++) cpu.u8.fill(0, upperHalf(i), upperHalf(i) + 16);
  },
  isInitial: (cpu) => isZero(cpu, 16),
};

const upperHalf = (register: number): number => AT.zmm + register * ELEMENT_SIZE.zmm + 16;

/** Whether 16 bytes of every vector register are zero, from byte `first` on. */
function isZero(cpu: Cpu, first: number): boolean {
  for (let i = 0; i < 16; i++) {
    const at = (AT.zmm + i * ELEMENT_SIZE.zmm + first) >> 2;
    const { u32 } = cpu;
    if (((u32[at] as number) | (u32[at + 1] as number) | (u32[at + 2] as number) | (u32[at + 3] as number)) !== 0)
      return false;
  }
  return true;
}

const pkru: XsaveComponent = {
  bit: XSTATE.PKRU,
  index: 9,
  needs: "pku",
  offset: 2688,
  length: 8,
  write: (cpu, { view }, at) => {
    view.setUint32(at, cpu.get32("pkru"), true);
    view.setUint32(at + 4, 0, true);
  },
  read: (cpu, { view }, at) => setPkru(cpu, view.getUint32(at, true)),
  initialize: (cpu) => setPkru(cpu, 0),
  isInitial: (cpu) => cpu.get32("pkru") === 0,
};

const COMPONENTS: readonly XsaveComponent[] = [x87, sse, avx, pkru];

/** The components that a processor model has, in order. */
export function componentsOf({ features }: CpuModel): readonly XsaveComponent[] {
  return COMPONENTS.filter(({ needs }) => features.has(needs));
}

/** XCR0 bits that may be set. */
export function supportedXcr0(model: CpuModel): number {
  return componentsOf(model).reduce((mask, { bit }) => mask | bit, 0);
}

/** Bytes that the components of `mask` need in the standard form. */
export function standardSize(model: CpuModel, mask: number): number {
  const ends = componentsOf(model).map(({ bit, offset, length }) => ((mask & bit) !== 0 ? offset + length : 0));
  return Math.max(XSAVE_MINIMUM, ...ends);
}

/** Bytes that they need in the compacted form. */
export function compactedSize(model: CpuModel, mask: number): number {
  return componentsOf(model).reduce((size, { bit, length }) => size + ((mask & bit) !== 0 ? length : 0), XSAVE_MINIMUM);
}
