// AVX-512 against this machine's CPU, if it has it: `pnpm evex` is the long form.
import type { Row } from "@tsvm/cpu-x86";
import { describe, expect, it } from "vitest";
import { compareEvex, isLeftOut, isUndefined } from "../src/evex/check-evex.ts";
import { makeCase, WIDE_ROWS } from "../src/evex/evex-case.ts";
import { EvexEngine } from "../src/evex/evex-engine.ts";
import { EVEX_NEEDS, missingOnHost, runEvexOnHost } from "../src/evex/evex-host.ts";

const TIMEOUT_MS = 120_000;
/** Enough for each row to be executed: zeroing in memory, which some stores are given, is #UD. */
const PER_ROW = 5;

describe.runIf(missingOnHost(EVEX_NEEDS).length === 0)("instructions of AVX-512", () => {
  it("do what this CPU does", { timeout: TIMEOUT_MS }, () => {
    const engine = new EvexEngine();
    const rows = WIDE_ROWS.filter((row) => !isLeftOut(row));
    const cases = rows.flatMap((row) => Array.from({ length: PER_ROW }, (_, n) => makeCase(row, n, "test")));
    const differing = new Set<Row>();
    const defined = new Set<Row>();
    for (const [i, host] of runEvexOnHost(cases).entries()) {
      const { row, bytes } = cases[i] as (typeof cases)[number];
      if (!isUndefined(host)) defined.add(row);
      if (compareEvex(host, engine.run(bytes)).length > 0) differing.add(row);
    }
    expect([...differing].map(({ mnemonic, encoding }) => `${mnemonic} ${encoding}`)).toEqual([]);
    expect(rows.filter((row) => !defined.has(row))).toEqual([]);
    expect(rows.length).toBeGreaterThan(1300);
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
