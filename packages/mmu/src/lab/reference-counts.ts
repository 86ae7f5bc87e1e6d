import { demonstrate, type PageSize } from "./demonstration.ts";

/** One cell of the table every paper on nested paging begins with. */
export interface ReferenceCount {
  readonly guest: PageSize;
  /** `native`: no second dimension. */
  readonly host: PageSize | "native";
  /** Page-table entries read by one translation without any cache; the access itself is not among them. */
  readonly refs: number;
}

/** Tables of what depth {@link countReferences} counts. */
export interface CountOptions {
  readonly guestLevels?: 4 | 5;
  readonly hostLevels?: 4 | 5;
}

const SIZES = ["4K", "2M", "1G"] as const;

/** All page sizes against all page sizes, and native: counted by walking tables made for it. */
export function referenceCounts(options: CountOptions = {}): readonly ReferenceCount[] {
  const hosts = ["native", ...SIZES] as const;
  return SIZES.flatMap((guest) => hosts.map((host) => ({ guest, host, refs: countReferences(guest, host, options) })));
}

/** One cell of {@link referenceCounts}; the host's tables are extended page tables. */
export function countReferences(guest: PageSize, host: PageSize | "native", options: CountOptions = {}): number {
  const { guestLevels = 4, hostLevels = 4 } = options;
  const depth = { guest, guestLevels, hostLevels };
  const { walk } =
    host === "native"
      ? demonstrate({ scheme: "native", host: "4K", ...depth })
      : demonstrate({ scheme: "ept", host, ...depth });
  return walk.references.length;
}
