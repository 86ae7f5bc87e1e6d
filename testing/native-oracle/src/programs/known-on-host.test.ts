import { expect, it } from "vitest";
import type { ProgramOutcome, ResumedFault } from "../native-harness.ts";
import { initialStateOf } from "../vector.ts";
import { knownOnHost } from "./known-on-host.ts";
import { FIRST_SLOT, inputOf } from "./program.ts";
import { writtenProgram } from "./written-program.ts";

const FAULT: ResumedFault = { vector: 14, errorCode: 4, cr2: 0xcffen, rip: BigInt(FIRST_SLOT) };

/** @param stored over the first bytes of the code, in hex */
function reasonOf(hex: string, host: ResumedFault[], ours: ResumedFault[], stored = ""): string {
  const program = writtenProgram(hex);
  const bytes = Uint8Array.from(Buffer.from(stored, "hex"));
  const outcome = (faults: ResumedFault[]): ProgramOutcome => ({
    exception: { vector: 3, errorCode: 0, cr2: 0n },
    state: initialStateOf(inputOf(program)),
    writes: bytes.length === 0 ? [] : [{ address: FIRST_SLOT, bytes }],
    faults,
  });
  return knownOnHost(program, outcome(host), outcome(ours)) ?? "none";
}

it("the slot of a frame that is read first is each maker's choice", () => {
  const later = { ...FAULT, cr2: 0xd000n };
  expect(reasonOf("66cb", [later], [FAULT])).toMatch("RETF and IRET");
  expect(reasonOf("cf", [later], [FAULT])).toMatch("RETF and IRET");
  expect(reasonOf("c3", [later], [FAULT])).toBe("none");
  expect(reasonOf("cf", [{ ...later, errorCode: 6 }], [FAULT])).toBe("none");
  expect(reasonOf("cf", [{ ...later, cr2: 0xd001n }], [FAULT])).toBe("none");
  expect(reasonOf("cf", [FAULT], [later])).toBe("none");
});

it("what the program stored is no code of it", () => {
  expect(reasonOf("c3", [FAULT], [], "0fae")).toMatch("random bytes");
  expect(reasonOf("c3", [], [FAULT], "0fae")).toMatch("random bytes");
  // The second instruction.
  expect(reasonOf("90c3", [], [FAULT], "900f")).toBe("none");
});

it("faults that are alike have no reason", () => {
  expect(reasonOf("c3", [FAULT], [FAULT], "0fae")).toBe("none");
});

it("the error code of a write that Linux does in place of SLDT is Linux's", () => {
  const ours = { ...FAULT, errorCode: 7, cr2: 0x6027n };
  const host = { ...ours, errorCode: 6 };
  expect(reasonOf("0f0000", [host], [ours])).toMatch("UMIP");
  expect(reasonOf("0f0000", [host], [{ ...ours, cr2: 0x6028n }])).toBe("none");
  expect(reasonOf("0f0000", [ours], [host])).toBe("none");
  expect(reasonOf("8908", [host], [ours])).toBe("none");
});

it("INT1 is a fault under KVM on AMD", () => {
  const host = { vector: 1, errorCode: 0, cr2: 0n, rip: BigInt(FIRST_SLOT) };
  const behind = (bytes: bigint): ResumedFault => ({ ...host, rip: host.rip + bytes });
  expect(reasonOf("f1", [host], [behind(1n)])).toMatch("INT1");
  expect(reasonOf("66f1", [host], [behind(2n)])).toMatch("INT1");
  expect(reasonOf("f1", [host], [{ ...behind(1n), vector: 13 }])).toBe("none");
  expect(reasonOf("f1", [host], [behind(16n)])).toBe("none");
  expect(reasonOf("90", [host], [behind(1n)])).toBe("none");
});

it("which of two faults of the stack segment comes first is each maker's choice", () => {
  const host = { ...FAULT, vector: 13, errorCode: 0, cr2: 0n };
  const ours = { ...host, vector: 12 };
  expect(reasonOf("66670f3806bc34395bab3c", [host], [ours])).toMatch("misaligned");
  expect(reasonOf("66670f3806bc34395bab3c", [ours], [host])).toBe("none");
  expect(reasonOf("66670f3806bc34395bab3c", [host], [{ ...ours, errorCode: 0x10 }])).toBe("none");
  expect(reasonOf("8b8439", [host], [ours])).toBe("none");
});
