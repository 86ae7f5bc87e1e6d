/** AVX-512 in programs: single instructions, and moves of all vector and mask registers from and to memory. */
import { DATA, type Environment } from "../environment.ts";
import { ASKED_ROWS } from "../evex/check-evex.ts";
import { ZMM_BYTES, ZMMS } from "../evex/evex-case.ts";
import { drawEvex, encodeMove, MASKS, type MemoryOperand } from "../evex/evex-encoding.ts";
import { REGISTERS } from "../generate/draft.ts";
import type { Random } from "../random.ts";
import { Assembler, littleEndian } from "./assembler.ts";
import { SLOT_BYTES, WIDE_STATE } from "./program.ts";

type Instruction = readonly number[];

const MOVE = {
  vector: { load: "EVEX.512.F3.0F.W1 6F /r", store: "EVEX.512.F3.0F.W1 7F /r" },
  mask: { load: "VEX.L0.0F.W1 90 /r", store: "VEX.L0.0F.W1 91 /r" },
} as const;
/** All but rSP. */
const GENERAL = [0, 1, 2, 3, 5, 6, 7] as const;
/** Farthest a one-byte displacement reaches: it counts vectors. */
const REACH = 128 * ZMM_BYTES;

const vectorsIn = ({ codeBits }: Environment): number => (codeBits === 64 ? ZMMS : 8);

/** Operand [address], whose ModRM means the same in 32- and 64-bit code. */
function absolute({ codeBits, segments }: Environment, address: number): MemoryOperand {
  const offset = littleEndian(address - (codeBits === 64 ? 0 : segments.ds.base), 4);
  return codeBits === 64 ? { modrm: 4, tail: [0x25, ...offset] } : { modrm: 5, tail: offset };
}

/** Where vectors may be read and written, mostly aligned. */
function dataAddress(random: Random): number {
  const at = random.below(DATA.length - ZMM_BYTES);
  return DATA.address + (random.oneIn(3) ? at : at & -ZMM_BYTES);
}

/** A random instruction, with its memory operand in the data window; its base register comes before it, if it has one. */
export function wideStep(random: Random, environment: Environment): Instruction {
  const row = random.pick(ASKED_ROWS);
  const [head, memory] = random.oneIn(2)
    ? [[], absolute(environment, dataAddress(random))]
    : nearRegister(random, environment);
  const general = (): number => random.pick(GENERAL);
  return [...head, ...drawEvex(row, random, { vectors: vectorsIn(environment), general, memory })];
}

/** `mov rcx, address` and operand [rcx + disp8]. */
function nearRegister(random: Random, environment: Environment): [Instruction, MemoryOperand] {
  const base = environment.codeBits === 64 ? 0 : environment.segments.ds.base;
  const middle = DATA.address + (DATA.length >> 1) + ((random.below(REACH) & -ZMM_BYTES) >> 3);
  const move = new Assembler(environment).move(REGISTERS.rcx, BigInt(middle - base));
  return [move, { modrm: 0x40 | REGISTERS.rcx, tail: [(random.below(32) - 16) & 0xff] }];
}

/** Gives all vector and mask registers something. */
export function loadWideState(random: Random, environment: Environment): readonly Instruction[] {
  const load = (encoding: string, count: number): readonly Instruction[] =>
    Array.from({ length: count }, (_, reg) => encodeMove(encoding, reg, absolute(environment, dataAddress(random))));
  return [...load(MOVE.vector.load, vectorsIn(environment)), ...load(MOVE.mask.load, MASKS)];
}

/** Leaves all of them at {@link WIDE_STATE}. */
export function storeWideState(environment: Environment): readonly Instruction[] {
  const vectors = vectorsIn(environment);
  const store = (encoding: string, count: number, at: number, bytes: number): readonly Instruction[] =>
    Array.from({ length: count }, (_, reg) => encodeMove(encoding, reg, absolute(environment, at + reg * bytes)));
  return [
    ...store(MOVE.vector.store, vectors, WIDE_STATE, ZMM_BYTES),
    ...store(MOVE.mask.store, MASKS, WIDE_STATE + vectors * ZMM_BYTES, 8),
  ];
}

/** Instructions, by the slots they fill. */
export type WholeSlots = readonly (readonly Instruction[])[];

export function slotsOf(instructions: readonly Instruction[]): WholeSlots {
  const slots: Instruction[][] = [[]];
  let room = SLOT_BYTES;
  for (const instruction of instructions) {
    if (room < instruction.length) {
      slots.push([]);
      room = SLOT_BYTES;
    }
    slots.at(-1)?.push(instruction);
    room -= instruction.length;
  }
  return slots;
}
