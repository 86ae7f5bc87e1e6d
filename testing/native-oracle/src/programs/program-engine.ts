/** Programs on our accelerator: interpreted, or in regions as soon as there can be one. */
import type { TcgOptions } from "@tsvm/accel-tcg";
import { VISIBLE_FLAGS } from "../cpu-state.ts";
import { SEGMENT_NAMES, windowContents } from "../environment.ts";
import type { ProgramOutcome } from "../native-harness.ts";
import {
  changedRuns,
  createGuest,
  type Guest,
  patchMapped,
  registersOf,
  stateOf,
  type WindowCopy,
} from "../tcg-engine.ts";
import { initialStateOf } from "../vector.ts";
import { FAULT_LIMIT, inputOf, type Program, USER_WINDOWS } from "./program.ts";
import { readFaultLog, readFinalFrame, writeResumeHandler } from "./resume-handler.ts";
import { type Observer, STOPPED, step } from "./step.ts";

/** Instructions after which a program is given up: REP among many turns can take that long. */
const BUDGET = 1_000_000;
const PAGE_FAULT = 14;
/** With AVX-512: x87, SSE, AVX, its three parts, PKRU. */
const WIDE_REGISTERS = { xcr0: 0x2e7n } as const;
const [CS, SS] = [SEGMENT_NAMES.indexOf("cs"), SEGMENT_NAMES.indexOf("ss")];

/** What a program left and how long it took. */
export interface EngineOutcome extends ProgramOutcome {
  readonly instructions: number;
  /** Regions made. */
  readonly regions: number;
}

/** Something that runs programs; undefined for one that does not end. */
export interface ProgramEngine {
  readonly name: string;
  run(program: Program, observer?: Observer): EngineOutcome | undefined;
}

/** An engine of ours, with nothing of one program left for the next. */
export function createProgramEngine(name: string, options: Partial<TcgOptions>): ProgramEngine {
  const guest = createGuest(USER_WINDOWS, options);
  const copies = USER_WINDOWS.map((window): WindowCopy => {
    const pristine = windowContents(window);
    return { window, pristine, before: pristine.slice() };
  });
  return { name, run: (program, observer) => runProgram(guest, copies, program, observer) };
}

function runProgram(
  guest: Guest,
  copies: readonly WindowCopy[],
  program: Program,
  observer?: Observer,
): EngineOutcome | undefined {
  const { ram, view, vm, vcpu } = guest;
  const input = inputOf(program);
  for (const { window, pristine } of copies) ram.set(pristine, window.address);
  ram.set(input.code, input.codeAddress);
  for (const { address, bytes } of input.patches) patchMapped(ram, address, bytes, USER_WINDOWS);
  for (const { window, before } of copies) before.set(ram.subarray(window.address, window.address + window.length));
  writeResumeHandler(view, FAULT_LIMIT);
  vm.noteHostWrite(0, ram.length);
  guest.restartClock();
  const registers = registersOf(program.environment, initialStateOf(input));
  vcpu.restore({ regs: program.wide ? { ...registers, ...WIDE_REGISTERS } : registers });
  const before = { instructions: vcpu.instructionCount, regions: regionsMade(guest) };
  const reason = observer === undefined ? vcpu.run(BUDGET).reason : step(vcpu, BUDGET, () => observer(guest));
  if (reason === "intr" || reason === STOPPED) return undefined;
  if (reason !== "hlt") throw new Error(`stopped by ${reason}: ${vcpu.describe()}`);
  return {
    ...outcomeOf(guest, program, copies),
    instructions: vcpu.instructionCount - before.instructions,
    regions: regionsMade(guest) - before.regions,
  };
}

const regionsMade = ({ vcpu }: Guest): number =>
  (vcpu as unknown as { counters: { regionsMade: number } }).counters.regionsMade;

function outcomeOf(
  { vcpu, view, ram }: Guest,
  { environment }: Program,
  copies: readonly WindowCopy[],
): ProgramOutcome {
  const { regs } = vcpu.save();
  const register = (name: string): bigint => regs[name] ?? 0n;
  const frame = readFinalFrame(view, register("rip"), register("rsp"));
  if (!frame) throw new Error(`halted outside the handler:\n${vcpu.describe()}`);
  const state = stateOf(environment, register);
  state.rip = frame.rip;
  state.rflags = (frame.rflags & VISIBLE_FLAGS) | 2;
  state.gpr[4] = environment.codeBits === 64 ? frame.rsp : frame.rsp & 0xffff_ffffn;
  state.selectors[CS] = frame.cs;
  state.selectors[SS] = frame.ss;
  const { vector, errorCode } = frame;
  const exception = { vector, errorCode, cr2: vector === PAGE_FAULT ? register("cr2") : 0n };
  return { exception, state, writes: changedRuns(ram, copies), faults: readFaultLog(view) };
}
