// AVX-512 against this machine's CPU, if it has it: `pnpm evex` is the long form.
import type { Row } from "@tsvm/cpu-x86";
import { describe, expect, it } from "vitest";
import { ASKED_ROWS, compareEvex, hostSignal, isUndefined } from "../src/evex/check-evex.ts";
import { CASE, makeCase, WIDE_ROWS } from "../src/evex/evex-case.ts";
import { EvexEngine } from "../src/evex/evex-engine.ts";
import { EVEX_NEEDS, missingOnHost, runEvexOnHost } from "../src/evex/evex-host.ts";
import { differingGroups, lineOf, readFingerprints, recordedCases } from "../src/evex/fingerprints.ts";

const TIMEOUT_MS = 120_000;
/** Enough for each row to be executed: zeroing in memory, which some stores are given, is #UD. */
const PER_ROW = 5;
/** Of the recorded ones; `pnpm evex --recorded` is the long form. */
const REPLAYED_GROUPS = 1;

describe("instructions of AVX-512 on any CPU", () => {
  const recorded = readFingerprints();

  it("do what a processor did", { timeout: TIMEOUT_MS }, () => {
    const engine = new EvexEngine();
    const differing = ASKED_ROWS.filter(
      (row) => differingGroups(engine, row, recorded.rows[lineOf(row)] ?? "", REPLAYED_GROUPS).length > 0,
    );
    expect(differing.map(lineOf)).toEqual([]);
  });

  it("have at least 200 recorded cases, each of them", () => {
    expect(Object.keys(recorded.rows).toSorted()).toEqual(ASKED_ROWS.map(lineOf).toSorted());
    for (const hashes of Object.values(recorded.rows)) expect(recordedCases(hashes)).toBeGreaterThanOrEqual(200);
  });

  it("are told apart by one bit", () => {
    const row = ASKED_ROWS.find(({ mnemonic }) => mnemonic === "VPADDD") as Row;
    const engine = {
      run: (bytes: Uint8Array): Uint8Array => {
        const result = new EvexEngine().run(bytes);
        result[CASE.zmm + 2000] = (result[CASE.zmm + 2000] as number) ^ 1;
        return result;
      },
    } as EvexEngine;
    expect(differingGroups(engine, row, recorded.rows[lineOf(row)] ?? "", 1)).toEqual([0]);
  });
});

describe.runIf(missingOnHost(EVEX_NEEDS).length === 0)("instructions of AVX-512", () => {
  it("do what this CPU does", { timeout: TIMEOUT_MS }, () => {
    const engine = new EvexEngine();
    const cases = ASKED_ROWS.flatMap((row) => Array.from({ length: PER_ROW }, (_, n) => makeCase(row, n, "test")));
    const differing = new Set<Row>();
    const defined = new Set<Row>();
    for (const [i, host] of runEvexOnHost(cases).entries()) {
      const { row, bytes } = cases[i] as (typeof cases)[number];
      if (!isUndefined(host)) defined.add(row);
      if (compareEvex(host, engine.run(bytes)).length > 0) differing.add(row);
    }
    expect([...differing].map(({ mnemonic, encoding }) => `${mnemonic} ${encoding}`)).toEqual([]);
    expect(ASKED_ROWS.filter((row) => !defined.has(row))).toEqual([]);
    expect(ASKED_ROWS.length).toBeGreaterThan(1300);
  });

  it("access what this CPU does where all is masked off", { timeout: TIMEOUT_MS }, () => {
    const engine = new EvexEngine();
    const cases = ASKED_ROWS.flatMap((row) => Array.from({ length: PER_ROW }, (_, n) => makeCase(row, n, "absent")));
    for (const { bytes } of cases) bytes.fill(0, CASE.k, CASE.zmm);
    const signals = new Map<number, number>();
    const differing = new Set<Row>();
    for (const [i, host] of runEvexOnHost(cases, "absent").entries()) {
      const { row, bytes } = cases[i] as (typeof cases)[number];
      signals.set(hostSignal(host), 1 + (signals.get(hostSignal(host)) ?? 0));
      if (compareEvex(host, engine.run(bytes, "absent")).length > 0) differing.add(row);
    }
    expect([...differing].map(({ mnemonic, encoding }) => `${mnemonic} ${encoding}`)).toEqual([]);
    // Registers and what is suppressed, and what faults all the same.
    for (const signal of [0, 11]) expect(signals.get(signal)).toBeGreaterThan(1000);
  });

  it("are told apart where they differ", () => {
    const row = WIDE_ROWS.find(({ mnemonic }) => mnemonic === "VPADDD") as Row;
    const [made] = [makeCase(row, 0, "test")];
    const [host] = runEvexOnHost([made]);
    const changed = Uint8Array.from(host as Uint8Array);
    changed[2159]! ^= 0x80;
    expect(compareEvex(host as Uint8Array, changed)).toMatchObject([{ field: "zmm31" }]);
  });
});
