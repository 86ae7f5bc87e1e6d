import type { Walk } from "../lab/translator.ts";
import type { Access } from "../mmu.ts";

const UNITS = { read: "dtlb_load_misses", write: "dtlb_store_misses", fetch: "itlb_misses" } as const;
const SIZES = {
  12: "walk_completed_4k",
  21: "walk_completed_2m_4m",
  22: "walk_completed_2m_4m",
  30: "walk_completed_1g",
};

type Unit = (typeof UNITS)[Access["kind"]];
type WalkEvent =
  | "miss_causes_a_walk"
  | "walk_completed"
  | "walk_completed_4k"
  | "walk_completed_2m_4m"
  | "walk_completed_1g";

/**
 * Events of page walks as `perf list` names them on Intel processors. `page_walker_loads`: entries read, of the tables
 * the walk is for and, with `ept_`, of the tables of the second dimension. Walks that an exit cut short count as caused,
 * not as completed.
 */
export type WalkCounters = Record<`${Unit}.${WalkEvent}`, number> &
  Record<`page_walker_loads.${"" | "ept_"}${"dtlb" | "itlb"}`, number>;

/** All zero. */
export function walkCounters(): WalkCounters {
  const events = ["miss_causes_a_walk", "walk_completed", ...new Set(Object.values(SIZES))] as const;
  const loads = ["dtlb", "itlb", "ept_dtlb", "ept_itlb"].map((name) => `page_walker_loads.${name}`);
  const names = Object.values(UNITS).flatMap((unit) => events.map((event) => `${unit}.${event}`));
  return Object.fromEntries([...names, ...loads].map((name) => [name, 0])) as WalkCounters;
}

/** Adds one walk to `counters`. */
export function countWalk(counters: WalkCounters, kind: Access["kind"], { references, outcome }: Walk): void {
  const unit = UNITS[kind];
  counters[`${unit}.miss_causes_a_walk`]++;
  const tlb = kind === "fetch" ? "itlb" : "dtlb";
  for (const { dimension } of references) counters[`page_walker_loads.${dimension === "host" ? "ept_" : ""}${tlb}`]++;
  if (outcome.receiver !== "none") return;
  counters[`${unit}.walk_completed`]++;
  const size = SIZES[outcome.pageShift as keyof typeof SIZES] as WalkEvent;
  counters[`${unit}.${size}`]++;
}
