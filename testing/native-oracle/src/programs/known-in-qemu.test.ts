import { describe, expect, it } from "vitest";
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

it("the frame of an IRET or RETF is read as the supervisor, also where the program pushed over it since", () => {
  const code = new Uint8Array(CODE_BYTES);
  code[0x8de0 - FIRST_SLOT] = 0xcf;
  const qemu = { ...REFUSED, vector: 14, errorCode: 1, cr2: 0xa7ecn };
  expect(reasonOf(qemu, undefined, { ...PROGRAM, code })).toMatch("frame of IRET");
  expect(reasonOf(qemu, undefined)).toBe("none");
  expect(reasonOf({ ...qemu, errorCode: 5 }, undefined, { ...PROGRAM, code })).toBe("none");
  const ram = RAM.slice();
  ram[0x8de1] = 0xcb;
  expect(reasonOf(qemu, undefined, PROGRAM, ram)).toMatch("frame of IRET");
});

it("a return to SS, which QEMU made null, is QEMU's in a program of the supervisor", () => {
  const fetch = (address: bigint): LoggedFault => ({
    ...REFUSED,
    vector: 14,
    errorCode: 16,
    cr2: address,
    rip: address,
  });
  const program: Program = { ...PROGRAM, system: { privilege: 0, interruptsAt: [] } };
  expect(reasonOf(fetch(0n), fetch(0x18n), program)).toMatch("SS null");
  expect(reasonOf(fetch(0n), fetch(0x10n), program)).toBe("none");
  expect(reasonOf(fetch(0x18n), fetch(0n), program)).toBe("none");
  expect(reasonOf(fetch(0n), fetch(0x18n))).toBe("none");
});

describe.each(["real", "vm86"] as const)("where selectors are paragraphs (%s)", (mode) => {
  const slots = new Uint8Array(CODE_BYTES);
  const program: Program = {
    ...PROGRAM,
    code: slots,
    environment: PARAGRAPHS,
    system: { privilege: 0, interruptsAt: [], mode },
  };
  const ours = { ...REFUSED, rip: 0x4820n };
  const later = { ...ours, rip: 0x4840n };
  const reason = (code: string, qemu: LoggedFault | undefined, fault: LoggedFault): string => {
    slots.fill(0).set(Buffer.from(code, "hex"));
    const ram = RAM.slice();
    ram.set(slots, FIRST_SLOT);
    return reasonOf(qemu, fault, program, ram);
  };

  it("a limit that QEMU passes over is QEMU's, no fault of another kind is", () => {
    for (const qemu of [undefined, later, { ...ours, vector: 6 }]) {
      expect(reason("8b0effff", qemu, ours)).toMatch("look at limits");
      expect(reason("8b0effff", qemu, { ...ours, vector: 12 })).toMatch("look at limits");
    }
    expect(reason("8b0effff", { ...ours, vector: 12 }, ours)).toBe("none");
    for (const other of ["cd40", "66660f22c0", "2e0f011e0040", "fa", "66cf", "ed"])
      expect(reason(other, undefined, ours)).toBe("none");
  });

  it("the stack of a far transfer is the supervisor's for QEMU in virtual-8086 mode", () => {
    const fault = { ...ours, vector: 14, errorCode: 6, cr2: 0x1_1ffcn };
    const expected = mode === "vm86" ? /as the supervisor/ : /none/;
    for (const code of ["669a0000000000", "ff1e0040", "cb", "66cf"]) {
      expect(reason(code, { ...fault, errorCode: 2 }, fault)).toMatch(expected);
      expect(reason(code, undefined, { ...fault, errorCode: 7 })).toMatch(expected);
      expect(reason(code, { ...fault, errorCode: 3 }, fault)).toBe("none");
    }
    for (const code of ["e80000", "ff160040", "50"])
      expect(reason(code, { ...fault, errorCode: 2 }, fault)).toBe("none");
  });
});

it("INT of a gate that user code may not use has the vector in the index of the error code", () => {
  const ours = { ...REFUSED, errorCode: 0x442 };
  expect(reasonOf({ ...REFUSED, errorCode: 0x882 }, ours)).toMatch("error code of INT");
  expect(reasonOf({ ...REFUSED, errorCode: 0x442 }, ours)).toBe("none");
  expect(reasonOf({ ...REFUSED, errorCode: 0x882, rip: 0x8de2n }, ours)).toBe("none");
  expect(reasonOf({ ...REFUSED, errorCode: 0x880 }, { ...REFUSED, errorCode: 0x440 })).toBe("none");
});

it("a reserved bit that QEMU reports without P is QEMU's, at the same place", () => {
  const ours = { ...REFUSED, vector: 14, errorCode: 9, cr2: 0x40_5240n };
  const qemu = { ...ours, errorCode: 8 };
  expect(reasonOf(qemu, ours)).toMatch("without P");
  expect(reasonOf({ ...qemu, errorCode: 0xe }, { ...ours, errorCode: 0xf })).toMatch("without P");
  expect(reasonOf(ours, qemu)).toBe("none");
  expect(reasonOf({ ...qemu, cr2: 0x40_5000n }, ours)).toBe("none");
  expect(reasonOf({ ...qemu, errorCode: 0 }, { ...ours, errorCode: 1 })).toBe("none");
});
