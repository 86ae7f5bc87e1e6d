// The state components of the XSAVE feature set: where each lies in a save area, and how it is moved. SDM vol. 1,
// "XSAVE-Supported Features and State-Component Bitmaps" and "XSAVE Area". Offsets in the standard form are those of Intel's
// processors and QEMU's; guests learn them from CPUID leaf 0DH.
import type { IrBuilder, Val } from "@tsvm/tcg";
import type { FeatureName } from "../cpuid/features.ts";
import type { CpuModel } from "../cpuid/models.ts";
import { AT } from "../state/layout.ts";
import { XSTATE } from "../state/xstate.ts";
import {
  arePiecesZero,
  clearPieces,
  lengthOfPieces,
  loadPieces,
  OPMASKS,
  type RegisterPieces,
  savePieces,
  XMM,
  YMM_UPPER,
  ZMM_HIGH,
  ZMM_UPPER,
} from "./register-pieces.ts";
import { Words } from "./words.ts";
import { initializeX87, isX87Initial, LEGACY_BYTES, loadX87, saveX87, XMM_REGISTERS } from "./x87-image.ts";

/** Bytes before the first component that is not in the legacy region: that region and the header. */
export const XSAVE_HEADER: number = LEGACY_BYTES;
/** Bytes of the legacy region and the header, which every area has. */
export const XSAVE_MINIMUM: number = XSAVE_HEADER + 64;

/** What the instruction says, i32: x87 pointers are 64 bits; this is 64-bit mode. */
export interface MoveForm {
  readonly wide: Val;
  readonly all: Val;
}

/** Moves in generated code. `at` is where the component begins, from `area`; those of the legacy region lie where they lie. */
export interface ComponentMoves {
  save(b: IrBuilder, area: Val, at: number, form: MoveForm): void;
  /** Undefined: there is more to it than to move it, and a helper does it. */
  readonly load?: (b: IrBuilder, area: Val, at: number, form: MoveForm) => void;
  readonly initialize?: (b: IrBuilder, form: MoveForm) => void;
  /** i32 */
  isInitial(b: IrBuilder): Val;
}

/** One state component. */
export interface XsaveComponent {
  readonly bit: number;
  /** Number in CPUID leaf 0DH. */
  readonly index: number;
  readonly needs: FeatureName;
  /** Place in the standard form; 0 for the legacy components and the supervisor's. */
  readonly offset: number;
  /** 0: in the legacy region. */
  readonly length: number;
  /** A bit of IA32_XSS: XSAVES and XRSTORS alone move it. */
  readonly supervisor: boolean;
  /** Undefined: helpers move it. */
  readonly moves: ComponentMoves | undefined;
}

const x87: ComponentMoves = {
  save: (b, area, _at, { wide }) => saveX87(b, area, wide),
  load: (b, area, _at, { wide }) => loadX87(b, area, wide),
  initialize: initializeX87,
  isInitial: isX87Initial,
};

/** XMM registers. MXCSR is the business of the instructions, which differ in it. */
const sse: ComponentMoves = {
  ...movesOf(XMM),
  save: (b, area, _at, { all }) => savePieces(b, area, XMM_REGISTERS, XMM, all),
  load: (b, area, _at, { all }) => loadPieces(b, area, XMM_REGISTERS, XMM, all),
};

function movesOf(pieces: RegisterPieces): ComponentMoves {
  return {
    save: (b, area, at, { all }) => savePieces(b, area, at, pieces, all),
    load: (b, area, at, { all }) => loadPieces(b, area, at, pieces, all),
    initialize: (b, { all }) => clearPieces(b, pieces, all),
    isInitial: (b) => arePiecesZero(b, pieces),
  };
}

/** Loading it changes translations. */
const pkru: ComponentMoves = {
  save: (b, area, at) => b.store("i64.store", area, at, b.load("i64.load32_u", undefined, AT.pkru)),
  isInitial: (b) => new Words(b).isZero(new Words(b).load(AT.pkru)),
};

const user = (
  bit: number,
  index: number,
  needs: FeatureName,
  offset: number,
  length: number,
  moves: ComponentMoves,
): XsaveComponent => ({ bit, index, needs, offset, length, supervisor: false, moves });

const vectors = (bit: number, index: number, needs: FeatureName, offset: number, pieces: RegisterPieces) =>
  user(bit, index, needs, offset, lengthOfPieces(pieces), movesOf(pieces));

const supervisor = (bit: number, index: number, length: number): XsaveComponent => ({
  bit,
  index,
  // A processor without shadow stacks shows neither component.
  needs: "shstk",
  offset: 0,
  length,
  supervisor: true,
  moves: undefined,
});

/** All components, in order. XCR0 and IA32_XSS have only bits of those that the processor model has. */
export const COMPONENTS: readonly XsaveComponent[] = [
  user(XSTATE.X87, 0, "xsave", 0, 0, x87),
  user(XSTATE.SSE, 1, "xsave", 0, 0, sse),
  vectors(XSTATE.AVX, 2, "avx", 576, YMM_UPPER),
  vectors(XSTATE.OPMASK, 5, "avx512f", 1088, OPMASKS),
  vectors(XSTATE.ZMM_HI256, 6, "avx512f", 1152, ZMM_UPPER),
  vectors(XSTATE.HI16_ZMM, 7, "avx512f", 1664, ZMM_HIGH),
  user(XSTATE.PKRU, 9, "pku", 2688, 8, pkru),
  supervisor(XSTATE.CET_U, 11, 2 * 8),
  supervisor(XSTATE.CET_S, 12, 3 * 8),
];

/** Components that helpers move. */
export const CET_STATE: number = XSTATE.CET_U | XSTATE.CET_S;

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
