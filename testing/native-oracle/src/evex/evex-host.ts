/** Puts cases through native/evex.c. Linux on x86-64 with AVX-512 and gcc. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { compileNative } from "../native-program.ts";
import { CASE, type EvexCase } from "./evex-case.ts";

/** What cases need, as Linux calls it: 512-bit vectors, those of all lengths and elements, and what is counted to AVX-512 besides. */
export const EVEX_NEEDS: readonly string[] = ["avx512f", "avx512vl", "avx512bw", "avx512dq", "avx512cd"];

/** Extensions that the host has not, of those that `names` are, as Linux calls them. */
export function missingOnHost(names: readonly string[]): readonly string[] {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" "));
  return names.filter((name) => !flags.has(name));
}

/**
 * What the host's CPU makes of each case, in {@link CASE}'s layout. @param memory `absent`: none of it can be accessed.
 * @throws Error if it does not get through all of them.
 */
export function runEvexOnHost(cases: readonly EvexCase[], memory?: "absent"): readonly Uint8Array[] {
  const program = compileNative("evex", ["-mavx512f", "-fomit-frame-pointer"]);
  const input = Buffer.concat(cases.map(({ bytes }) => bytes));
  const { stdout, status, signal } = spawnSync(program, memory === undefined ? [] : [memory], {
    input,
    maxBuffer: 1 << 30,
  });
  if (status !== 0 || stdout.length !== input.length) throw new Error(`evex ended with ${signal ?? status}`);
  return cases.map((_, i) => stdout.subarray(i * CASE.bytes, (i + 1) * CASE.bytes));
}
