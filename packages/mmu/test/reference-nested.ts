/**
 * Walks of one and two dimensions again, in bigint, as plain recursion over 512-entry tables, with no shared code with
 * the package: only presence, large pages and the list of entries read. Rights are tested elsewhere.
 */

export type ReadEntry = (physical: bigint) => bigint;

export interface ReferenceTables {
  readonly root: bigint;
  readonly levels: number;
  /** EPT entries are present if any of bits 2:0 is set, others if bit 0 is. */
  readonly isEpt: boolean;
}

export type ReferenceEnd =
  | { readonly kind: "page"; readonly address: bigint; readonly shift: number }
  | { readonly kind: "missing"; readonly dimension: "guest" | "host"; readonly gpa?: bigint };

/** One dimension; `locate` gives the host address of an entry, or undefined to end the walk there. */
function walkTables(
  tables: ReferenceTables,
  address: bigint,
  read: ReadEntry,
  locate: (entry: bigint) => bigint | undefined,
): { address: bigint; shift: number } | "missing" | "stopped" {
  let table = tables.root;
  for (let level = tables.levels; ; level--) {
    const shift = 12 + 9 * (level - 1);
    const at = locate(table + ((address >> BigInt(shift)) & 0x1ffn) * 8n);
    if (at === undefined) return "stopped";
    const entry = read(at);
    if ((entry & (tables.isEpt ? 7n : 1n)) === 0n) return "missing";
    const target = entry & 0x000f_ffff_ffff_f000n;
    if (level === 1 || (level < 4 && (entry & 0x80n) !== 0n)) {
      return { address: target + (address & ((1n << BigInt(shift)) - 1n)), shift };
    }
    table = target;
  }
}

/** Host addresses of all entries read, in order, and how the walk ends. Without `host`: one dimension. */
export function referenceNestedWalk(
  read: ReadEntry,
  guest: ReferenceTables,
  host: ReferenceTables | undefined,
  gva: bigint,
): { readonly reads: readonly bigint[]; readonly end: ReferenceEnd } {
  const reads: bigint[] = [];
  let missingGpa = 0n;
  let hostShift = 64;
  const note = (at: bigint): bigint => {
    reads.push(at);
    return at;
  };
  const toHost = (gpa: bigint): bigint | undefined => {
    if (host === undefined) return gpa;
    const found = walkTables(host, gpa, read, note);
    missingGpa = gpa;
    if (typeof found === "string") return undefined;
    hostShift = found.shift;
    return found.address;
  };
  const found = walkTables(guest, gva, read, (gpa) => {
    const at = toHost(gpa);
    return at === undefined ? undefined : note(at);
  });
  const missingHost = (): ReferenceEnd => ({ kind: "missing", dimension: "host", gpa: missingGpa });
  if (found === "missing") return { reads, end: { kind: "missing", dimension: "guest" } };
  if (found === "stopped") return { reads, end: missingHost() };
  const address = toHost(found.address);
  if (address === undefined) return { reads, end: missingHost() };
  return { reads, end: { kind: "page", address, shift: Math.min(found.shift, hostShift) } };
}
