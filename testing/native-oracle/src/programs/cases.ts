import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Program, readProgram } from "./program.ts";

/** Where programs are kept that once showed a difference. */
export const CASES_DIRECTORY: string = fileURLToPath(new URL("../../../../fuzz/cases/programs/", import.meta.url));

/** All of them, by file name. */
export function keptPrograms(): readonly (readonly [name: string, program: Program])[] {
  if (!existsSync(CASES_DIRECTORY)) return [];
  return readdirSync(CASES_DIRECTORY)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => [name.slice(0, -".json".length), readProgram(readFileSync(join(CASES_DIRECTORY, name), "utf8"))]);
}
