import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readVectorFile, type VectorGroup } from "./vector-file.ts";

/** Where recorded vectors are kept. */
export const CORPUS_DIRECTORY: string = fileURLToPath(new URL("../../../conformance/vectors/", import.meta.url));

/** Names of the families that have a file. */
export function corpusFamilies(): readonly string[] {
  return readdirSync(CORPUS_DIRECTORY)
    .filter((name) => name.endsWith(".bin.gz"))
    .map((name) => name.slice(0, -".bin.gz".length))
    .sort();
}

/** One family's vectors. @throws RangeError when the file is damaged. */
export function readFamily(family: string): readonly VectorGroup[] {
  return readVectorFile(readFileSync(`${CORPUS_DIRECTORY}${family}.bin.gz`));
}
