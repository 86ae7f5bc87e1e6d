import type { AddressSpace, Area } from "./address-space.ts";
import { HUGE_BYTES, HUGE_FRAMES } from "./host-frames.ts";
import { FAULT_FRAMES, type HostState } from "./host-state.ts";

/**
 * One pass of khugepaged: gathers small pages in huge ones, where an area asks for them and a whole block of frames is
 * free. As with Linux's default limits one page in memory is enough, and the others are filled with zeros; a block with a
 * merged or a swapped page is left alone.
 * @param limit most huge pages to make. @returns how many were made.
 */
export function collapseHugePages(host: HostState, spaces: Iterable<AddressSpace>, limit: number): number {
  let made = 0;
  for (const space of spaces) {
    for (const start of space.areas.flatMap(blocksOf)) {
      if (made >= limit) return made;
      if (!isCollapsible(host, space, start)) continue;
      if (host.frames.free < HUGE_FRAMES + FAULT_FRAMES) return made;
      const pfn = host.frames.allocateHuge();
      if (pfn === undefined) return made;
      space.collapse(start, pfn);
      host.counters.thp_collapse_alloc++;
      made++;
    }
  }
  return made;
}

/** First addresses of the blocks of 2 MiB that lie in an area for huge pages. */
function blocksOf({ start, end, hugePages }: Area): readonly number[] {
  const blocks: number[] = [];
  if (!hugePages) return blocks;
  for (let block = Math.ceil(start / HUGE_BYTES) * HUGE_BYTES; block + HUGE_BYTES <= end; block += HUGE_BYTES) {
    blocks.push(block);
  }
  return blocks;
}

function isCollapsible({ rmap }: HostState, space: AddressSpace, start: number): boolean {
  const entries = space.tables.entries(start, start + HUGE_BYTES);
  const pages = space.residents(start, start + HUGE_BYTES);
  if (pages.length === 0 || pages.length !== entries.length) return false;
  return pages.every(({ hpa, level }) => level === 1 && rmap.get(hpa / 0x1000)?.kind === "private");
}
