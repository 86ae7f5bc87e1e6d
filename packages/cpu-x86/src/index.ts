export { INTERPRETER_KEY, INTERPRETER_WASM } from "../generated/interpreter-wasm.ts";
export { CpuModelError } from "./cpuid/model-error.ts";
export { CPU_FEATURE_NAMES, CPU_MODEL_HELP, type CpuModel, parseCpuModel } from "./cpuid/models.ts";
export { MAX_RECORDS, RECORD, RECORD_BYTES } from "./decode/decoded-insn.ts";
export { Decoder, FLOW } from "./decode/decoder.ts";
export { mnemonicAt } from "./decode/mnemonic.ts";
export { raiseAtBreakpoint } from "./exceptions/breakpoints.ts";
export { DR6, raiseDebug } from "./exceptions/debug.ts";
export { takePendingException } from "./exceptions/deliver.ts";
export type { EventKind } from "./exceptions/event.ts";
export { VECTOR } from "./exceptions/vectors.ts";
export { allRows } from "./instructions/all-rows.ts";
export { evexRows } from "./instructions/evex.ts";
export type { Row } from "./instructions/row.ts";
export { generationKey } from "./interpreter/generation-key.ts";
export { jumpCacheIndex } from "./interpreter/jump-cache.ts";
export { deliverInterrupt, deliverNmi, interruptDeliverable, nmiDeliverable } from "./interrupts/interrupts.ts";
export type { CpuHost, PhysicalMemory } from "./memory/physical-memory.ts";
export { printBlock } from "./region/print-region.ts";
export { type SideCause, sideExitCounts } from "./region/side-causes.ts";
export {
  type RegionBlock,
  type Translation,
  type TranslationSource,
  type TranslationStage,
  translateRegion,
} from "./region/translate.ts";
export { CR4, FLAG } from "./state/bits.ts";
export { Cpu, HELPER, type HelperResult } from "./state/cpu.ts";
export { describe } from "./state/describe.ts";
export { AT, EXIT, GPR, SEGMENT, STATE_BASE } from "./state/layout.ts";
export {
  JUMP_CACHE,
  JUMP_LOG,
  JUMP_LOG_BYTES,
  JUMP_LOG_ENTRY_BYTES,
  RECORDS_BASE,
  RESERVED_BYTES,
  SCRATCH_RECORDS,
  TLB_LOOKS,
  TLB_READ,
  UNDO_LOG,
} from "./state/memory-map.ts";
export { decodingMode, MODE, MODE_LIMIT } from "./state/mode.ts";
export { resetState } from "./state/reset.ts";
export { CpuStateError, restoreRegisters, saveRegisters } from "./state/save.ts";
export { HELPERS, type HelperName } from "./system/helpers.ts";
export { TSC_HZ, timeStampLead } from "./system/time-stamp.ts";
export type { XstateRoutines } from "./xstate/routines.ts";
