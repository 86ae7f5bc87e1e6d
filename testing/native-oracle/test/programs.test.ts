// Random programs in short; `pnpm fuzz` is the long form. What it finds is kept in fuzz/cases/programs.
import { describe, expect, it } from "vitest";
import { EVEX_NEEDS, missingOnHost } from "../src/evex/evex-host.ts";
import type { ProgramOutcome } from "../src/native-harness.ts";
import { keptPrograms } from "../src/programs/cases.ts";
import { ProgramChecker, runOnHostCpu } from "../src/programs/check-programs.ts";
import { generateProgram } from "../src/programs/generate-program.ts";
import { STALE_TRANSLATIONS } from "../src/programs/known-in-scene.ts";
import { FIRST_SLOT, GUARDED_STACK_TOP, type Program, readProgram, writeProgram } from "../src/programs/program.ts";
import { createProgramEngine } from "../src/programs/program-engine.ts";
import { qemuVersion, runOnQemu } from "../src/programs/qemu-engine.ts";
import { shrinkProgram } from "../src/programs/shrink.ts";

/** Of tests that take a minute or less on a quiet machine; those of long fuzzing run beside them. */
const TIMEOUT_MS = 400_000;
const seeds = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

describe("random programs", () => {
  it("end the same in regions as interpreted", { timeout: TIMEOUT_MS }, () => {
    const checker = new ProgramChecker();
    let wide = 0;
    for (const seed of seeds(1, 130)) {
      const program = checker.generate(seed, "all");
      if (program.wide) wide++;
      expect({ seed, differences: checker.checkEngines(program) }).toEqual({ seed, differences: [] });
    }
    expect(wide).toBeGreaterThan(10);
    // That they reach what they are made for.
    expect(checker.counts.regions).toBeGreaterThan(500);
    expect(checker.counts.faults).toBeGreaterThan(500);
    expect(checker.counts.passedOver).toBeLessThan(15);
  });

  it("with privilege end the same, wherever they are interrupted", { timeout: TIMEOUT_MS }, () => {
    const checker = new ProgramChecker();
    const widths = new Set<number>();
    const modes = new Set<string | undefined>();
    for (const seed of seeds(20_001, 80)) {
      const program = checker.generate(seed, "system");
      widths.add(program.environment.codeBits);
      modes.add(program.system?.mode);
      expect({ seed, differences: checker.checkEngines(program) }).toEqual({ seed, differences: [] });
    }
    expect(checker.counts.regions).toBeGreaterThan(500);
    expect(checker.counts.interrupts).toBeGreaterThan(30);
    expect(widths).toEqual(new Set([16, 32, 64]));
    expect(modes).toEqual(new Set([undefined, "paging32", "pae", "real", "vm86"]));
    expect(checker.counts.passedOver).toBeLessThan(15);
  });

  it.each(["real", "vm86"] as const)(
    "where selectors are paragraphs (%s) end the same, wherever they are interrupted",
    { timeout: TIMEOUT_MS },
    (mode) => {
      const checker = new ProgramChecker();
      for (const seed of seeds(40_001, 40)) {
        const program = checker.generate(seed, "system", mode);
        expect({ seed, differences: checker.checkEngines(program) }).toEqual({ seed, differences: [] });
      }
      expect(checker.counts.faults).toBeGreaterThan(100);
      expect(checker.counts.interrupts).toBeGreaterThan(15);
      expect(checker.counts.passedOver).toBeLessThan(8);
    },
  );

  it("end as on the host's CPU", { timeout: TIMEOUT_MS }, () => {
    const checker = new ProgramChecker();
    const lacksAvx512 = missingOnHost(EVEX_NEEDS).length > 0;
    const made = seeds(10_001, 150).map((seed) => ({ seed, program: checker.generate(seed, "defined") }));
    const able = made.filter(({ program }) => !program.wide || !lacksAvx512);
    for (const [i, outcome] of runOnHostCpu(able.map(({ program }) => program)).entries()) {
      const { seed, program } = able[i] as (typeof able)[number];
      expect({ seed, differences: checker.checkAgainstHost(program, outcome) }).toEqual({ seed, differences: [] });
    }
    expect(checker.counts.passedOver).toBeLessThan(30);
  });

  it.runIf(qemuVersion() !== undefined)("with privilege end as on QEMU", { timeout: TIMEOUT_MS }, () => {
    const checker = new ProgramChecker();
    const programs = seeds(30_001, 20).map((seed) => checker.generate(seed, "machine"));
    const ending = programs.filter((program) => checker.ends(program));
    for (const [i, outcome] of runOnQemu(ending).entries()) {
      const program = ending[i] as Program;
      const differences = checker.checkAgainstQemu(program, outcome);
      expect(differences, `seed ${30_001 + programs.indexOf(program)}`).toEqual([]);
    }
    expect(checker.counts.programs).toBeGreaterThan(10);
    expect(checker.counts.passedOver).toBeLessThan(5);
    expect(new Set(programs.map(({ environment }) => environment.codeBits))).toEqual(new Set([16, 32, 64]));
    expect([checker.counts.interrupts > 0, checker.counts.ticks > 50]).toEqual([true, true]);
  });

  it.runIf(qemuVersion() !== undefined).each(["paging32", "pae", "real", "vm86"] as const)(
    "in legacy mode (%s) end as on QEMU",
    { timeout: TIMEOUT_MS },
    (mode) => {
      const checker = new ProgramChecker();
      const programs = seeds(31_001, 18).map((seed) => checker.generate(seed, "machine", mode));
      const ending = programs.filter((program) => checker.ends(program));
      for (const [i, outcome] of runOnQemu(ending).entries()) {
        const program = ending[i] as Program;
        const differences = checker.checkAgainstQemu(program, outcome);
        expect(differences, `seed ${31_001 + programs.indexOf(program)}`).toEqual([]);
      }
      expect(checker.counts.programs).toBeGreaterThan(8);
      expect(checker.counts.ticks > 0).toBe(mode !== "real");
    },
  );

  it("without privilege do not push into their code", () => {
    // push rax; jmp to it
    const checker = new ProgramChecker();
    const program = { ...generateProgram(7, "defined"), stackTop: GUARDED_STACK_TOP };
    program.code.set([0x50, 0xeb, 0xfd]);
    expect(generateProgram(7, "defined").stackTop).toBe(GUARDED_STACK_TOP);
    const [host] = runOnHostCpu([program]);
    expect(host?.faults[0]).toMatchObject({ vector: 14, errorCode: 6, rip: BigInt(FIRST_SLOT) });
    expect(Number(host?.faults[0]?.cr2) >> 12).toBe((GUARDED_STACK_TOP >> 12) - 1);
    expect(checker.checkAgainstHost(program, host)).toEqual([]);
  });

  it("are the same for a seed, and as files", () => {
    const program = generateProgram(7, "all");
    expect(generateProgram(7, "all")).toEqual(program);
    const { code, patches, stackTop } = readProgram(writeProgram(program));
    expect([code, stackTop]).toEqual([program.code, program.stackTop]);
    const checker = new ProgramChecker();
    expect(checker.checkEngines({ ...program, patches })).toEqual([]);
  });
});

const kept = keptPrograms();
describe.runIf(kept.length > 0)("programs that once differed", () => {
  const checker = new ProgramChecker();
  it.each(kept)("%s", (_, program) => expect(checker.checkEngines(program)).toEqual([]));

  it("are not all excused", () => {
    const fresh = new ProgramChecker();
    for (const [, program] of kept) fresh.checkEngines(program);
    // Seed 1130511303.
    expect([...fresh.known]).toEqual([[STALE_TRANSLATIONS, 1]]);
  });

  it("may end on the host as it is interrupted, if a repeated store overwrites itself", () => {
    const fresh = new ProgramChecker();
    const endOtherwise = (name: string): number => {
      const [, program] = kept.find(([each]) => each === name) as (typeof kept)[number];
      const outcome = createProgramEngine("interpreter", { heatLimit: 0 }).run(program) as ProgramOutcome;
      const gpr = outcome.state.gpr.map((value) => value ^ 0x85n);
      return fresh.checkAgainstHost(program, { ...outcome, state: { ...outcome.state, gpr } }).length;
    };
    expect(endOtherwise("host-1300065235")).toBeGreaterThan(0);
    expect(fresh.known.size).toBe(0);
    expect(endOtherwise("host-1130617270")).toBe(0);
    expect([...fresh.known.keys()]).toEqual([expect.stringContaining("over its own bytes")]);
  });

  it("do not differ from the host either", { timeout: TIMEOUT_MS }, () => {
    const programs = kept.filter(([name]) => name.startsWith("host-")).map(([, program]) => program);
    for (const [i, outcome] of runOnHostCpu(programs).entries())
      expect(checker.checkAgainstHost(programs[i] as Program, outcome)).toEqual([]);
  });
});

describe.runIf(qemuVersion() !== undefined)("programs that once differed from QEMU", () => {
  it("do not any more", { timeout: TIMEOUT_MS }, () => {
    const programs = kept.filter(([name]) => name.startsWith("qemu-")).map(([, program]) => program);
    expect(programs.length).toBeGreaterThan(0);
    const checker = new ProgramChecker();
    for (const [i, outcome] of runOnQemu(programs).entries())
      expect(checker.checkAgainstQemu(programs[i] as Program, outcome)).toEqual([]);
  });
});

describe.runIf(qemuVersion() !== undefined)("QEMU", () => {
  it("is begun anew behind a program that leaves VIF", { timeout: TIMEOUT_MS }, () => {
    const checker = new ProgramChecker();
    const [, breaking] = kept.find(([name]) => name === "qemu-1133810580") ?? [];
    const next = checker.generate(1133810582, "machine");
    const [, outcome] = runOnQemu([breaking as Program, next]);
    expect(checker.checkAgainstQemu(next, outcome)).toEqual([]);
    expect(checker.counts).toMatchObject({ programs: 1, passedOver: 0 });
  });

  /** @param slot code in hex */
  const privileged = (slot: string): Program =>
    readProgram(
      JSON.stringify({
        environment: 2,
        seed: 1,
        flavour: "integer",
        slots: [slot],
        patches: {},
        system: { privilege: 0, interruptsAt: [] },
      }),
    );

  it("does not survive LTR of a null selector, and the next program runs", { timeout: TIMEOUT_MS }, () => {
    const checker = new ProgramChecker();
    // xor eax, eax; ltr ax; int3, and int3
    const programs = [privileged("31c00f00d8cc"), privileged("cc")];
    const outcomes = runOnQemu(programs);
    expect(outcomes[0]).toEqual({ failure: "qemu: fatal: invalid tss" });
    expect(outcomes[1]).toHaveProperty("faults", []);
    for (const [i, outcome] of outcomes.entries())
      expect(checker.checkAgainstQemu(programs[i] as Program, outcome)).toEqual([]);
    expect([...checker.known]).toEqual([["QEMU does not survive: qemu: fatal: invalid tss", 1]]);
  });
});

describe("shrinking", () => {
  it("leaves the pieces and patches that a failure needs", () => {
    const program = generateProgram(4, "all");
    const needed = program.pieces[5];
    const patch = program.patches[2];
    const fails = ({ pieces, patches }: Program): boolean =>
      pieces.some((piece) => piece === needed) && patches.some((other) => other === patch);
    const smaller = shrinkProgram(program, (candidates) => candidates.map(fails));
    expect([smaller.pieces, smaller.patches]).toEqual([[needed], [patch]]);
  });

  it("leaves one of two pieces that do the same", () => {
    const program = generateProgram(4, "all");
    const either = program.pieces.slice(7, 9);
    const fails = ({ pieces }: Program): boolean => either.some((piece) => pieces.includes(piece));
    const { pieces } = shrinkProgram(program, (candidates) => candidates.map(fails));
    expect(pieces.length).toBe(1);
    expect(either).toContain(pieces[0]);
  });
});
