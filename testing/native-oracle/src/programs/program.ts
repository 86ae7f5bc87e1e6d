/**
 * A program: user code in slots, and the state it starts from. Kept as bytes, with the places of its pieces, so that it can
 * be made smaller without being understood.
 *
 * 1. Code is a window of its own that the program may also write: 64 slots across a page's end, one of which ends in INT3.
 * 2. Behind a fault a program goes on at the next slot, on every engine (native/oracle.c, resume-handler.ts).
 * 3. Loops and calls count down numbers in the counters' window, which nothing else is aimed at, so programs end.
 */
import { FLAVOURS, type Flavour } from "../cpu-state.ts";
import {
  CODE,
  DATA,
  type Environment,
  environmentById,
  INT3,
  PAGE_BYTES,
  READ_ONLY,
  STACK,
  type Window,
} from "../environment.ts";
import type { Bytes, VectorInput } from "../vector.ts";
import type { ModeName } from "./mode.ts";

/** Bytes of a slot; faults lead to the next one. */
export const SLOT_BYTES = 64;
/** How many there are. */
export const SLOTS = 64;
/** Linear address of the first slot: one of them lies in two pages. */
export const FIRST_SLOT: number = CODE.address + 0x820;
/** Bytes of all slots. */
export const CODE_BYTES: number = SLOTS * SLOT_BYTES;
const CODE_WINDOW: Window = { ...CODE, length: 2 * PAGE_BYTES, writable: true };
/** How many faults a program goes on from. */
export const FAULT_LIMIT = 48;

/** Numbers that loops count down. */
export const COUNTERS: Window = { address: 0x2000, length: 0x1000, writable: true, executable: false };
/** Backward branches and calls left. */
export const FUEL: number = COUNTERS.address;
/** Sums of registers and carries, 8 bytes each: what a register held on the way shows at the end. */
export const SUMS: number = COUNTERS.address + 0x100;
/** Runs of the whole program left. */
export const TURNS: number = COUNTERS.address + 4;
/** Where programs with AVX-512 leave all vector and mask registers in the end. */
export const WIDE_STATE: number = COUNTERS.address + 0x400;

/** Like a vector's, but programs may change their code. */
export const PROGRAM_WINDOWS: readonly Window[] = [COUNTERS, DATA, READ_ONLY, CODE_WINDOW, STACK];

/**
 * The stack of programs without privilege, nothing below it: it does not run into the code, where random bytes would be executed, which may
 * be any of what makers do otherwise (seed 1130901471).
 */
const GUARDED_STACK: Window = { ...STACK, address: 0xc000 };
/** What programs without privilege have. */
export const USER_WINDOWS: readonly Window[] = [...PROGRAM_WINDOWS, GUARDED_STACK];

/** Bytes that can be replaced by NOPs together. */
export interface Piece {
  readonly offset: number;
  readonly length: number;
}

export interface Program {
  readonly environment: Environment;
  readonly seed: number;
  readonly flavour: Flavour;
  /** All slots. */
  readonly code: Uint8Array;
  readonly pieces: readonly Piece[];
  /** Memory that differs from the windows' contents. */
  readonly patches: readonly Bytes[];
  /** Stack pointer at the start. */
  readonly stackTop: number;
  /** Set for programs that are also the kernel; they run on our engines only. */
  readonly system?: SystemSetup;
  /** Set for programs with AVX-512, which not every host has. */
  readonly wide?: true;
}

/** How a program with privileged instructions starts, and what happens to it from outside. */
export interface SystemSetup {
  readonly privilege: 0 | 3;
  /** Instruction counts, ascending, behind which an interrupt comes as soon as it may. */
  readonly interruptsAt: readonly number[];
  /** Set where interrupts are such as programs cannot notice: from other machines' timers they come when they like. */
  readonly clocks?: Clocks;
  /** Long mode where it is not set. */
  readonly mode?: ModeName;
}

/** Periods of timers, 0 for none: of the PIT in its own ticks (1.193 MHz), of the local APIC in its (1 GHz in QEMU). */
export interface Clocks {
  readonly pit: number;
  readonly apic: number;
}

const FORM = { encoding: "", mnemonic: "PROGRAM", operands: [] } as const;
/** Where the stack begins, of programs with privilege and without: in the middle of its window, so that both directions have room. */
const STACK_TOP: number = STACK.address + 0x800;
export const GUARDED_STACK_TOP: number = GUARDED_STACK.address + 0x800;
/** The stack pointer of programs with privilege. */
export const privilegedStackTop = ({ segments }: Environment): number => STACK_TOP - segments.ss.base;
const RSP = 4;
const NOP = 0x90;

/** The program as the harness takes it. */
export function inputOf({ environment, seed, flavour, code, patches, stackTop }: Program): VectorInput {
  const overrides = new Map([[RSP, BigInt(stackTop)]]);
  return { form: FORM, environment, codeAddress: FIRST_SLOT, code, seed, flavour, overrides, patches };
}

/** The program with NOPs in place of some of its pieces. */
export function withoutPieces(program: Program, pieces: readonly Piece[]): Program {
  const code = program.code.slice();
  for (const { offset, length } of pieces) code.fill(NOP, offset, offset + length);
  return { ...program, code, pieces: program.pieces.filter((piece) => !pieces.includes(piece)) };
}

/** How programs are kept in `fuzz/cases`. */
interface ProgramFile {
  readonly environment: number;
  readonly seed: number;
  readonly flavour: string;
  readonly slots: readonly string[];
  readonly patches: Readonly<Record<string, string>>;
  /** That of programs with privilege where it is not set. */
  readonly stackTop?: number;
  readonly system?: SystemSetup;
  readonly wide?: true;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Text for a file: code by slots, without the filler behind it. */
export function writeProgram(program: Program): string {
  const { environment, seed, flavour, code, patches, stackTop, system, wide } = program;
  const slots = Array.from({ length: SLOTS }, (_, i) => hex(code.subarray(i * SLOT_BYTES, (i + 1) * SLOT_BYTES)));
  const last = slots.findLastIndex((slot) => slot !== hex(new Uint8Array(SLOT_BYTES).fill(INT3)));
  const file: ProgramFile = {
    environment: environment.id,
    seed,
    flavour,
    slots: slots.slice(0, last + 1).map((slot) => slot.replace(/(90)+$/, "")),
    patches: Object.fromEntries(patches.map(({ address, bytes }) => [address.toString(16), hex(bytes)])),
    ...(stackTop !== privilegedStackTop(environment) && { stackTop }),
    ...(system && { system }),
    ...(wide && { wide }),
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/** Reads what {@link writeProgram} wrote. @throws RangeError when it is no program. */
export function readProgram(text: string): Program {
  const file = JSON.parse(text) as ProgramFile;
  const environment = environmentById(file.environment);
  const flavour = FLAVOURS.find((name) => name === file.flavour);
  if (!environment || !flavour || file.slots.length > SLOTS) throw new RangeError("not a program");
  const code = new Uint8Array(CODE_BYTES).fill(INT3);
  for (const [i, slot] of file.slots.entries()) {
    code.fill(NOP, i * SLOT_BYTES, (i + 1) * SLOT_BYTES);
    code.set(Buffer.from(slot, "hex"), i * SLOT_BYTES);
  }
  const patches = Object.entries(file.patches).map(([address, bytes]) => ({
    address: Number.parseInt(address, 16),
    bytes: Uint8Array.from(Buffer.from(bytes, "hex")),
  }));
  const { seed, stackTop = privilegedStackTop(environment) } = file;
  const program = { environment, seed, flavour, code, pieces: [], patches, stackTop };
  return { ...program, ...(file.system && { system: file.system }), ...(file.wide && { wide: file.wide }) };
}
