import { type CpuState, createInitialState, type Flavour, FXSAVE } from "./cpu-state.ts";
import type { Environment } from "./environment.ts";

/** A line of the manual's opcode column: what a vector is an example of. */
export interface FormName {
  readonly encoding: string;
  readonly mnemonic: string;
  readonly operands: readonly string[];
}

/** Bytes at a linear address. */
export interface Bytes {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** General registers in encoding order. */
export const GENERAL_REGISTERS: readonly string[] = [
  ...["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
];

/** What a vector may set over the seeded state. Order is the file format's. */
export const OVERRIDABLE = [...GENERAL_REGISTERS, "rflags"] as const;
/** Index of RFLAGS among the overrides; smaller ones are general registers in encoding order. */
export const RFLAGS_OVERRIDE = 16;

/** Index of a quarter of a YMM register among the overrides, the lowest 64 bits being quarter 0. */
export const vectorOverride = (register: number, quarter: number): number =>
  RFLAGS_OVERRIDE + 1 + register * 4 + quarter;

/** A single instruction and the state to run it from. */
export interface VectorInput {
  readonly form: FormName;
  readonly environment: Environment;
  /** Linear address of the first code byte. */
  readonly codeAddress: number;
  readonly code: Uint8Array;
  readonly seed: number;
  readonly flavour: Flavour;
  /** Values set over the seeded state, by index in {@link OVERRIDABLE} or by {@link vectorOverride}. */
  readonly overrides: ReadonlyMap<number, bigint>;
  /** Memory that differs from the windows' contents, code excluded. */
  readonly patches: readonly Bytes[];
}

/** A fault or trap the instruction raised, as the CPU reports it. `cr2` only for #PF. */
export interface VectorException {
  readonly vector: number;
  readonly errorCode: number;
  readonly cr2: bigint;
}

/** What an instruction left. `writes` are runs of changed bytes in address order; a store of the same value does not show. */
export interface VectorOutcome {
  readonly exception: VectorException | undefined;
  readonly state: CpuState;
  readonly writes: readonly Bytes[];
}

/** A recorded instruction: what the real CPU did is rebuilt on demand from the differences in the file. */
export interface Vector extends VectorInput {
  expected(): VectorOutcome;
}

/** What is tested: anything that can run one instruction from a given state. */
export interface VectorEngine {
  readonly name: string;
  run(vector: VectorInput): VectorOutcome;
}

/** The state `input` starts from; the caller owns it. */
export function initialStateOf(input: VectorInput): CpuState {
  const { environment } = input;
  const state = createInitialState(environment, input.seed, input.flavour);
  for (const [index, value] of input.overrides) {
    if (index === RFLAGS_OVERRIDE) state.rflags = Number(value);
    else if (index > RFLAGS_OVERRIDE) overrideVector(state, index - RFLAGS_OVERRIDE - 1, value);
    else state.gpr[index] = environment.codeBits === 64 ? value : value & 0xffff_ffffn;
  }
  const codeBase = environment.codeBits === 64 ? 0 : environment.segments.cs.base;
  state.rip = BigInt(input.codeAddress - codeBase);
  return state;
}

function overrideVector({ fxsave }: CpuState, quarter: number, value: bigint): void {
  const half = (quarter & 2) === 0 ? FXSAVE.xmm : FXSAVE.ymm;
  new DataView(fxsave.buffer).setBigUint64(half + (quarter >> 2) * 16 + (quarter & 1) * 8, value, true);
}

/** "01 /r ADD Ev,Gv". */
export function formLabel({ encoding, mnemonic, operands }: FormName): string {
  return `${encoding} ${mnemonic}${operands.length > 0 ? ` ${operands.join(",")}` : ""}`;
}
