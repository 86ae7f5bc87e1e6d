import { type DemonstrationOptions, demonstrate, type PageSize } from "../lab/demonstration.ts";

import { type Command, fail, succeed } from "./command.ts";
import { LEVEL_OPTIONS, levelsOf } from "./table-command.ts";
import { drawWalk } from "./walk-svg.ts";
import { explainWalk } from "./walk-text.ts";

const SCHEMES: readonly DemonstrationOptions["scheme"][] = ["native", "naive", "ept", "npt", "shadow", "agile"];

/** `tsvm-mmu walk`. */
export const walkCommand: Command = {
  usage:
    "[--scheme NAME] [--guest SIZE] [--host SIZE] [--guest-levels 4|5] [--host-levels 4|5] [--nested-levels N] [--svg]",
  summary: `one translation step by step, as text or as a picture; NAME is ${SCHEMES.join(", ")}, SIZE is 4K, 2M or 1G`,
  options: {
    "--scheme": SCHEMES,
    "--guest": ["4K", "2M", "1G"],
    "--host": ["4K", "2M", "1G", "native"],
    ...LEVEL_OPTIONS,
    "--nested-levels": ["0", "1", "2", "3", "4", "5", "6"],
    "--svg": "flag",
  },
  run: async (options) => {
    const chosen = chooseWalk(options);
    if (typeof chosen === "string") return fail(chosen);
    const demonstration = demonstrate(chosen);
    return succeed(options.has("--svg") ? drawWalk(demonstration) : explainWalk(demonstration));
  },
};

function chooseWalk(options: ReadonlyMap<string, string>): DemonstrationOptions | string {
  const host = options.get("--host") ?? "4K";
  const scheme = (options.get("--scheme") ?? (host === "native" ? "native" : "ept")) as DemonstrationOptions["scheme"];
  if (host === "native" && scheme !== "native") return `--host native and --scheme ${scheme} exclude each other`;
  const nested = options.get("--nested-levels");
  const { guestLevels, hostLevels } = levelsOf(options);
  if (nested !== undefined && scheme !== "agile") return "--nested-levels is for --scheme agile";
  if (Number(nested) > guestLevels + 1) return `--nested-levels is at most ${guestLevels + 1}, not ${nested}`;
  return {
    scheme,
    guest: (options.get("--guest") ?? "4K") as PageSize,
    host: (host === "native" ? "4K" : host) as PageSize,
    guestLevels,
    hostLevels,
    nestedLevels: Number(nested ?? 1),
  };
}
