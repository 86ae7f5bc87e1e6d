import { expect, it } from "vitest";
import { ENVIRONMENTS, PARAGRAPHS } from "../environment.ts";
import { knownReason } from "./known-in-qemu.ts";
import { CODE_BYTES, FIRST_SLOT, type Program, privilegedStackTop } from "./program.ts";
import type { LoggedFault } from "./resume-handler.ts";

const RAM = new Uint8Array(0x1_0000);
const { ds, es } = ENVIRONMENTS.flat32.segments;
/** A program of INT3 and a fault of it, with the segments it began with. */
const PROGRAM: Program = {
  environment: ENVIRONMENTS.flat32,
  seed: 1,
  flavour: "integer",
  code: new Uint8Array(CODE_BYTES),
  pieces: [],
  patches: [],
  stackTop: privilegedStackTop(ENVIRONMENTS.flat32),
};
const REFUSED: LoggedFault = {
  vector: 13,
  errorCode: 0,
  cr2: 0n,
  rip: 0x8de0n,
  ds: ds.selector,
  es: es.selector,
};

const reasonOf = (qemu: LoggedFault | undefined, ours: LoggedFault | undefined, program = PROGRAM, ram = RAM): string =>
  knownReason(qemu, ours, ram, program) ?? "none";

it("a segment fault of ours alone is QEMU's only in another DS or ES, outside 64-bit code", () => {
  const later = { ...REFUSED, vector: 14, rip: 0x8e00n };
  for (const qemu of [undefined, later]) {
    expect(reasonOf(qemu, REFUSED)).toBe("none");
    expect(reasonOf(qemu, { ...REFUSED, ds: 0 })).toMatch("does not look at segments");
    expect(reasonOf(qemu, { ...REFUSED, es: 0x23 })).toMatch("does not look at segments");
    expect(reasonOf(qemu, { ...REFUSED, ds: 0, errorCode: 0x10 })).toBe("none");
    expect(reasonOf(qemu, { ...REFUSED, ds: 0 }, { ...PROGRAM, environment: ENVIRONMENTS.long })).toBe("none");
  }
});

it("a limit that QEMU passes over in real-address mode is QEMU's, no fault of another kind is", () => {
  const slots = new Uint8Array(CODE_BYTES);
  const program = (mode: "real" | "vm86"): Program => ({
    ...PROGRAM,
    code: slots,
    environment: PARAGRAPHS,
    system: { privilege: 0, interruptsAt: [], mode },
  });
  const ours = { ...REFUSED, rip: 0x4820n };
  const ram = RAM.slice();
  const code = (hex: string): void => {
    slots.set(Buffer.from(hex, "hex"));
    ram.set(slots, FIRST_SLOT);
  };
  code("8b0effff");
  const later = { ...ours, rip: 0x4840n };
  for (const qemu of [undefined, later, { ...ours, vector: 6 }]) {
    expect(reasonOf(qemu, ours, program("real"), ram)).toMatch("look at limits");
    expect(reasonOf(qemu, { ...ours, vector: 12 }, program("real"), ram)).toMatch("look at limits");
  }
  expect(reasonOf({ ...ours, vector: 12 }, ours, program("real"), ram)).toBe("none");
  expect(reasonOf(undefined, ours, program("vm86"), ram)).toBe("none");
  for (const other of ["cd40", "66660f22c0", "2e0f011e0040", "fa"]) {
    code(other);
    expect(reasonOf(undefined, ours, program("real"), ram)).toBe("none");
  }
});

it("INT of a gate that user code may not use has the vector in the index of the error code", () => {
  const ours = { ...REFUSED, errorCode: 0x442 };
  expect(reasonOf({ ...REFUSED, errorCode: 0x882 }, ours)).toMatch("error code of INT");
  expect(reasonOf({ ...REFUSED, errorCode: 0x442 }, ours)).toBe("none");
  expect(reasonOf({ ...REFUSED, errorCode: 0x882, rip: 0x8de2n }, ours)).toBe("none");
  expect(reasonOf({ ...REFUSED, errorCode: 0x880 }, { ...REFUSED, errorCode: 0x440 })).toBe("none");
});

it.each([
  ["c6c7", "none"],
  ["c6ff", "takes C6"],
  ["c7d8", "takes C6"],
  ["c7043d", "none"],
  ["8f8d", "takes C6"],
  ["8fc7", "none"],
  ["f057", "passes over LOCK"],
])("#UD of %s: %s", (hex, reason) => {
  const ram = RAM.slice();
  ram.set(Buffer.from(hex, "hex"), Number(REFUSED.rip));
  const ours = { ...REFUSED, vector: 6 };
  expect(reasonOf(undefined, ours, PROGRAM, ram)).toMatch(reason);
});
