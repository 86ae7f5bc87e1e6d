import { describe, expect, it } from "vitest";
import { ENVIRONMENTS, INT3 } from "../environment.ts";
import {
  CODE_BYTES,
  FAULT_LIMIT,
  FIRST_SLOT,
  GUARDED_STACK_TOP,
  type Program,
  privilegedStackTop,
  SLOT_BYTES,
} from "./program.ts";
import { createProgramEngine } from "./program-engine.ts";
import { strayInstruction, strayOnHost } from "./stray-instructions.ts";
import { SystemEngine } from "./system-engine.ts";

const engine = new SystemEngine({ heatLimit: 0 });

/** What is stray when `executed`, slot by slot, lies over what was `written`. */
function strayOf(
  executed: readonly string[],
  written: readonly string[] = [],
  bits: 32 | 64 = 64,
  index = FAULT_LIMIT,
  interruptsAt: readonly number[] = [],
) {
  const environment = bits === 64 ? ENVIRONMENTS.long : ENVIRONMENTS.flat32;
  const code = new Uint8Array(CODE_BYTES).fill(INT3);
  for (const [i, hex] of written.entries()) code.set(Buffer.from(hex, "hex"), i * SLOT_BYTES);
  const program: Program = {
    environment,
    seed: 1,
    flavour: "integer",
    code,
    pieces: [],
    patches: executed.map((hex, i) => ({ address: FIRST_SLOT + i * SLOT_BYTES, bytes: Buffer.from(hex, "hex") })),
    stackTop: privilegedStackTop(environment),
    system: { privilege: 0, interruptsAt },
  };
  return strayInstruction(engine, program, index);
}

describe("an instruction that was executed", () => {
  it("is stray when programs for QEMU are never made of it, or not with its prefixes", () => {
    expect(strayOf(["d9eecc"])).toBe("Fldz");
    expect(strayOf(["90a6cc"])).toBe("Cmpsb_m8_m8");
    expect(strayOf(["2e8b0425002000"])).toBe("Mov_r32_rm32");
    expect(strayOf(["48662d0000cc"])).toBe("Sub_AX_imm16");
    expect(strayOf(["c4e2380000"])).toBe("no instruction c4e238");
    expect(strayOf(["0fafc0cc"])).toBe("Imul_r32_rm32");
  });

  it("is not when they are", () => {
    expect(strayOf(["90cc"])).toBeUndefined();
    expect(strayOf(["8b04250020000029c021c031c9cc"])).toBeUndefined();
    expect(strayOf(["0fafc039c0cc"])).toBeUndefined();
    expect(strayOf(["2d000000000f01f8cc"])).toBeUndefined();
  });

  it("is not when this one was written so", () => {
    const swapgs = "0f01f8";
    expect(strayOf([swapgs], [], 32)).toBe("no instruction 0f01f8");
    expect(strayOf([swapgs], [`90${swapgs}`], 32)).toBeUndefined();
    expect(strayOf(["d9eecc"], ["d9ee"])).toBeUndefined();
  });

  it("is when it is an IRETD whose image has VM, however it was written", () => {
    // PUSH ss; PUSH esp; PUSH eflags; PUSH cs; PUSH eip; IRETD
    const iret = (flags: string): string => `6a2b5468${flags}6a236840880000cf`;
    expect(strayOf([], [iret("02000200")], 32)).toMatch("IRETD with VM");
    expect(strayOf([], [iret("02000000")], 32)).toBeUndefined();
  });

  it("does not count behind the fault that is asked for", () => {
    const [absent, stray] = ["8a042500000070", "d9eecc"];
    expect(strayOf([absent, stray], [], 64, 0)).toBeUndefined();
    expect(strayOf([absent, stray], [], 64, 1)).toBe("Fldz");
    // The run ends there, though an interrupt was still to come.
    expect(strayOf([absent, stray], [], 64, 0, [4000])).toBeUndefined();
  });
});

describe("what is left to the processor", () => {
  const user = createProgramEngine("interpreter", { heatLimit: 0 });
  const strayIn = (executed: string, written = "") => {
    const code = new Uint8Array(CODE_BYTES).fill(INT3);
    code.set(Buffer.from(written, "hex"));
    const patches = [{ address: FIRST_SLOT, bytes: Buffer.from(executed, "hex") }];
    const environment = ENVIRONMENTS.flat32;
    const program = { environment, seed: 1, code, pieces: [], patches, stackTop: GUARDED_STACK_TOP };
    return strayOnHost(user, { ...program, flavour: "integer" });
  };

  it("is told by the instruction, whatever else is stray", () => {
    expect(strayIn("d50990cc")).toBe("Aad_imm8");
    expect(strayIn("d9eed50990cc")).toBe("Aad_imm8");
    expect(strayIn("d9eecc")).toBeUndefined();
    expect(strayIn("0f02c0cc")).toBe("Lar_r32_r32m16");
    expect(strayIn("a7cc")).toBe("Cmpsd_m32_m32");
  });

  it("does not count where a CMP is behind it, or where it was written so", () => {
    expect(strayIn("d50939c0cc")).toBeUndefined();
    expect(strayIn("d50990cc", "d50990cc")).toBeUndefined();
  });
});
