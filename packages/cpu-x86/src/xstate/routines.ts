// What helpers call of the subroutines for save areas. The interpreter has the same ones.
import { ModuleBuilder } from "@tsvm/wasm-emit";
import { defineSubroutines } from "../interpreter/define-subroutines.ts";
import type { Subroutine } from "../softfloat/subroutine.ts";
import {
  compactedBytes,
  initializeState,
  restoreCompacted,
  restoredBytes,
  restoreLegacy,
  restoreStandard,
  saveCompacted,
  savedKeys,
  saveLegacy,
  saveStandard,
  standardBytes,
  xstateInUse,
} from "./areas.ts";

/** Those that move between CPU state and an area that was reached, and what they call. */
export const AREA_SUBROUTINES: readonly Subroutine[] = [
  xstateInUse,
  standardBytes,
  compactedBytes,
  saveStandard,
  saveCompacted,
  restoredBytes,
  restoreStandard,
  restoreCompacted,
  saveLegacy,
  restoreLegacy,
  initializeState,
  savedKeys,
];

/** (host address of the area, components, FORM) */
type Move = (area: number, components: number, form: number) => number;

/** As the subroutines of these names say. */
export interface XstateRoutines {
  xstateInUse(components: number): number;
  standardBytes(components: number): number;
  compactedBytes(components: number): number;
  /** Signed. */
  savedKeys(area: number): number;
  readonly saveStandard: Move;
  readonly saveCompacted: Move;
  readonly restoreStandard: Move;
  readonly restoreCompacted: Move;
  readonly saveLegacy: Move;
  readonly restoreLegacy: Move;
  restoredBytes(area: number, enabled: number, components: number): number;
  readonly initializeState: Move;
}

let compiled: WebAssembly.Module | undefined;

/** The routines over a memory, for a processor without an interpreter. */
export function createXstateRoutines(memory: { readonly buffer: ArrayBufferLike }): XstateRoutines {
  compiled ??= new WebAssembly.Module(writeRoutines());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory: memory as WebAssembly.Memory } });
  return exports as unknown as XstateRoutines;
}

function writeRoutines(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ minPages: 1 });
  defineSubroutines(module, AREA_SUBROUTINES, new Map());
  return module.build();
}
