import { CacheHierarchy, type CacheHierarchyGeometry } from "./cache-hierarchy.ts";
import { PageArray, type PageArrayGeometry } from "./page-array.ts";
import { WalkCache, type WalkCacheGeometry } from "./walk-cache.ts";

/** What shortens a walk, beside the TLB; whatever is left out is not there. */
export interface WalkGeometry {
  /** Paging-structure caches of the guest's dimension, or the only one. */
  readonly walkCache?: WalkCacheGeometry;
  /** Paging-structure caches of the host's dimension. */
  readonly hostWalkCache?: WalkCacheGeometry;
  /** Nested TLB: whole translations of the host's dimension. */
  readonly nestedTlb?: PageArrayGeometry;
  /** Data caches in front of the tables; without them a reference takes `memoryCycles`. */
  readonly caches?: CacheHierarchyGeometry;
  /** Cycles of a reference without `caches`; default 0. */
  readonly memoryCycles?: number;
}

/** The structures of one processor, which all walks on it share, and whose entries they are at the moment. */
export class WalkStructures {
  readonly walkCache: WalkCache | undefined;
  readonly hostWalkCache: WalkCache | undefined;
  readonly nestedTlb: PageArray | undefined;
  readonly caches: CacheHierarchy | undefined;
  readonly memoryCycles: number;
  /** Tag of linear and combined mappings: PCID, VPID and host. */
  linearTag = 0;
  /** Tag of guest-physical mappings: host only. */
  physicalTag = 0;

  /** @throws RangeError (code `MMU_GEOMETRY`) */
  constructor({ walkCache, hostWalkCache, nestedTlb, caches, memoryCycles = 0 }: WalkGeometry = {}) {
    this.walkCache = walkCache && new WalkCache("walk cache", walkCache);
    this.hostWalkCache = hostWalkCache && new WalkCache("host walk cache", hostWalkCache);
    this.nestedTlb = nestedTlb && new PageArray("nested TLB", nestedTlb);
    this.caches = caches && new CacheHierarchy(caches);
    this.memoryCycles = memoryCycles;
  }
}
