/** Events of the host under the names Linux has for them in /proc/vmstat, and sysfs for same-page merging. */
export interface HostCounters {
  /** Faults of processes that hold guest memory, and major ones: with a read of the backing store. */
  pgfault: number;
  pgmajfault: number;
  /** Pages read from and written to the backing store. */
  pswpin: number;
  pswpout: number;
  /** Pages looked at and taken by reclaim. */
  pgscan: number;
  pgsteal: number;
  /** Huge pages that came with a fault, by collapse, and that were split. */
  thp_fault_alloc: number;
  thp_collapse_alloc: number;
  thp_split_page: number;
  /** Pages given to balloons and taken back. */
  balloon_inflate: number;
  balloon_deflate: number;
  /** Passes of same-page merging over everything; copies made because a merged page was written to. */
  ksm_full_scans: number;
  cow_ksm: number;
}

/** All zero. */
export function hostCounters(): HostCounters {
  return {
    pgfault: 0,
    pgmajfault: 0,
    pswpin: 0,
    pswpout: 0,
    pgscan: 0,
    pgsteal: 0,
    thp_fault_alloc: 0,
    thp_collapse_alloc: 0,
    thp_split_page: 0,
    balloon_inflate: 0,
    balloon_deflate: 0,
    ksm_full_scans: 0,
    cow_ksm: 0,
  };
}
