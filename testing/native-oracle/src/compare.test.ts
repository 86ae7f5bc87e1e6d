import { expect, test } from "vitest";
import { compareOutcomes } from "./compare.ts";
import { copyState, FLAGS } from "./cpu-state.ts";
import { ENVIRONMENTS } from "./environment.ts";
import { initialStateOf, type VectorInput, type VectorOutcome } from "./vector.ts";

const input: VectorInput = {
  form: { encoding: "21 /r", mnemonic: "AND", operands: ["Ev", "Gv"] },
  environment: ENVIRONMENTS.long,
  codeAddress: 0x8100,
  code: Uint8Array.of(0x21, 0xd8),
  seed: 3,
  flavour: "integer",
  overrides: new Map(),
  patches: [],
};

const outcome: VectorOutcome = { exception: undefined, state: initialStateOf(input), writes: [] };

function changed(change: (state: VectorOutcome["state"]) => void): VectorOutcome {
  const state = copyState(outcome.state);
  change(state);
  return { ...outcome, state };
}

test("equal outcomes have no differences", () => {
  expect(
    compareOutcomes(
      input,
      outcome,
      changed(() => {}),
    ),
  ).toEqual([]);
});

test("undefined flags count only when asked for", () => {
  const other = changed((state) => {
    state.rflags ^= FLAGS.AF;
  });
  expect(compareOutcomes(input, outcome, other)).toEqual([]);
  expect(compareOutcomes(input, outcome, other, { strict: true })).toHaveLength(1);
});

test("flags that differ are named, set ones in capitals", () => {
  const flags = outcome.state.rflags & FLAGS.ZF;
  const [difference] = compareOutcomes(
    input,
    outcome,
    changed((state) => {
      state.rflags ^= FLAGS.ZF;
    }),
  );
  expect(difference).toEqual({ field: "rflags", expected: flags ? "ZF" : "zf", actual: flags ? "zf" : "ZF" });
});

test("the exception comes first", () => {
  const other = { ...changed((state) => (state.rip += 4n)), exception: { vector: 14, errorCode: 6, cr2: 0x7000n } };
  expect(compareOutcomes(input, outcome, other).map(({ field }) => field)).toEqual(["exception", "rip"]);
});

test("registers, memory and vector registers are told apart by name", () => {
  const other = {
    ...changed((state) => {
      state.gpr[3] = (state.gpr[3] ?? 0n) ^ 1n;
      state.fxsave[160 + 5 * 16] = (state.fxsave[160 + 5 * 16] ?? 0) ^ 1;
    }),
    writes: [{ address: 0x4000, bytes: Uint8Array.of(1) }],
  };
  expect(compareOutcomes(input, outcome, other).map(({ field }) => field)).toEqual(["rbx", "memory", "xmm5"]);
});
