/**
 * What software takes, in cycles. Chosen, not measured: of the order that papers of the last fifteen years have. Every
 * figure that depends on them can be had with others.
 */
export interface Costs {
  /** The guest kernel's handling of a page fault: the same under every scheme. */
  readonly guestFault: number;
  /** A VM exit and the entry after it, whatever the reason. */
  readonly exit: number;
  /** The hypervisor's work for a missing page of the host's (EPT violation and the like), beside the exit. */
  readonly violation: number;
  /** The hypervisor's work for a hidden fault: a software walk and a shadow entry. */
  readonly hiddenFault: number;
  /** The hypervisor's work for a store to a protected table: decoding and emulating it. */
  readonly tracingFault: number;
}

export const DEFAULT_COSTS: Costs = {
  guestFault: 1000,
  exit: 1500,
  violation: 2000,
  hiddenFault: 1500,
  tracingFault: 2500,
};
