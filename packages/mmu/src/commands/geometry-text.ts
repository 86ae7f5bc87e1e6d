import type { CacheHierarchyGeometry } from "../structures/cache-hierarchy.ts";
import type { ArrayGeometry } from "../structures/geometry.ts";
import { geometryError } from "../structures/geometry.ts";
import type { PageArrayGeometry, TlbPageSize } from "../structures/page-array.ts";
import type { Replacement } from "../structures/replacement.ts";
import type { TlbGeometry } from "../structures/tlb-hierarchy.ts";
import type { WalkCacheGeometry } from "../structures/walk-cache.ts";

/** Sizes of everything as options have them; `none` leaves a structure out. */
export const DEFAULT_TLB = "4K=64/4,2M=32/4:4K+2M=1536/12";
export const DEFAULT_WALK_CACHE = "2=32/4,3=4,4=2";
export const DEFAULT_NESTED_TLB = "4K+2M=64/4";
export const DEFAULT_CACHES = "32K/8@4,256K/8@12,8M/16@40,200";

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** TLBs as `4K=64/4,2M=32/4:4K+2M=1536/12/plru`: arrays of pages=entries/ways/replacement, the second level behind a colon. */
export function parseTlb(text: string): TlbGeometry | undefined {
  if (text === "none") return undefined;
  const [first = "", second, ...more] = text.split(":");
  if (more.length > 0) throw badGeometry("--tlb", text, `${DEFAULT_TLB}, with two levels at most`);
  const arrays = (level: string): PageArrayGeometry[] =>
    level.split(",").map((array) => parsePageArray("--tlb", array));
  return second === undefined ? { l1: arrays(first) } : { l1: arrays(first), l2: arrays(second) };
}

/** One array of pages, as `4K+2M=64/4`. */
export function parsePageArray(option: string, text: string): PageArrayGeometry {
  const [pages = "", sizes] = text.split("=");
  if (sizes === undefined) throw badGeometry(option, text, "4K+2M=64/4: pages=entries/ways");
  return { pages: pages.split("+") as TlbPageSize[], ...parseArray(option, sizes) };
}

/** Walk caches as `2=32/4,3=4,4=2`: level=entries/ways. */
export function parseWalkCache(option: string, text: string): WalkCacheGeometry {
  const levels = text.split(",").map((part) => {
    const match = /^([2-5])=(.+)$/.exec(part);
    if (match === null) throw badGeometry(option, part, "2=32/4: level (2 to 5)=entries/ways");
    return [`level${match[1]}`, parseArray(option, match[2] as string)] as const;
  });
  return Object.fromEntries(levels);
}

/** Data caches as `32K/8@4,256K/8@12,8M/16@40,200`: bytes/ways@cycles of up to three, then cycles of memory. */
export function parseCaches(text: string): CacheHierarchyGeometry {
  const expected = "32K/8@4,8M/16@40,200: bytes/ways@cycles, the last being memory's cycles";
  const parts = text.split(",");
  const memoryCycles = Number(parts.pop());
  if (parts.length > 3 || !Number.isFinite(memoryCycles)) throw badGeometry("--caches", text, expected);
  const names = [[], ["l1"], ["l1", "llc"], ["l1", "l2", "llc"]][parts.length] as string[];
  const levels = parts.map((part, i) => {
    const match = /^(\d+[KM]?)\/(\d+)(?:\/([a-z]+))?@(\d+)$/.exec(part);
    if (match === null) throw badGeometry("--caches", part, expected);
    const [, bytes, ways, replacement, cycles] = match;
    const policy = replacement === undefined ? {} : { replacement: replacement as Replacement };
    return [names[i], { bytes: parseSize(bytes as string), ways: Number(ways), cycles: Number(cycles), ...policy }];
  });
  return { ...Object.fromEntries(levels), memoryCycles };
}

/** A number with K, M, G or T for powers of 1024; NaN if it is none. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)$/i.exec(text);
  return match === null ? Number.NaN : Number(match[1]) * (UNITS[(match[2] as string).toUpperCase()] as number);
}

function parseArray(option: string, text: string): ArrayGeometry {
  const match = /^(\d+)(?:\/(\d+))?(?:\/([a-z]+))?$/.exec(text);
  if (match === null) throw badGeometry(option, text, "64/4 or 64/4/plru: entries/ways/replacement");
  const [, entries, ways, replacement] = match;
  return {
    entries: Number(entries),
    ...(ways !== undefined && { ways: Number(ways) }),
    ...(replacement !== undefined && { replacement: replacement as Replacement }),
  };
}

function badGeometry(option: string, found: string, expected: string): RangeError {
  return geometryError(`${option} cannot read "${found}"; it takes ${expected}`);
}
