import type { Walk, WalkReference } from "../lab/translator.ts";

/** References that find one thing: an entry of the guest's, or the page. */
export interface Stage {
  /** Guest level of the entry; 0: the page. */
  readonly guestLevel: number;
  readonly references: readonly WalkReference[];
}

/** A walk in the rows that it is drawn in: each ends with an entry of the guest's own tables, the last with the page. */
export function stagesOf({ references }: Walk): readonly Stage[] {
  const stages: Stage[] = [];
  let row: WalkReference[] = [];
  const end = (guestLevel: number): void => {
    if (row.length > 0) stages.push({ guestLevel, references: row });
    row = [];
  };
  for (const reference of references) {
    // The guest's own tables begin where shadow tables end.
    if (reference.dimension !== "shadow" && row.at(-1)?.dimension === "shadow") end(0);
    row.push(reference);
    if (reference.dimension === "guest") end(reference.level);
  }
  end(0);
  return stages;
}
