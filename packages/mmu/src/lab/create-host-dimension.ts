import type { WalkStructures } from "../structures/walk-structures.ts";
import type { PteMemory } from "../walker.ts";
import { EptDimension } from "./ept-dimension.ts";
import type { HostDimension, HostPaging } from "./host-dimension.ts";
import { PagedDimension } from "./paged-dimension.ts";
import type { WalkLog } from "./walk-log.ts";

/**
 * @param memory host memory. @param log takes the references.
 * @throws RangeError (code `MMU_EPTP`, `MMU_REGISTERS` or `MMU_HOST`) for impossible registers.
 */
export function createHostDimension(
  paging: HostPaging,
  memory: PteMemory,
  log: WalkLog,
  structures: WalkStructures,
): HostDimension {
  return paging.kind === "ept"
    ? new EptDimension(paging, memory, log, structures)
    : new PagedDimension(paging, memory, log, structures);
}
