/** Events of one guest under the names KVM's debugfs has for them, as far as memory is concerned. */
export interface KvmCounters {
  /** Returns from the guest to the hypervisor. */
  exits: number;
  /** Exits for addresses that no slot backs. */
  mmio_exits: number;
  /** Exits that the hypervisor resolved by entering a translation; hidden faults of shadow tables. */
  pf_fixed: number;
  /** Faults that were the guest's own and passed through the hypervisor. */
  pf_guest: number;
  /** Times all of the guest's cached translations, or a range of them, had to be dropped. */
  remote_tlb_flush: number;
  /** Large-page entries there are at the moment. */
  largepages: number;
  /** Tables made for entries of the hypervisor's. */
  mmu_cache_miss: number;
  /** Stores to protected guest tables (tracing faults), and tables let go out of sync instead. */
  mmu_pte_write: number;
  mmu_unsync: number;
  /** Entries dropped. */
  mmu_shadow_zapped: number;
  invlpg: number;
}

/** All zero. */
export function kvmCounters(): KvmCounters {
  return {
    exits: 0,
    mmio_exits: 0,
    pf_fixed: 0,
    pf_guest: 0,
    remote_tlb_flush: 0,
    largepages: 0,
    mmu_cache_miss: 0,
    mmu_pte_write: 0,
    mmu_unsync: 0,
    mmu_shadow_zapped: 0,
    invlpg: 0,
  };
}
