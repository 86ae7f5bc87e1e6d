export { createAddressSpace, type IoSpace } from "./address-space.ts";
export {
  type AllocatedMemory,
  allocateHostMemory,
  HOST_MEMORY_MAX_BYTES,
  type HostMemoryOptions,
  WASM_PAGE_BYTES,
} from "./host-memory.ts";
export { createRam, type Ram, type RamOptions } from "./ram.ts";
