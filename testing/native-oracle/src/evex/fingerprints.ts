/**
 * What a CPU with AVX-512 made of the cases, as hashes: the cases themselves are made anew, and their results are 2 KiB each. A hash is
 * that of {@link GROUP} cases, the first 32 bits of SHA-1 over all that compareEvex compares.
 */
import { createHash, type Hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Row } from "@tsvm/cpu-x86";
import { STATUS_FLAGS } from "../cpu-state.ts";
import { signalOf } from "./check-evex.ts";
import { CASE, makeCase } from "./evex-case.ts";
import type { EvexEngine } from "./evex-engine.ts";

/** Cases of one hash. */
export const GROUP = 10;
const HASH_BYTES = 4;
/** Of all recorded cases. */
export const RECORDED_SALT = "recorded";
export const FINGERPRINT_FILE: string = fileURLToPath(
  new URL("../../../../conformance/evex-fingerprints.json", import.meta.url),
);

/** Of each row, by its line, the hashes one behind the other in base64. */
export interface Fingerprints {
  /** Who was asked. */
  readonly cpu: string;
  readonly rows: Readonly<Record<string, string>>;
}

export const lineOf = ({ encoding, mnemonic, operands }: Row): string => `${encoding} ${mnemonic} ${operands.join()}`;

export const readFingerprints = (): Fingerprints => JSON.parse(readFileSync(FINGERPRINT_FILE, "utf8")) as Fingerprints;

/** Hashes of results, {@link GROUP} at a time, in base64. @param signals what ended each case, as Linux counts it */
export function fingerprintsOf(results: readonly Uint8Array[], signals: readonly number[]): string {
  const hashes: Uint8Array[] = [];
  for (let first = 0; first < results.length; first += GROUP) {
    const hash = createHash("sha1");
    for (let i = first; i < first + GROUP; i++) addResult(hash, results[i] as Uint8Array, signals[i] as number);
    hashes.push(hash.digest().subarray(0, HASH_BYTES));
  }
  return Buffer.concat(hashes).toString("base64");
}

/** Behind an exception nothing but that counts. */
function addResult(hash: Hash, result: Uint8Array, signal: number): void {
  hash.update(Uint8Array.of(signal));
  if (signal !== 0) return;
  const view = new DataView(result.buffer, result.byteOffset, result.length);
  hash.update(Uint16Array.of(view.getUint32(CASE.flags, true) & STATUS_FLAGS));
  hash.update(result.subarray(CASE.mxcsr, CASE.flags));
  hash.update(result.subarray(CASE.rcx));
}

/** How many cases the hashes of a row are of. */
export const recordedCases = (hashes: string): number => (Buffer.from(hashes, "base64").length / HASH_BYTES) * GROUP;

/** Hashes of a row that an engine of ours does not come to, by number. @param groups how many are asked; all if not given */
export function differingGroups(
  engine: EvexEngine,
  row: Row,
  recorded: string,
  groups: number = Number.POSITIVE_INFINITY,
): readonly number[] {
  const expected = Buffer.from(recorded, "base64");
  const count = Math.min(groups, expected.length / HASH_BYTES);
  const results = Array.from({ length: count * GROUP }, (_, i) => engine.run(makeCase(row, i, RECORDED_SALT).bytes));
  const signals = results.map((result) => signalOf(new DataView(result.buffer).getUint32(CASE.signal, true)));
  const actual = Buffer.from(fingerprintsOf(results, signals), "base64");
  return Array.from({ length: count }, (_, i) => i).filter(
    (i) => expected.readUint32LE(i * HASH_BYTES) !== actual.readUint32LE(i * HASH_BYTES),
  );
}
