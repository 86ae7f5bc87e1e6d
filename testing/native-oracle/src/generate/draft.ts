import type { CpuState } from "../cpu-state.ts";
import { type CodeBits, type Environment, type SegmentName, segmentBase } from "../environment.ts";
import type { Form } from "../forms/form.ts";
import type { Random } from "../random.ts";
import { type Bytes, RFLAGS_OVERRIDE } from "../vector.ts";

/** A little-endian number inside an instruction. */
export interface Field {
  readonly bytes: number;
  value: bigint;
}

/** An instruction and its initial state while the generator decides about them. */
export interface Draft {
  readonly form: Form;
  readonly environment: Environment;
  readonly random: Random;
  /** Effective size of `v` operands. */
  readonly operandBits: CodeBits;
  addressBits: CodeBits;
  /** Legacy prefixes in order, mandatory ones last. */
  readonly prefixes: number[];
  readonly rex: { w: boolean; r: boolean; x: boolean; b: boolean; forced: boolean };
  /** The VEX prefix; `rex` says the rest of it. `short`: two bytes where they can say it. */
  vex: { l: number; pp: number; map: number; register: number; short: boolean } | undefined;
  opcode: number[];
  modrm: { mod: number; reg: number; rm: number } | undefined;
  sib: { scale: number; index: number; base: number } | undefined;
  displacement: Field | undefined;
  /** Set when `displacement` counts from the next instruction: the effective address it must give. */
  ripTarget: bigint | undefined;
  readonly immediates: Field[];
  /** The memory operand's linear address, once chosen. */
  memoryAddress: number | undefined;
  codeAddress: number;
  readonly overrides: Map<number, bigint>;
  readonly patches: Bytes[];
  /** The seeded state before overrides. */
  initial: CpuState;
}

/** General registers in encoding order. */
export const REGISTERS = { rax: 0, rcx: 1, rdx: 2, rbx: 3, rsp: 4, rbp: 5, rsi: 6, rdi: 7 } as const;

/** Sets the part of general register `index` that `bits` wide addressing sees; what lies above is noise on purpose. */
export function setPointer(draft: Draft, index: number, offset: bigint, bits: CodeBits = draft.addressBits): void {
  const noise = draft.random.oneIn(2) ? draft.random.u64() : 0n;
  const visible = BigInt.asUintN(bits, offset);
  draft.overrides.set(index, bits === 64 ? visible : ((noise >> BigInt(bits)) << BigInt(bits)) | visible);
}

/** Offset in `segment` that reaches `linear`. */
export function offsetOf(draft: Draft, segment: SegmentName, linear: number): bigint {
  return BigInt.asUintN(
    draft.environment.codeBits === 64 ? 64 : 32,
    BigInt(linear) - segmentBase(draft.environment, segment),
  );
}

/** Makes `flag` (a bit of RFLAGS) set or clear, other flags at random. */
export function setFlag(draft: Draft, flag: number, set: boolean): void {
  const current = draft.overrides.get(RFLAGS_OVERRIDE) ?? BigInt(0x202 | (draft.random.u32() & 0x8d5));
  draft.overrides.set(RFLAGS_OVERRIDE, set ? current | BigInt(flag) : current & ~BigInt(flag));
}

/** Places the `length` low bytes of `value` at a linear address. */
export function patch(draft: Draft, address: number, value: bigint, length: number): void {
  const bytes = Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
  draft.patches.push({ address, bytes });
}

/** What general register `index` will hold at first. */
export function registerValue(draft: Draft, index: number): bigint {
  return draft.overrides.get(index) ?? draft.initial.gpr[index] ?? 0n;
}
