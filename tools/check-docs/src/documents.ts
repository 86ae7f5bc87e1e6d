// Reads documents and sources for the comparison in test/.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

export const ROOT: string = join(import.meta.dirname, "../../..");

/** Folders that hold what others made or what was generated. */
const SKIPPED = new Set(["node_modules", "dist", "generated", ".git", ".tsc", ".turbo", ".changeset", ".vitest"]);
/** Error codes name who is at fault first: `BUS_RANGE`, `CONFIG_CPU`. */
const CODE = /"((?:BUS|BACKEND|CONFIG|SNAPSHOT|GUEST|MMU)_[A-Z0-9_]+)"/g;

/** Paths below `folder` of the files whose name ends in `suffix`. */
export function findFiles(folder: string, suffix: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : findFiles(path, suffix);
    return entry.name.endsWith(suffix) ? [path] : [];
  });
}

/** Error codes that the shipped sources of the packages name. */
export function errorCodesInSources(): ReadonlySet<string> {
  const codes = new Set<string>();
  for (const name of readdirSync(join(ROOT, "packages"))) {
    const sources = findFiles(join(ROOT, "packages", name, "src"), ".ts").filter((file) => !file.endsWith(".test.ts"));
    for (const file of sources) {
      for (const match of readFileSync(file, "utf8").matchAll(CODE)) codes.add(match[1] ?? "");
    }
  }
  return codes;
}

/** Error codes in the first column of a table in `markdown`. */
export const errorCodesInTable = (markdown: string): ReadonlySet<string> =>
  new Set([...markdown.matchAll(/^\| *`([A-Z]+_[A-Z0-9_]+)` *\|/gm)].map((match) => match[1] ?? ""));

/** Relative links of all documents that lead nowhere, as "document: link". */
export function brokenLinks(): readonly string[] {
  return findFiles(ROOT, ".md").flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => (match[1] ?? "").split("#")[0] ?? "")
      .filter((link) => link !== "" && !/^[a-z]+:/.test(link) && !existsSync(join(dirname(file), link)))
      .map((link) => `${relative(ROOT, file)}: ${link}`),
  );
}

/** The TypeScript blocks of a document, in order. A block marked "ts no-run" is for reading only. */
export const examplesIn = (markdown: string): readonly string[] =>
  [...markdown.matchAll(/^```ts\n(.*?)^```/gms)].map((match) => match[1] ?? "");
