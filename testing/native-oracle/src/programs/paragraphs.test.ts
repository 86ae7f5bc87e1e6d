import { describe, expect, it } from "vitest";
import { PARAGRAPHS } from "../environment.ts";
import type { ModeName } from "./mode.ts";
import { FIRST_SLOT, type Program, readProgram } from "./program.ts";
import { readRealEnd } from "./real-tables.ts";
import { SystemEngine, type SystemOutcome } from "./system-engine.ts";

const FIRST = FIRST_SLOT - PARAGRAPHS.segments.cs.base;

/** @param slots code in hex; the last one ends in INT3 */
function programOf(mode: ModeName, ...slots: readonly string[]): Program {
  return readProgram(
    JSON.stringify({
      environment: PARAGRAPHS.id,
      seed: 1,
      flavour: "integer",
      slots: [...slots, "cc"],
      patches: { "2018": "05000000" },
      system: { privilege: 0, interruptsAt: [], mode },
    }),
  );
}

function run(mode: ModeName, ...slots: readonly string[]): SystemOutcome {
  const outcome = new SystemEngine({ heatLimit: 0 }).run(programOf(mode, ...slots));
  if (outcome === undefined) throw new Error("it does not end");
  return outcome;
}

const faultsOf = ({ faults }: SystemOutcome) =>
  faults.map(({ vector, errorCode, rip }) => [vector, errorCode, Number(rip) - FIRST]);
const wordAt = ({ ram }: SystemOutcome, at: number): number =>
  new DataView(ram.buffer, ram.byteOffset).getUint32(at, true);

describe("a program in real-address mode", () => {
  it("is entered and left by its vectors, and goes on at the next slot behind a fault", () => {
    // int 32h; mov cx, [0ffffh]; then lldt ax; then mov bx, sp
    const outcome = run("real", "cd328b0effff", "0f00d0", "89e3");
    expect(outcome.exit).toBe("hlt");
    expect(faultsOf(outcome)).toEqual([
      [13, 0, 2],
      [6, 0, 64],
    ]);
    expect(wordAt(outcome, 0x2018)).toBe(16);
    expect(outcome.regs["rbx"]).toBe(0x8800n | ((outcome.regs["rbx"] ?? 0n) & ~0xffffn));
    const [ip, cs, , sp, ss] = readRealEnd(new DataView(outcome.ram.buffer, outcome.ram.byteOffset));
    expect([ip, cs, (sp ?? 0) & 0xffff, ss]).toEqual([FIRST + 3 * 64 + 1, 0x400, 0x8800, 0x200]);
  });

  it("may leave the slots, and ends where no window of it is", () => {
    // jmp far 1000h:8000h
    expect(run("real", "ea00800010")).toMatchObject({ exit: "hlt", faults: [] });
  });
});

describe("a program in virtual-8086 mode", () => {
  it("has IOPL 3 until INTO takes it, and what its monitor does for it", () => {
    // cli; mov al, 127; add al, 1; into; cli; then sti; then int3
    const outcome = run("vm86", "fab07f0401cefa", "fb", "cc");
    expect(outcome.exit).toBe("hlt");
    expect(faultsOf(outcome)).toEqual([
      [13, 0, 6],
      [13, 0, 64],
    ]);
    expect(wordAt(outcome, 0x10e808) & 0x2_3200).toBe(0x2_0000);
  });

  it("has pages that the monitor changes for it", () => {
    // mov ebx, 4000h; mov ecx, 4004h; mov edx, 0; int 34h; mov cx, [3000h]
    const outcome = run("vm86", "66bb0040000066b90440000066ba00000000cd348b0e0030");
    expect(faultsOf(outcome)).toEqual([[14, 4, 20]]);
    expect(outcome.regs["cr2"]).toBe(0x4000n);
  });

  it("may use the ports that its map opens", () => {
    // mov dx, 0; in al, dx; in al, 80h
    const outcome = run("vm86", "ba0000ece480");
    expect(faultsOf(outcome)).toEqual([[13, 0, 4]]);
    expect(outcome.accesses).toEqual(["in 0 1"]);
  });
});
