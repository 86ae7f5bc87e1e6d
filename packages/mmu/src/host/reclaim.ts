import type { AddressSpace } from "./address-space.ts";
import { HUGE_FRAMES } from "./host-frames.ts";
import type { HostState } from "./host-state.ts";
import type { MappedPage } from "./reverse-map.ts";

/**
 * Swaps pages out, coldest first: second chance over the list of mapped frames. A page that any of its mappings, or any
 * translation derived from them, was used through since the last look stays; a huge page is split and its parts looked at
 * again. Page tables stay in memory.
 * @returns how many frames were freed; fewer than `wanted` when the store is full or nothing is left.
 */
export function reclaim(host: HostState, wanted: number): number {
  const { rmap, swap, counters } = host;
  let freed = 0;
  let looks = 2 * rmap.size;
  while (freed < wanted && looks-- > 0 && swap.free > 0) {
    const page = rmap.pages().next().value;
    if (page === undefined) break;
    counters.pgscan++;
    if (takeYoung(page)) {
      rmap.rotate(page.pfn);
    } else if (page.kind === "huge") {
      for (const { space, hva } of page.mappings.values()) space.split(hva);
      looks += 2 * HUGE_FRAMES;
    } else {
      swapOut(host, page);
      freed++;
    }
  }
  return freed;
}

/** Whether a page was used since the last time; asks everyone, because asking makes them forget. */
function takeYoung({ mappings }: MappedPage<AddressSpace>): boolean {
  let isYoung = false;
  for (const { space, hva } of mappings.values()) if (space.clearYoung(hva)) isYoung = true;
  return isYoung;
}

function swapOut({ memory, swap, counters }: HostState, page: MappedPage<AddressSpace>): void {
  // Written first: a store that throws has changed nothing.
  const slot = swap.write(memory.frame(page.pfn), page.mappings.size);
  for (const { space, hva } of [...page.mappings.values()]) space.swapOut(hva, slot);
  counters.pswpout++;
  counters.pgsteal++;
}
