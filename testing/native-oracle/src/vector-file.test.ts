import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { compareOutcomes } from "./compare.ts";
import { ENVIRONMENTS } from "./environment.ts";
import { initialStateOf, type VectorInput, type VectorOutcome } from "./vector.ts";
import { readVectorFile, writeVectorFile } from "./vector-file.ts";

const form = { encoding: "01 /r", mnemonic: "ADD", operands: ["Ev", "Gv"] };
const input: VectorInput = {
  form,
  environment: ENVIRONMENTS.long,
  codeAddress: 0x8123,
  code: Uint8Array.of(0x48, 0x01, 0xd8),
  seed: 77,
  flavour: "double",
  overrides: new Map([
    [4, 0xffff_ffff_ffff_fff0n],
    [16, 0x203n],
  ]),
  patches: [{ address: 0x4567, bytes: Uint8Array.of(1, 2, 3) }],
};

function someOutcome(): VectorOutcome {
  const state = initialStateOf(input);
  state.gpr[0] = 0x1234_5678_9abc_def0n;
  state.rip += 3n;
  state.rflags = 0x297;
  state.selectors[3] = 0x2b;
  state.gsBase = 5n;
  state.fxsave.fill(0xa5, 24, 28).fill(7, 32, 42).fill(9, 400, 416);
  return {
    exception: { vector: 14, errorCode: 6, cr2: 0x7000n },
    state,
    writes: [{ address: 0x4ffe, bytes: Uint8Array.of(9, 8) }],
  };
}

test("an input and its outcome come back from a file", () => {
  const outcome = someOutcome();
  const [group] = readVectorFile(writeVectorFile([{ form, recorded: [{ input, outcome }] }]));
  const vector = group?.vectors[0];
  if (!vector) throw new Error("no vector came back");
  const { expected, ...rest } = vector;
  expect(rest).toEqual(input);
  expect(compareOutcomes(input, outcome, expected(), { strict: true })).toEqual([]);
});

test("an outcome without an exception has none", () => {
  const outcome = { ...someOutcome(), exception: undefined };
  const [group] = readVectorFile(writeVectorFile([{ form, recorded: [{ input, outcome }] }]));
  expect(group?.vectors[0]?.expected().exception).toBeUndefined();
});

test("the same vectors give the same file", () => {
  const write = (): Uint8Array => writeVectorFile([{ form, recorded: [{ input, outcome: someOutcome() }] }]);
  expect(write()).toEqual(write());
});

test("damaged files are refused", () => {
  const content = gunzipSync(writeVectorFile([{ form, recorded: [{ input, outcome: someOutcome() }] }]));
  expect(() => readVectorFile(gzipSync(content.subarray(0, content.length - 1)))).toThrow(RangeError);
  expect(() => readVectorFile(gzipSync(Buffer.concat([content, Buffer.of(0)])))).toThrow(RangeError);
  expect(() => readVectorFile(gzipSync(Buffer.from("SOMETHING ELSE")))).toThrow(RangeError);
});
