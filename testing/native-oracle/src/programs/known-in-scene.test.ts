import { describe, expect, it } from "vitest";
import { ENVIRONMENTS } from "../environment.ts";
import type { FaultScene } from "./fault-scene.ts";
import { knownInScene } from "./known-in-scene.ts";
import { CODE_BYTES, type Program, privilegedStackTop } from "./program.ts";
import type { LoggedFault } from "./resume-handler.ts";

const PROGRAM: Program = {
  environment: ENVIRONMENTS.flat32,
  seed: 1,
  flavour: "integer",
  code: new Uint8Array(CODE_BYTES),
  pieces: [],
  patches: [],
  stackTop: privilegedStackTop(ENVIRONMENTS.flat32),
};
const NOTHING = new Uint8Array(0);
const OURS: LoggedFault = { vector: 14, errorCode: 4, cr2: 0x5000n, rip: 0x8ca2n, ds: 0x2b, es: 0x2b };

describe("an entry that was changed, and no translation dropped", () => {
  const scene = (...entries: bigint[]): FaultScene => ({ regs: {}, code: new Uint8Array(15), stack: NOTHING, entries });
  const reasonOf = (errorCode: number, entries: readonly bigint[], qemu?: LoggedFault): string =>
    knownInScene(qemu, { ...OURS, errorCode }, scene(...entries), PROGRAM) ?? "none";
  const good = 0x8000_0000_0000_5027n;
  const reserved = good | (0xb6n << 48n);

  it("may be gone on with", () => {
    expect(reasonOf(0xb, [good, reserved])).toMatch("were changed without INVLPG");
    expect(reasonOf(7, [good, good & ~2n])).toMatch("were changed without INVLPG");
    expect(reasonOf(7, [good, good & ~2n], { ...OURS, rip: 0x8ce0n })).toMatch("were changed without INVLPG");
  });

  it("may not where it did not allow the access, was not used, or is still there", () => {
    expect(reasonOf(7, [good & ~2n, good & ~1n])).toBe("none");
    expect(reasonOf(7, [good & ~4n, good & ~1n])).toBe("none");
    expect(reasonOf(0x15, [good, reserved])).toBe("none");
    expect(reasonOf(4, [good & ~0x20n, good & ~1n])).toBe("none");
    expect(reasonOf(0xb, [reserved | 0x5000n, reserved])).toBe("none");
    expect(reasonOf(0xb, [reserved])).toBe("none");
    expect(reasonOf(0xb, [])).toBe("none");
    expect(reasonOf(0xb, [good, reserved], OURS)).toBe("none");
  });
});

describe("IRETD with VM in its image of EFLAGS", () => {
  const ours = { ...OURS, vector: 13, errorCode: 0, cr2: 0n, rip: 0x4cb0n };
  const qemu = { ...OURS, errorCode: 0x15, cr2: 0x4cc9n, rip: 0x4cc9n };
  const frame = "c94c01000000000000002b00";
  const program: Program = { ...PROGRAM, environment: ENVIRONMENTS.segmented16stack32 };
  const reasonOf = (code: string, stack = frame, own = program, fault = ours, cs = 7n): string => {
    const bytes = { code: Buffer.from(code, "hex"), stack: Buffer.from(stack, "hex") };
    return knownInScene(qemu, fault, { regs: { "cs.selector": cs }, entries: [0n], ...bytes }, own) ?? "none";
  };
  const legacy: Program = { ...program, system: { privilege: 3, interruptsAt: [], mode: "pae" } };

  it("is told by what is executed and by the frame", () => {
    expect(reasonOf("66cf")).toMatch("enters virtual-8086 mode");
    expect(reasonOf("2e66cf", frame, program, ours, 0x34n)).toMatch("enters virtual-8086 mode");
    expect(reasonOf("cf", frame, PROGRAM)).toMatch("enters virtual-8086 mode");
    expect(reasonOf("66cf", frame, legacy)).toMatch("enters virtual-8086 mode");
  });

  it("is nothing else", () => {
    for (const code of ["cf", "66cb", "66", ""]) expect(reasonOf(code)).toBe("none");
    for (const stack of ["c94c01000000000000002900", "c94c0100", ""]) expect(reasonOf("66cf", stack)).toBe("none");
    expect(reasonOf("66cf", frame, PROGRAM)).toBe("none");
    expect(reasonOf("cf", frame, { ...PROGRAM, environment: ENVIRONMENTS.long })).toBe("none");
    expect(reasonOf("66cf", frame, legacy, ours, 4n)).toBe("none");
    expect(reasonOf("66cf", frame, program, { ...ours, vector: 12 })).toBe("none");
  });
});
