/** Runs programs on two engines and tells the first difference. */
import type { Difference } from "../compare.ts";
import { EVEX_NEEDS, missingOnHost } from "../evex/evex-host.ts";
import { type ProgramOutcome, runProgramsOnHost } from "../native-harness.ts";
import { compareMachines, firstDifference } from "./compare-machines.ts";
import { compareEngines, compareWithHost } from "./compare-programs.ts";
import { sceneOf } from "./fault-scene.ts";
import { generateProgram } from "./generate-program.ts";
import { knownInScene, STALE_TRANSLATIONS } from "./known-in-scene.ts";
import { knownOnHost } from "./known-on-host.ts";
import type { ModeName } from "./mode.ts";
import { overwritesItself } from "./own-bytes.ts";
import { CODE_BYTES, FAULT_LIMIT, FIRST_SLOT, inputOf, type Program, SLOT_BYTES, USER_WINDOWS } from "./program.ts";
import { createProgramEngine, type ProgramEngine } from "./program-engine.ts";
import type { QemuOutcome } from "./qemu-engine.ts";
import type { LoggedFault } from "./resume-handler.ts";
import { settleProgram } from "./settle.ts";
import { strayInstruction, strayOnHost } from "./stray-instructions.ts";
import { compareSystems, forgetTranslations, SystemEngine, type SystemOutcome } from "./system-engine.ts";
import { isPrivileged, type Vocabulary } from "./vocabulary.ts";

/** Blocks are translated when they are entered the second time. */
const HEAT_LIMIT = 2;

/** What was compared: programs that an engine could not finish are not. */
export interface CheckCounts {
  programs: number;
  instructions: number;
  regions: number;
  faults: number;
  interrupts: number;
  /** Timer interrupts of QEMU's. */
  ticks: number;
  /** Programs that did not end in time, or about which the host tells nothing. */
  passedOver: number;
}

/** What the counts need of an outcome. */
interface Counted {
  readonly instructions: number;
  readonly regions: number;
  readonly faults: readonly unknown[];
  readonly interrupts?: number;
}

/** Compares the interpreter with regions, and the interpreter with the host's CPU where outcomes of it are given. */
export class ProgramChecker {
  readonly counts: CheckCounts = {
    programs: 0,
    instructions: 0,
    regions: 0,
    faults: 0,
    interrupts: 0,
    ticks: 0,
    passedOver: 0,
  };
  /** Differences that are nobody's mistake, or QEMU's: how often each reason was given. */
  readonly known = new Map<string, number>();
  readonly #interpreter: ProgramEngine = createProgramEngine("interpreter", { heatLimit: 0 });
  readonly #regions: ProgramEngine = createProgramEngine("regions", { heatLimit: HEAT_LIMIT });
  readonly #systemInterpreter = new SystemEngine({ heatLimit: 0 });
  readonly #systemRegions = new SystemEngine({ heatLimit: HEAT_LIMIT });

  /** The program that `seed` stands for. @param mode of privileged programs; any where it is not given. */
  generate(seed: number, vocabulary: Vocabulary, mode?: ModeName): Program {
    const engine = isPrivileged(vocabulary) ? this.#systemInterpreter : this.#interpreter;
    return settleProgram(generateProgram(seed, vocabulary, mode), (program) => engine.run(program)?.faults);
  }

  /** Differences of regions from the interpreter. An engine that throws differs in that. */
  checkEngines(program: Program): readonly Difference[] {
    if (program.system !== undefined) {
      const differences = this.#check(
        () => this.#systemInterpreter.run(program),
        () => this.#systemRegions.run(program),
        compareSystems,
      );
      return differences.length > 0 && this.#usesStaleTranslations(program)
        ? this.#note(STALE_TRANSLATIONS)
        : differences;
    }
    return this.#check(
      () => this.#interpreter.run(program),
      () => this.#regions.run(program),
      (a, b) => compareEngines(program, a, b),
    );
  }

  #check<T extends Counted>(
    interpret: () => T | undefined,
    translate: () => T | undefined,
    compare: (a: T, b: T) => readonly Difference[],
  ): readonly Difference[] {
    const interpreted = interpret();
    const translated = attempt(translate);
    if (translated instanceof Error) return [{ field: "regions", expected: "an outcome", actual: translated.message }];
    if (interpreted === undefined && translated === undefined) return this.#passOver();
    if (interpreted === undefined || translated === undefined)
      return [{ field: "end", expected: String(interpreted !== undefined), actual: String(translated !== undefined) }];
    this.#count(translated);
    return compare(interpreted, translated);
  }

  /** Differences of both from the host. */
  checkAgainstHost(program: Program, host: ProgramOutcome | undefined): readonly Difference[] {
    const interpreted = host && this.#interpreter.run(program);
    if (host === undefined || interpreted === undefined) return this.#passOver();
    const reason = knownOnHost(program, host, interpreted);
    if (reason !== undefined) return this.#excuse(program, reason);
    const differences = compareWithHost(program, host, interpreted);
    if (differences.length === 0) return this.checkEngines(program);
    const left = this.#leftToProcessor(program);
    return left === undefined
      ? differences
      : this.#excuse(program, `what was executed leaves to the processor what it does: ${left}`);
  }

  /** Told by running the program once more. */
  #leftToProcessor(program: Program): string | undefined {
    if (overwritesItself(this.#interpreter, program)) return "a repeated store over its own bytes";
    // Seed 1231004111: AAD out of the middle of a CALL, and ADC behind it.
    return strayOnHost(this.#interpreter, program);
  }

  /** Whether a privileged program comes to its end. */
  ends(program: Program): boolean {
    return this.#systemInterpreter.run(program)?.exit === "hlt";
  }

  /** Differences of both from QEMU. */
  checkAgainstQemu(program: Program, qemu: QemuOutcome): readonly Difference[] {
    if (qemu !== undefined && "failure" in qemu) return this.#excuse(program, `QEMU does not survive: ${qemu.failure}`);
    const interpreted = qemu && this.#systemInterpreter.run(program);
    // What lies outside of RAM is another machine's.
    if (qemu === undefined || interpreted?.exit !== "hlt" || interpreted.accesses.length > 0) return this.#passOver();
    this.counts.ticks += qemu.ticks;
    const differences = compareMachines(program, qemu, interpreted);
    if (typeof differences === "string") return this.#excuse(program, differences);
    if (differences.length === 0) return this.checkEngines(program);
    const reason = this.#reasonInRun(program, qemu.faults, interpreted);
    return reason === undefined ? differences : this.#excuse(program, reason);
  }

  /** Told by running the program once more. */
  #reasonInRun(program: Program, qemu: readonly LoggedFault[], { faults }: SystemOutcome): string | undefined {
    if (this.#usesStaleTranslations(program)) return STALE_TRANSLATIONS;
    const at = firstDifference(qemu, faults);
    const ours = faults[at];
    const scene = ours && sceneOf(this.#systemInterpreter, program, at, ours);
    const reason = ours && scene && knownInScene(qemu[at], ours, scene, program);
    if (reason !== undefined) return reason;
    const stray = strayInstruction(this.#systemInterpreter, program, ours === undefined ? FAULT_LIMIT : at);
    return stray && `what was executed is nothing that programs for QEMU are made of: ${stray}`;
  }

  /** The reason is counted; our engines are compared all the same. */
  #excuse(program: Program, reason: string): readonly Difference[] {
    this.#note(reason);
    return this.checkEngines(program);
  }

  #note(reason: string): readonly Difference[] {
    this.known.set(reason, (this.known.get(reason) ?? 0) + 1);
    return [];
  }

  /** Whether the interpreter ends otherwise when it has no TLB. How often repeated instructions are begun depends on that, too. */
  #usesStaleTranslations(program: Program): boolean {
    const remembering = this.#systemInterpreter.run(program);
    const forgetful = this.#systemInterpreter.run(program, forgetTranslations);
    if (remembering === undefined || forgetful === undefined) return remembering !== forgetful;
    return compareSystems(remembering, { ...forgetful, instructions: remembering.instructions }).length > 0;
  }

  #passOver(): readonly Difference[] {
    this.counts.passedOver++;
    return [];
  }

  #count({ instructions, regions, faults, interrupts = 0 }: Counted): void {
    this.counts.programs++;
    this.counts.instructions += instructions;
    this.counts.regions += regions;
    this.counts.faults += faults.length;
    this.counts.interrupts += interrupts;
  }
}

function attempt<T>(run: () => T): T | Error {
  try {
    return run();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** What the host's CPU makes of each program; undefined where it lacks instructions. */
export function runOnHostCpu(programs: readonly Program[]): readonly (ProgramOutcome | undefined)[] {
  const resumption = {
    codeAddress: FIRST_SLOT,
    codeLength: CODE_BYTES,
    faultLimit: FAULT_LIMIT,
    slotBytes: SLOT_BYTES,
  };
  const lacksAvx512 = missingOnHost(EVEX_NEEDS).length > 0;
  const runnable = programs.filter(({ wide }) => !wide || !lacksAvx512);
  const outcomes = runProgramsOnHost(runnable.map(inputOf), USER_WINDOWS, resumption);
  const outcomeOf = new Map(runnable.map((program, i) => [program, outcomes[i]]));
  return programs.map((program) => outcomeOf.get(program));
}
