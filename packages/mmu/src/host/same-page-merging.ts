import type { AddressSpace } from "./address-space.ts";
import type { HostState } from "./host-state.ts";
import type { MappedPage } from "./reverse-map.ts";

/** A page that merging may look at. */
interface Candidate {
  readonly space: AddressSpace;
  readonly hva: number;
}

/**
 * Same-page merging, as Linux's KSM does it: pages of areas that ask for it are compared with the merged ones, then with
 * each other; equal ones share a frame that nobody may write to. A page that has changed since the last pass is not
 * entered for comparison, because it would only be copied again soon.
 *
 * Pages count by content: a checksum finds, all 1024 words decide. Huge pages are not looked into.
 */
export class SamePageMerging {
  readonly #host: HostState;
  /** Checksums of the last pass, by frame. */
  #seen = new Map<number, number>();

  constructor(host: HostState) {
    this.#host = host;
  }

  /** Frames that are shared, and the mappings beyond the first that share them: pages saved. */
  get shared(): { readonly pages_shared: number; readonly pages_sharing: number } {
    let pages = 0;
    let sharing = 0;
    for (const { kind, mappings } of this.#host.rmap.pages()) {
      if (kind !== "merged") continue;
      pages++;
      sharing += mappings.size - 1;
    }
    return { pages_shared: pages, pages_sharing: sharing };
  }

  /** One pass over everything. @returns how many frames it freed. */
  scan(): number {
    const { memory, rmap, counters } = this.#host;
    const stable = new Map<number, number[]>();
    const unstable = new Map<number, Candidate & { readonly pfn: number }>();
    const seen = new Map<number, number>();
    const free = this.#host.frames.free;
    const pages = [...rmap.pages()];
    for (const { pfn, kind } of pages) if (kind === "merged") this.#enter(stable, checksum(memory.frame(pfn)), pfn);
    for (const page of pages) {
      const candidate = candidateOf(page);
      if (candidate === undefined) continue;
      const sum = checksum(memory.frame(page.pfn));
      seen.set(page.pfn, sum);
      const merged = stable.get(sum)?.find((pfn) => this.#isSame(pfn, page.pfn));
      if (merged !== undefined) candidate.space.merge(candidate.hva, merged);
      else if (this.#seen.get(page.pfn) === sum) this.#compare(stable, unstable, sum, { ...candidate, pfn: page.pfn });
    }
    this.#seen = seen;
    counters.ksm_full_scans++;
    return this.#host.frames.free - free;
  }

  #compare(
    stable: Map<number, number[]>,
    unstable: Map<number, Candidate & { readonly pfn: number }>,
    sum: number,
    candidate: Candidate & { readonly pfn: number },
  ): void {
    const other = unstable.get(sum);
    if (other === undefined) {
      unstable.set(sum, candidate);
      return;
    }
    if (!this.#isSame(other.pfn, candidate.pfn)) return;
    unstable.delete(sum);
    this.#host.rmap.become(other.pfn, "merged");
    other.space.merge(other.hva, other.pfn);
    candidate.space.merge(candidate.hva, other.pfn);
    this.#enter(stable, sum, other.pfn);
  }

  #enter(stable: Map<number, number[]>, sum: number, pfn: number): void {
    const frames = stable.get(sum);
    if (frames === undefined) stable.set(sum, [pfn]);
    else frames.push(pfn);
  }

  #isSame(one: number, other: number): boolean {
    const { memory } = this.#host;
    const [a, b] = [memory.frame(one), memory.frame(other)];
    if (a === undefined || b === undefined) return !(a ?? b)?.some((word) => word !== 0);
    return a.every((word, i) => word === b[i]);
  }
}

/** The only mapping of a frame that may be merged. */
function candidateOf({ kind, mappings }: MappedPage<AddressSpace>): Candidate | undefined {
  const mapping = kind === "private" ? mappings.values().next().value : undefined;
  if (mapping === undefined) return undefined;
  const { space, hva } = mapping;
  const area = space.areas.find(({ start, end }) => hva >= start && hva < end);
  return area?.mergeable === true ? { space, hva } : undefined;
}

/** FNV-1a by words; only finds, so 32 bits are enough. */
function checksum(words: Int32Array | undefined): number {
  let sum = 0x811c_9dc5;
  if (words === undefined) {
    for (let i = 0; i < 1024; i++) sum = Math.imul(sum, 0x0100_0193);
    return sum;
  }
  for (const word of words) sum = Math.imul(sum ^ word, 0x0100_0193);
  return sum;
}
