// `main.ts` compares the architecture table with the workspace; `main.ts --write` also renews ARCHITECTURE.md.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { orderRooms, ROOMS } from "./architecture.ts";
import { findBreaches } from "./check.ts";
import { updateDocument } from "./document.ts";
import { readRootReferences, readWorkspaces } from "./workspace.ts";

const root = join(import.meta.dirname, "../../..");
const document = join(root, "ARCHITECTURE.md");

const packages = readWorkspaces(join(root, "packages"));
const testing = readWorkspaces(join(root, "testing"));
const tools = readWorkspaces(join(root, "tools"));
const breaches = [...findBreaches(ROOMS, packages, [...testing, ...tools])];

// tools/ has one project for all; every other package must be named, or `tsc -b` would pass it by.
const checked = readRootReferences(root);
for (const [parent, found] of Object.entries({ packages, testing })) {
  const missed = found.map(({ folder }) => `${parent}/${folder}`).filter((path) => !checked.includes(path));
  breaches.push(...missed.map((path) => `tsconfig.json does not reference ${path}`));
}

const present = readFileSync(document, "utf8");
const wanted = updateDocument(present, ROOMS);
if (process.argv.includes("--write")) writeFileSync(document, wanted);
else if (wanted !== present) breaches.push("ARCHITECTURE.md is behind the table: pnpm run layers:write");

for (const breach of breaches) console.error(`layers: ${breach}`);
if (breaches.length > 0) {
  console.error(`layers: ${breaches.length} breaches; the table is tools/check-layers/src/architecture.ts`);
  process.exitCode = 1;
} else {
  const files = new Set(packages.flatMap((one) => one.imports.map(({ file }) => `${one.folder}/${file}`))).size;
  console.log(`layers: ${packages.length} packages, ${files} files with imports, all as the table says`);
  console.log(`layers: ${orderRooms(ROOMS).join(" < ")}`);
}
