import type { Demonstration } from "../lab/demonstration.ts";
import type { WalkReference } from "../lab/translator.ts";
import { type Stage, stagesOf } from "./walk-stages.ts";

const NAMES = ["PTE", "PDE", "PDPTE", "PML4E", "PML5E"] as const;

/** Name of an entry of `level` in a guest's or any ordinary table. */
export function entryName(level: number): string {
  return NAMES[level - 1] ?? `entry of level ${level}`;
}

/** Whose tables the host's are under a scheme. */
export function hostName({ options: { scheme } }: Demonstration): string {
  return scheme === "naive" ? "process's" : scheme === "npt" ? "NPT" : "EPT";
}

/** The headline of a demonstration. */
export function headline({ options }: Demonstration): string {
  const { scheme, guest, host, guestLevels, hostLevels } = options;
  const guestPart = `guest pages of ${guest} in ${guestLevels} levels`;
  if (scheme === "native") return `${guestPart}, natively`;
  const under = { naive: "walked by software through its process's tables", ept: "under EPT", npt: "under NPT" };
  const how = scheme === "shadow" || scheme === "agile" ? `under ${scheme} paging` : under[scheme];
  return `${guestPart}, ${how}, host pages of ${host} in ${hostLevels} levels`;
}

/** One translation, step by step. */
export function explainWalk(demonstration: Demonstration): string {
  const { gva, cr3, walk, hiddenFaults, options } = demonstration;
  const lines = [`gva ${hex(gva)}, ${headline(demonstration)}, nothing cached`, `    ${indexes(gva, options)}`];
  if (hiddenFaults > 0) {
    lines.push(
      `    the access before had the hypervisor fill in the shadow tables: ${hiddenFaults === 1 ? "one hidden fault" : `${hiddenFaults} hidden faults`}`,
    );
  }
  if (options.scheme !== "native")
    lines.push(`    CR3 is ${hex(cr3)}, an address of the guest's, as all that its tables say`);
  let number = 0;
  for (const stage of stagesOf(walk)) {
    lines.push("", question(stage, demonstration));
    for (const reference of stage.references) {
      number++;
      lines.push(`${`${number}`.padStart(3)}  ${describe(reference)}  ${meaning(demonstration, reference)}`);
    }
  }
  const { outcome } = walk;
  const end = outcome.receiver === "none" ? `the page: hpa ${hex(outcome.hpa)}` : "no page";
  lines.push("", `${walk.references.length} references, then ${end}`, "");
  return lines.join("\n");
}

/** What the address is cut into. */
function indexes(gva: bigint, { guest, guestLevels }: Demonstration["options"]): string {
  const leaf = { "4K": 1, "2M": 2, "1G": 3 }[guest];
  const parts: string[] = [];
  for (let level: number = guestLevels; level >= leaf; level--) {
    parts.push(`${entryName(level)} ${(gva >> BigInt(3 + 9 * level)) & 0x1ffn}`);
  }
  return `cut into ${parts.join(", ")}, and byte ${hex(gva & ((1n << BigInt(3 + 9 * leaf)) - 1n))} of the page`;
}

function question({ guestLevel, references }: Stage, demonstration: Demonstration): string {
  const [first] = references;
  if (first?.dimension === "native") return "the tables are where CR3 and the entries say:";
  if (first?.dimension === "shadow") return "the hypervisor's shadow tables lead from guest virtual to host physical:";
  const own = references.at(-1);
  if (own?.dimension === "guest" && references.length === 1) {
    return `the guest's ${entryName(own.level)}: its table is known by its host address:`;
  }
  if (own?.dimension === "guest") {
    return `the guest's ${entryName(own.level)} is at gpa ${hex(own.address)}; the ${hostName(demonstration)} ${demonstration.options.scheme === "naive" ? "tables say" : "says"} where that is:`;
  }
  const { outcome } = demonstration.walk;
  const gpa = outcome.receiver === "none" && outcome.gpa !== undefined ? ` gpa ${hex(outcome.gpa)}` : "";
  return guestLevel === 0 ? `the byte is at${gpa}; where is that?` : `guest level ${guestLevel}`;
}

function describe({ dimension, level, addressKind, address, hpa }: WalkReference): string {
  const at = `${addressKind} ${hex(address)}${addressKind === "gpa" ? `, found at hpa ${hex(hpa)}` : ""}`;
  return `${dimension.padEnd(6)} level ${level}  ${at.padEnd(36)}`;
}

/** What the entry says: where to, and whether that is a page. */
function meaning({ memory, options }: Demonstration, { dimension, level, hpa }: WalkReference): string {
  const low = memory.load32(hpa);
  const target = (memory.load32(hpa + 4) & 0xf_ffff) * 2 ** 32 + ((low & ~0xfff) >>> 0);
  const isPage = level === 1 || (low & 0x80) !== 0;
  const space = dimension === "guest" && options.scheme !== "native" ? "gpa" : "hpa";
  return `-> ${isPage ? "page" : "table"} at ${space} ${hex(target)}`;
}

function hex(address: number | bigint): string {
  return `0x${address.toString(16)}`;
}
