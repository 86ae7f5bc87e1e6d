/**
 * What a program executed that programs for QEMU are never made of. It is left out of them because emulators differ there (other-in-qemu.ts,
 * vocabulary.ts), but a stack that runs into the code, a store or a return to the middle of an instruction make it all the same. Told by
 * iced-x86, not by our own rows, which must not excuse themselves.
 */
import { Code, Decoder, DecoderOptions, Instruction, OpKind, Register, RflagsBits } from "iced-x86";
import type { CodeBits } from "../environment.ts";
import { MAX_INSTRUCTION_BYTES } from "../generate/encode.ts";
import { ATTRIBUTES } from "../guest-tables.ts";
import { opcodeIndex } from "../prefixes.ts";
import { bytesAt, linearRip, topOfStack } from "./fault-scene.ts";
import { generateProgram } from "./generate-program.ts";
import { isIretToVirtual } from "./known-in-scene.ts";
import type { ModeName } from "./mode.ts";
import { FAULT_LIMIT, PROGRAM_WINDOWS, type Program, SLOT_BYTES, SLOTS } from "./program.ts";
import { countFaults } from "./resume-handler.ts";
import type { SteppedEngine } from "./step.ts";

/** Programs whose instructions tell what such programs are made of. */
const SAMPLE = 300;
const REX = 0x40;
/** What is no instruction is told by its first bytes, and is the program's own where it was written so: SWAPGS outside 64-bit code. */
const NONE = "no instruction";
const OPCODE_BYTES = 3;
/** An instruction and what may define its flags. */
const LOOKED_AT_BYTES = MAX_INSTRUCTION_BYTES + 2;
/** Flags that programs look at: AF is for what no program has, and C0 to C3, which iced-x86 counts among them, are no flags. */
const LOOKED_AT_FLAGS = RflagsBits.CF | RflagsBits.PF | RflagsBits.ZF | RflagsBits.SF | RflagsBits.OF;
/** CMP Ev,Gv, and the lowest ModRM byte that names a register. */
const [CMP, REGISTERS] = [0x39, 0xc0] as const;

/** What an instruction has that one of programs may lack: its opcode with what kind of operand, its prefixes. */
type Traits = readonly string[];
/** Traits of instructions that programs have, by the width of code. */
type Known = ReadonlyMap<CodeBits, ReadonlySet<string>>;

/** Trait of an instruction that leaves flags undefined and has nothing behind it that defines them. */
const UNDEFINED_FLAGS = "undefined flags of ";

/** What NOT_DEFINED of vocabulary.ts leaves out, by the names that iced-x86 has. */
const LEFT_OUT_FOR_HOST =
  /^(lar|fn?st(sw|env)|fn?save|fldenv|frstor|fx(save|rstor)|xsave|xrstor|xgetbv|cmps[bwdq]_m|popf|enter|mov_sreg|cvtpi2p|popa|pusha|.*gf2p8)/i;

const sampled = new Map<ModeName, Known>();

/**
 * Name of the first such instruction that the interpreter meets before it has noted fault number `index`, or until the end where there is
 * none; undefined when there is none. Bytes are read where code is mapped at first: another frame in its place is not seen.
 */
export function strayInstruction(engine: SteppedEngine, program: Program, index: number): string | undefined {
  const sample = knownIn(program.system?.mode ?? "long").get(program.environment.codeBits);
  const written = traitsOf(program);
  return firstStray(engine, program, index, (trait) => !sample?.has(trait) && !written.has(trait));
}

/**
 * Name of the first instruction that leaves to the processor what it does and was not written so: programs for the host have a CMP behind
 * one with undefined flags.
 */
export function strayOnHost(engine: SteppedEngine, program: Program): string | undefined {
  const written = traitsOf(program);
  const isProcessors = (trait: string): boolean => trait.startsWith(UNDEFINED_FLAGS) || LEFT_OUT_FOR_HOST.test(trait);
  return firstStray(engine, program, FAULT_LIMIT, (trait) => isProcessors(trait) && !written.has(trait));
}

function firstStray(
  engine: SteppedEngine,
  program: Program,
  index: number,
  isStray: (trait: string) => boolean,
): string | undefined {
  const { codeBits } = program.environment;
  const looked = new Set<string>();
  let stray: string | undefined;
  engine.run(program, ({ vcpu, view }) => {
    const { regs } = vcpu.save();
    if (countFaults(view) > index) return false;
    if (widthOf(regs["cs.attributes"] ?? 0n) !== codeBits) return true;
    const linear = linearRip(regs, codeBits === 64);
    if (!isOfProgram(linear)) return true;
    const bytes = new Uint8Array(view.buffer, view.byteOffset + Number(linear), LOOKED_AT_BYTES).slice();
    // It faults only where CS is no code: seed 1162006054.
    if (
      program.system &&
      codeBits !== 64 &&
      isIretToVirtual({ regs, code: bytes, stack: bytesAt(view, topOfStack(regs)) }, program)
    ) {
      stray = "IRETD with VM in its image of EFLAGS";
      return false;
    }
    const key = bytes.join();
    if (looked.has(key)) return true;
    looked.add(key);
    const [insn] = decode(bytes, codeBits);
    if (insn?.traits.some(isStray)) stray = insn.name;
    return stray === undefined;
  });
  return stray;
}

function widthOf(attributes: bigint): CodeBits {
  const bits = Number(attributes);
  if ((bits & ATTRIBUTES.L) !== 0) return 64;
  return (bits & ATTRIBUTES.DB) !== 0 ? 32 : 16;
}

/** The kernel's instructions are its own matter. */
const isOfProgram = (linear: bigint): boolean =>
  PROGRAM_WINDOWS.some(({ address, length }) => linear >= address && linear < address + length);

function knownIn(mode: ModeName): Known {
  const before = sampled.get(mode);
  if (before) return before;
  const known = new Map<CodeBits, Set<string>>();
  for (let seed = 0; seed < SAMPLE; seed++) {
    const program = generateProgram(seed, "machine", mode);
    const { codeBits } = program.environment;
    const traits = known.get(codeBits) ?? new Set();
    for (const trait of traitsOf(program)) if (!trait.startsWith(NONE)) traits.add(trait);
    known.set(codeBits, traits);
  }
  sampled.set(mode, known);
  return known;
}

/** Those of the instructions as they were written: each slot and each piece begins with one. Behind one that is none nothing is known to begin. */
function traitsOf({ code, pieces, environment: { codeBits } }: Program): Set<string> {
  const slots = Array.from({ length: SLOTS }, (_, i) => i * SLOT_BYTES);
  const traits = new Set<string>();
  for (const start of [...slots, ...pieces.map(({ offset }) => offset)]) {
    const end = start - (start % SLOT_BYTES) + SLOT_BYTES;
    for (const insn of decode(code.subarray(start, end), codeBits)) for (const trait of insn.traits) traits.add(trait);
  }
  return traits;
}

interface Decoded {
  readonly name: string;
  readonly traits: Traits;
}

/** Ends behind what is no instruction. */
function* decode(bytes: Uint8Array, codeBits: CodeBits): Generator<Decoded> {
  const decoder = new Decoder(codeBits, bytes, DecoderOptions.None);
  const insn = new Instruction();
  try {
    for (let isValid = true; decoder.canDecode && isValid; ) {
      const at = decoder.position;
      decoder.decodeOut(insn);
      isValid = insn.code !== Code.INVALID;
      yield describe(insn, bytes.subarray(at), codeBits === 64);
    }
  } finally {
    insn.free();
    decoder.free();
  }
}

/** @param bytes that it begins. */
function describe(insn: Instruction, bytes: Uint8Array, isLong: boolean): Decoded {
  const opcode = Math.max(opcodeIndex(bytes, isLong), 0);
  if (insn.code === Code.INVALID) {
    const name = `${NONE} ${Buffer.from(bytes.subarray(opcode, opcode + OPCODE_BYTES)).toString("hex")}`;
    return { name, traits: [name] };
  }
  const name = Code[insn.code] as string;
  const memory = Array.from({ length: insn.opCount }, (_, i) => insn.opKind(i)).includes(OpKind.Memory);
  const traits = [memory ? `${name} of memory` : name];
  // Programs have a CMP of registers behind such.
  if ((insn.rflagsUndefined & LOOKED_AT_FLAGS) !== 0 && !definesFlags(bytes.subarray(insn.length)))
    traits.push(`${UNDEFINED_FLAGS}${name}`);
  if (insn.segmentPrefix !== Register.None) traits.push(`prefix ${Register[insn.segmentPrefix]}`);
  if (isLong && bytes.subarray(0, opcode).subarray(0, -1).some(isRex)) traits.push("REX in front of a prefix");
  return { name, traits };
}

const definesFlags = ([opcode = 0, modrm = 0]: Uint8Array): boolean => opcode === CMP && modrm >= REGISTERS;
const isRex = (byte: number): boolean => (byte & 0xf0) === REX;
