/**
 * Random programs. The first slots are the main part, in a loop; behind it stand functions, which call only functions behind
 * them. A slot is a few instructions out of the forms, then a way on: the next slot, a branch, a call, a computed jump.
 */

import { FLAVOURS } from "../cpu-state.ts";
import { CODE, DATA, type Environment, INT3, READ_ONLY, segmentBase } from "../environment.ts";
import { type Draft, REGISTERS } from "../generate/draft.ts";
import { encode, MAX_INSTRUCTION_BYTES } from "../generate/encode.ts";
import { draftInstruction } from "../generate/generate.ts";
import { createRandom, type Random } from "../random.ts";
import { type Bytes, RFLAGS_OVERRIDE } from "../vector.ts";
import { Assembler, littleEndian } from "./assembler.ts";
import { MODE_NAMES, type ModeName, modeNamed } from "./mode.ts";
import { isOtherInQemu } from "./other-in-qemu.ts";
import { privilegedStep } from "./privileged-steps.ts";
import {
  type Clocks,
  CODE_BYTES,
  FIRST_SLOT,
  FUEL,
  GUARDED_STACK_TOP,
  type Piece,
  type Program,
  privilegedStackTop,
  SLOT_BYTES,
  SLOTS,
  SUMS,
  type SystemSetup,
  TURNS,
} from "./program.ts";
import type { Place } from "./system-steps.ts";
import { isPrivileged, needsDefinedFlags, pickForm, type Vocabulary } from "./vocabulary.ts";
import { loadWideState, slotsOf, storeWideState, type WholeSlots, wideStep } from "./wide-steps.ts";

const NOP = 0x90;
const RET = 0xc3;
const LOCK = 0xf0;
const REPEATS = [0xf2, 0xf3] as const;
const { rcx, rsp, rdi } = REGISTERS;
const SEEDS = 1 << 14;
const DF = 0x400n;
/** Room a slot keeps for its way on. */
const TAIL_BYTES = 24;
/** The condition "not sign", behind a counter that was decremented. */
const NS = 9;

/** Where a change of code may go: an immediate or an operation of an instruction made for that. */
interface Mutable {
  readonly immediate: number;
  readonly operation: number;
}

/** The program that `seed` stands for, before it is settled. @param mode of privileged programs; any where it is not given. */
export function generateProgram(seed: number, vocabulary: Vocabulary, mode?: ModeName): Program {
  return new ProgramWriter(createRandom(seed), vocabulary, mode).write();
}

class ProgramWriter {
  readonly #random: Random;
  readonly #vocabulary: Vocabulary;
  readonly #modeName: ModeName;
  readonly #environment: Environment;
  /** Set for half of those that run on other machines. */
  readonly #clocks: Clocks | undefined;
  readonly #assembler: Assembler;
  readonly #code = new Uint8Array(CODE_BYTES).fill(INT3);
  readonly #pieces: Piece[] = [];
  readonly #patches: Bytes[] = [];
  readonly #mutable: Mutable[] = [];
  /** Slots that functions begin in. */
  readonly #functions: number[] = [];
  readonly #isWide: boolean;
  /** Slots that are executed once: before the first turn, and behind the last. */
  readonly #before: WholeSlots;
  readonly #behind: WholeSlots;
  /** Where the main part begins, the slot behind it, which ends a turn, and what comes behind the program's end. */
  readonly #firstSlot: number;
  readonly #endSlot: number;
  readonly #firstFunction: number;
  readonly #usedSlots: number;
  readonly #changesItself: boolean;
  readonly #stackTop: number;
  readonly #splitsLargePages: boolean;
  /** Next free byte, as a linear address. */
  #at = FIRST_SLOT;
  /** A step of the slot before left the stack pointer somewhere else, if it had a fault. */
  #movesStack = false;

  constructor(random: Random, vocabulary: Vocabulary, mode: ModeName | undefined) {
    this.#random = random;
    this.#vocabulary = vocabulary;
    // What QEMU does otherwise in legacy mode is not all known yet: there it is asked for.
    const any = vocabulary === "system" ? random.pick(MODE_NAMES) : "long";
    this.#modeName = isPrivileged(vocabulary) ? (mode ?? any) : "long";
    this.#environment = random.pick(modeNamed(this.#modeName).environments);
    this.#assembler = new Assembler(this.#environment);
    // In real-address mode there is no stack for interrupts but the program's.
    const mayTick = vocabulary === "machine" && random.oneIn(2) && this.#modeName !== "real";
    if (mayTick) this.#clocks = chooseClocks(random);
    this.#changesItself = random.oneIn(3);
    this.#splitsLargePages = random.oneIn(2);
    this.#stackTop = isPrivileged(vocabulary) ? privilegedStackTop(this.#environment) : GUARDED_STACK_TOP;
    this.#isWide = !isPrivileged(vocabulary) && this.#environment.codeBits !== 16 && random.oneIn(3);
    this.#before = this.#isWide ? slotsOf(loadWideState(random, this.#environment)) : [];
    this.#behind = this.#isWide ? slotsOf(storeWideState(this.#environment)) : [];
    this.#firstSlot = this.#before.length;
    this.#endSlot = this.#firstSlot + 4 + random.below(30);
    this.#firstFunction = this.#endSlot + 1 + this.#behind.length;
    this.#usedSlots = this.#firstFunction + random.below(SLOTS - this.#firstFunction);
    for (let slot = this.#firstFunction; slot < this.#usedSlots; slot += 1 + random.below(3))
      this.#functions.push(slot);
  }

  write(): Program {
    this.#writeWhole(0, this.#before);
    this.#pad(addressOf(this.#firstSlot));
    for (let slot = this.#firstSlot; slot < this.#endSlot; slot++) this.#writeSlot(slot, false);
    this.#writeEnd();
    for (let slot = this.#firstFunction; slot < this.#usedSlots; slot++) this.#writeSlot(slot, true);
    const random = this.#random;
    this.#patches.push({ address: FUEL, bytes: Uint8Array.from(littleEndian(50 + random.below(600), 4)) });
    this.#patches.push({ address: TURNS, bytes: Uint8Array.from(littleEndian(3 + random.below(25), 4)) });
    return {
      environment: this.#environment,
      seed: random.below(SEEDS),
      flavour: random.pick(FLAVOURS),
      code: this.#code,
      pieces: this.#pieces,
      patches: this.#patches,
      stackTop: this.#stackTop,
      ...(isPrivileged(this.#vocabulary) && { system: this.#chooseSetup() }),
      ...(this.#isWide && { wide: true }),
    };
  }

  #chooseSetup(): SystemSetup {
    const random = this.#random;
    // No other machine can be interrupted behind a chosen instruction.
    const mayInterrupt = this.#vocabulary === "system" || this.#clocks !== undefined;
    const interrupts = mayInterrupt ? random.below(6) : 0;
    const interruptsAt = Array.from({ length: interrupts }, () => 400 + random.below(4000));
    const user = random.oneIn(4);
    const { paragraphs } = modeNamed(this.#modeName);
    return {
      privilege: paragraphs === "virtual" || (user && paragraphs === undefined) ? 3 : 0,
      interruptsAt: interruptsAt.toSorted((a, b) => a - b),
      ...(this.#clocks && { clocks: this.#clocks }),
      ...(this.#modeName !== "long" && { mode: this.#modeName }),
    };
  }

  #writeSlot(slot: number, inFunction: boolean): void {
    const start = FIRST_SLOT + slot * SLOT_BYTES;
    const end = start + SLOT_BYTES;
    this.#at = start;
    if (this.#bringsStackBack(slot) || (!inFunction && this.#random.oneIn(5))) this.#emit(this.#stackMove());
    this.#movesStack = false;
    if (this.#random.oneIn(2)) this.#writeSum();
    while (this.#at < end - TAIL_BYTES && !this.#random.oneIn(7)) this.#writeStep(end - TAIL_BYTES, inFunction);
    this.#writeTail(slot, inFunction);
    this.#pad(end);
  }

  /** Without privilege no turn begins on another stack, nor what follows a fault. */
  #bringsStackBack(slot: number): boolean {
    return !isPrivileged(this.#vocabulary) && (slot === this.#firstSlot || this.#movesStack);
  }

  #stackMove(): number[] {
    return this.#assembler.move(rsp, BigInt(this.#stackTop));
  }

  /** A register and the carry are added to a sum, or a vector register to XMM7. */
  #writeSum(): void {
    const random = this.#random;
    const registers = this.#environment.codeBits === 64 ? 16 : 8;
    if (random.oneIn(4)) this.#emit([0x66, 0x0f, 0xd4, 0xf8 | random.below(8)]);
    else this.#emit(this.#assembler.accumulate(SUMS + 8 * random.below(16), random.below(registers)));
  }

  /** Something short: an instruction out of the forms, a change of code, a pair of PUSH and POP. */
  #writeStep(end: number, inFunction: boolean): void {
    const random = this.#random;
    const roll = random.below(16);
    if (this.#vocabulary === "system" && random.oneIn(4)) this.#emitIfRoom(privilegedStep(this.#place(), true), end);
    else if (this.#vocabulary === "machine" && random.oneIn(2))
      this.#emitIfRoom(privilegedStep(this.#place(), false), end);
    else if (roll === 0 && this.#changesItself) this.#writeMutable(end);
    else if (roll === 1 && this.#changesItself) this.#writeChange(end);
    else if (roll === 2 && end - this.#at >= 2) {
      // Neither rSP.
      this.#emit([0x50 + random.pick([0, 1, 2, 3, 5, 6, 7]), 0x58 + random.pick([0, 1, 2, 3, 5, 6, 7])]);
    } else if (this.#isWide && random.oneIn(2)) this.#emitIfRoom(wideStep(random, this.#environment), end);
    else this.#writeForm(end, inFunction);
  }

  #place(): Place {
    const mode = modeNamed(this.#modeName);
    return {
      mode,
      staysQuiet: !mode.long && this.#clocks !== undefined,
      random: this.#random,
      environment: this.#environment,
      assembler: this.#assembler,
      at: this.#at,
      // Random bytes are mostly no instructions, about which emulators differ.
      keepsSegments:
        this.#clocks !== undefined || (this.#vocabulary === "machine" && this.#environment.codeBits === 64),
      executesData: this.#vocabulary === "system",
      hasGlobalPages: this.#vocabulary === "system",
      splitsLargePages: this.#splitsLargePages,
    };
  }

  #writeForm(end: number, inFunction: boolean): void {
    const random = this.#random;
    for (let attempt = 0; attempt < 8; attempt++) {
      const form = pickForm(random, this.#vocabulary);
      const draft = draftInstruction(form, this.#environment, random);
      if (draft === undefined || (mostlyFaults(draft) && !random.oneIn(6))) continue;
      if (this.#vocabulary === "machine" && isOtherInQemu(draft)) continue;
      if (this.#vocabulary === "defined" && mayOverwriteItself(draft)) continue;
      const moved = usesStackPointer(draft);
      if (moved && (inFunction || !random.oneIn(6))) continue;
      const bytes = this.#assemble(draft, !inFunction && random.oneIn(8));
      if (bytes === undefined || this.#at + bytes.length > end) continue;
      this.#emit(bytes);
      for (const { address, bytes: contents } of draft.patches) this.#patches.push({ address, bytes: contents });
      if (moved) this.#emitIfRoom(this.#stackMove(), end);
      this.#movesStack ||= moved;
      return;
    }
    this.#emitIfRoom([NOP], end);
  }

  /** The registers a draft wants, and the instruction. @param withStack whether it may move the stack pointer. */
  #assemble(draft: Draft, withStack: boolean): number[] | undefined {
    const head: number[] = [];
    for (const [register, value] of draft.overrides) {
      if (register === RFLAGS_OVERRIDE) head.unshift((value & DF) !== 0n ? 0xfd : 0xfc);
      else if (register < 16 && (register !== rsp || withStack)) head.push(...this.#assembler.move(register, value));
    }
    draft.codeAddress = this.#at + head.length;
    const code = encode(draft);
    if (code.length > MAX_INSTRUCTION_BYTES) return undefined;
    const tail: number[] = needsDefinedFlags(draft.form, this.#vocabulary) ? [0x39, 0xc0 | this.#random.below(64)] : [];
    return [...head, ...code, ...tail];
  }

  /** An instruction whose immediate and operation others may change: add, or, and, sub, xor with 32 bits. */
  #writeMutable(end: number): void {
    const random = this.#random;
    const bytes = this.#assembler.aluImmediate(random.pick([0, 4, 5, 6]), random.below(4), random.u32());
    if (this.#at + bytes.length > end) return;
    const immediate = this.#at + bytes.length - 4;
    this.#mutable.push({ immediate, operation: immediate - 1 });
    this.#emit(bytes);
  }

  #writeChange(end: number): void {
    const random = this.#random;
    if (this.#mutable.length === 0) return this.#writeMutable(end);
    const { immediate, operation } = random.pick(this.#mutable);
    // Between ADD and OR's neighbours: 0 and 1, 4 and 5, 6 and 7.
    if (random.oneIn(3)) this.#emitIfRoom(this.#assembler.flipByte(operation, 8), end);
    else this.#emitIfRoom(this.#assembler.storeWord(immediate, random.u32()), end);
  }

  #writeTail(slot: number, inFunction: boolean): void {
    const random = this.#random;
    if (inFunction && (this.#endsFunction(slot) || random.oneIn(4))) {
      if (random.oneIn(3)) this.#emit(this.#assembler.skipIf(random.below(16), 1));
      this.#emit([RET]);
      return;
    }
    const last = inFunction ? this.#usedSlots : this.#endSlot + 1;
    const forward = slot + 1 + random.below(Math.max(1, Math.min(6, last - slot - 1)));
    const first = inFunction ? this.#functionOf(slot) : this.#firstSlot;
    const roll = random.below(10);
    if (roll < 2) this.#emit(this.#assembler.jumpIf(random.below(16), this.#at, addressOf(forward)));
    else if (roll < 5) this.#writeLoop(first + random.below(slot - first + 1));
    else if (roll < 7) this.#writeCall(slot);
    else if (roll === 7) this.#writeComputedJump(slot + 1, forward);
  }

  /** `jcc` to the next slot, or back as long as there is fuel. */
  #writeLoop(target: number): void {
    const assembler = this.#assembler;
    const spend = assembler.decrement(FUEL);
    const back = (at: number): number[] => assembler.jumpIf(NS, at, addressOf(target));
    const length = spend.length + back(0).length;
    if (!this.#random.oneIn(4)) this.#emit(assembler.skipIf(this.#random.below(16), length));
    this.#emit([...spend, ...back(this.#at + spend.length)]);
  }

  #writeCall(slot: number): void {
    const callable = this.#functions.filter((start) => start > slot);
    if (callable.length === 0) return;
    const call = (at: number): number[] => this.#assembler.call(at, addressOf(this.#random.pick(callable)));
    if (this.#random.oneIn(3)) this.#emit(this.#assembler.skipIf(this.#random.below(16), call(0).length));
    this.#emit(call(this.#at));
  }

  /** `mov eax, one; jcc over; mov eax, other; jmp rax`. */
  #writeComputedJump(one: number, other: number): void {
    const assembler = this.#assembler;
    const register = this.#random.below(3);
    const move = (slot: number): number[] => assembler.move(register, assembler.codeOffset(addressOf(slot)));
    const second = move(other);
    const skip = assembler.skipIf(this.#random.below(16), second.length);
    this.#emit([...move(one), ...skip, ...second, ...assembler.jumpThrough(register)]);
  }

  /** The main part again while there are turns; then what comes in the end, and the filler's INT3. */
  #writeEnd(): void {
    this.#at = addressOf(this.#endSlot);
    const spend = this.#assembler.decrement(TURNS);
    const back = this.#assembler.jumpIf(NS, this.#at + spend.length, addressOf(this.#firstSlot));
    this.#put([...spend, ...back]);
    this.#writeWhole(this.#endSlot + 1, this.#behind);
  }

  #writeWhole(first: number, slots: WholeSlots): void {
    for (const [i, instructions] of slots.entries()) {
      this.#pad(addressOf(first + i));
      this.#at = addressOf(first + i);
      this.#put(instructions.flat());
    }
  }

  #endsFunction(slot: number): boolean {
    return slot + 1 >= this.#usedSlots || this.#functions.includes(slot + 1);
  }

  #functionOf(slot: number): number {
    return this.#functions.findLast((start) => start <= slot) ?? slot;
  }

  /** From here to the next slot: a jump, or NOPs. */
  #pad(end: number): void {
    const room = end - this.#at;
    if (room < 0) throw new Error(`a slot is ${-room} bytes too long`);
    const offset = this.#at - FIRST_SLOT;
    this.#code.fill(NOP, offset, offset + room);
    if (room >= 2 && this.#random.oneIn(2)) this.#code.set([0xeb, room - 2], offset);
  }

  #emitIfRoom(bytes: readonly number[], end: number): void {
    if (this.#at + bytes.length <= end) this.#emit(bytes);
  }

  #emit(bytes: readonly number[]): void {
    this.#pieces.push({ offset: this.#at - FIRST_SLOT, length: bytes.length });
    this.#put(bytes);
  }

  /** Bytes without which there is no program. */
  #put(bytes: readonly number[]): void {
    this.#code.set(bytes, this.#at - FIRST_SLOT);
    this.#at += bytes.length;
  }
}

/** Some ten microseconds to half a millisecond, so that each program is interrupted a few times at least. */
function chooseClocks(random: Random): Clocks {
  const which = random.below(3);
  return { pit: which === 0 ? 0 : 20 + random.below(600), apic: which === 1 ? 0 : 10_000 + random.below(500_000) };
}

const addressOf = (slot: number): number => FIRST_SLOT + slot * SLOT_BYTES;

/** LOCK where it is undefined, or memory that is not all there for everything. */
function mostlyFaults({ prefixes, form, memoryAddress }: Draft): boolean {
  if (prefixes.includes(LOCK) && !form.options.lock) return true;
  return memoryAddress !== undefined && (memoryAddress < DATA.address || memoryAddress >= READ_ONLY.address - 64);
}

/**
 * Whether a repeated store may reach the code, and with it its own bytes: the host's CPU goes on with what it has decoded until an interrupt
 * comes (seeds 1130612632 and 1130617270). SDM vol. 3A, "Self-Modifying Code", promises nothing within one instruction.
 */
function mayOverwriteItself({ prefixes, form, overrides, addressBits, operandBits, environment }: Draft): boolean {
  if (!/^(MOVS|STOS)$/.test(form.mnemonic) || !REPEATS.some((prefix) => prefixes.includes(prefix))) return false;
  const at = (register: number): number => Number(BigInt.asUintN(addressBits, overrides.get(register) ?? 0n));
  const bytes = at(rcx) * (/b\b/.test(form.operands.join(" ")) ? 1 : operandBits / 8);
  const start = at(rdi) + Number(segmentBase(environment, "es"));
  const backwards = ((overrides.get(RFLAGS_OVERRIDE) ?? 0n) & DF) !== 0n;
  // What lies below the code cannot be written.
  return start >= CODE.address && (backwards ? start - bytes : start) < FIRST_SLOT + CODE_BYTES;
}

/** Whether the instruction names rSP, as an operand or a base. */
function usesStackPointer({ modrm, rex, sib, opcode, form, environment }: Draft): boolean {
  if (/\+r$/.test(form.encoding.split(" ")[0] ?? "")) return ((opcode[0] ?? 0) & 7) === rsp && !rex.b;
  if (!modrm) return /LEAVE|ENTER/.test(form.mnemonic);
  const register = modrm.reg === rsp && !rex.r && form.operands.some((code) => /^G/.test(code));
  const other = modrm.mod === 3 && modrm.rm === rsp && !rex.b;
  const base = environment.codeBits !== 16 && sib !== undefined && sib.base === rsp && !rex.b;
  return register || other || base;
}
