export * from "./access.ts";
export { type PagingControls, pagingControlsOf, pagingModeOf } from "./control.ts";
export { createMmu, type MmuOptions, type TlbMmu } from "./create-mmu.ts";
export { createWalker } from "./create-walker.ts";
export * from "./ept.ts";
export * from "./fault.ts";
export type { AsyncPageFault } from "./host/async-faults.ts";
export { type BackingStore, type ByteStorage, createMemoryStore, createStorageStore } from "./host/backing-store.ts";
export type { DirtyLogOptions, DirtyMethod } from "./host/dirty-log.ts";
export { createHost, type FrameUse, type Host, type HostOptions } from "./host/host.ts";
export type { HostCounters } from "./host/host-counters.ts";
export type { KvmCounters } from "./host/kvm-counters.ts";
export type { MemorySlot } from "./host/memory-slots.ts";
export type { MmuNotifier } from "./host/mmu-notifier.ts";
export type { FlushListener } from "./host/secondary-mmu.ts";
export type { AccessRefusal, DeviceAccess, VirtualMachine, VmOptions } from "./host/virtual-machine.ts";
export { countWalk, type WalkCounters, walkCounters } from "./host/walk-counters.ts";
export { type AgileOptions, type AgileTranslator, createAgileTranslator } from "./lab/agile.ts";
export {
  createTables,
  type MapOptions,
  type TableFormat,
  type Tables,
  type TablesOptions,
} from "./lab/build-tables.ts";
export {
  type Demonstration,
  type DemonstrationOptions,
  demonstrate,
  type PageSize,
} from "./lab/demonstration.ts";
export {
  EPT_VIOLATION_FETCH,
  EPT_VIOLATION_LINEAR,
  EPT_VIOLATION_READ,
  EPT_VIOLATION_RIGHTS_SHIFT,
  EPT_VIOLATION_TRANSLATED,
  EPT_VIOLATION_WRITE,
} from "./lab/ept-dimension.ts";
export { createHashedTranslator, type HashedOptions, type HashedPaging } from "./lab/hashed.ts";
export {
  createHashedTables,
  type HashedRoot,
  type HashedTables,
  type HashedTablesOptions,
  type HashedWay,
} from "./lab/hashed-tables.ts";
export type { HashedProbes } from "./lab/hashed-walker.ts";
export type { HostPaging } from "./lab/host-dimension.ts";
export { guestView, LabMemory, type TableMemory } from "./lab/lab-memory.ts";
export { createNativeTranslator, type NativeOptions } from "./lab/native.ts";
export { createNestedTranslator, type NestedOptions } from "./lab/nested.ts";
export { NPF_FINAL, NPF_TABLE } from "./lab/paged-dimension.ts";
export {
  type CountOptions,
  countReferences,
  type ReferenceCount,
  referenceCounts,
} from "./lab/reference-counts.ts";
export {
  createShadowTranslator,
  type ShadowCounters,
  type ShadowedMode,
  type ShadowOptions,
  type ShadowSync,
  type ShadowTranslator,
} from "./lab/shadow.ts";
export type { TableMode } from "./lab/table-mode.ts";
export type * from "./lab/translator.ts";
export type { HitPlace, WalkLog } from "./lab/walk-log.ts";
export type * from "./mmu.ts";
export * from "./pte.ts";
export { grantedKinds, type RightsControls } from "./rights.ts";
export { type Costs, DEFAULT_COSTS } from "./sim/costs.ts";
export type { SimulationReport } from "./sim/report.ts";
export { type SchemeOptions, SIMULATED_SCHEMES, type SimulatedScheme } from "./sim/scheme-machine.ts";
export {
  createSimulatedMmu,
  type MmuContext,
  type MmuCounters,
  type MmuWalk,
  type SimulatedMmu,
  type SimulatedMmuOptions,
} from "./sim/simulated-mmu.ts";
export { createSimulation, type Simulation, type SimulationOptions } from "./sim/simulation.ts";
export type { CacheGeometry, CacheHierarchyGeometry } from "./structures/cache-hierarchy.ts";
export type { ArrayGeometry } from "./structures/geometry.ts";
export type { PageArrayGeometry, TlbPageSize } from "./structures/page-array.ts";
export type { Replacement } from "./structures/replacement.ts";
export type { TlbGeometry } from "./structures/tlb-hierarchy.ts";
export type { WalkCacheGeometry } from "./structures/walk-cache.ts";
export { type WalkGeometry, WalkStructures } from "./structures/walk-structures.ts";
export {
  TRACE_EXIT,
  TRACE_FETCH,
  TRACE_FORK,
  TRACE_MODIFY,
  TRACE_READ,
  TRACE_SWITCH,
  TRACE_UNMAP,
  TRACE_WRITE,
  TraceBatch,
  type TraceSink,
} from "./trace/batch.ts";
export { createTraceDecoder, TRACE_FORMATS, type TraceDecoder, type TraceFormat } from "./trace/decoder.ts";
export { createTraceEncoder, type TraceEncoder, type TraceOutputFormat } from "./trace/encoder.ts";
export * from "./walker.ts";
export {
  createWorkload,
  WORKLOADS,
  type Workload,
  type WorkloadName,
  type WorkloadOptions,
} from "./workload/workload.ts";
