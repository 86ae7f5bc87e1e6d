import { ACCESS_AC, ACCESS_USER, type Walker } from "@tsvm/mmu";
import { type CpuModel, parseCpuModel } from "../cpuid/models.ts";
import { NO_ERROR_CODE, VECTOR, type VectorName } from "../exceptions/vectors.ts";
import { LinearMemory } from "../memory/linear-memory.ts";
import type { CpuHost } from "../memory/physical-memory.ts";
import { createXstateRoutines, type XstateRoutines } from "../xstate/routines.ts";
import { FLAG } from "./bits.ts";
import { AT, type FieldName, GPR, SEGMENT } from "./layout.ts";
import { BORROW_END, CARRY_FLIP, WIDTH_SHIFT } from "./lazy-flags.ts";

/** What a TypeScript helper tells generated code. */
export const HELPER = {
  /** Go on with the next instruction. */
  next: 0,
  /** An exception is pending; nothing of the instruction was committed. */
  fault: 1,
  /** `rip` was written: continue there. */
  jump: 2,
  /** `rip` is right; return to the run loop (halt, mode or context change, single step). */
  exit: 3,
} as const;
/** A value of {@link HELPER}. */
export type HelperResult = (typeof HELPER)[keyof typeof HELPER];

/** A field of CPU state: by name, or where time matters by its place, `AT.cr3`. */
export type Field = FieldName | number;

const placeOf = (field: Field): number => (typeof field === "string" ? AT[field] : field);

/**
 * CPU state as TypeScript helpers see it: typed views of the fields in the WebAssembly memory, and guest memory by
 * linear address. Exceptions are data: {@link raise} notes the first one, later accesses do nothing until it is taken.
 */
export class Cpu {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly view: DataView;
  readonly host: CpuHost;
  /** What CPUID tells, and which instructions and register bits exist. */
  readonly model: CpuModel;
  /** Guest memory by linear address. */
  readonly linear: LinearMemory;

  readonly #memory: { readonly buffer: ArrayBufferLike };
  #xstate: XstateRoutines | undefined;

  constructor(memory: { readonly buffer: ArrayBufferLike }, host: CpuHost, model: CpuModel = parseCpuModel("max")) {
    const { buffer } = memory;
    this.#memory = memory;
    this.u8 = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.view = new DataView(buffer);
    this.host = host;
    this.model = model;
    this.linear = new LinearMemory(this);
    this.linear.configureWidths(model.physicalBits, model.features.has("pdpe1gb"));
    for (const last of ["segReadLast", "segWriteLast"] as const) this.set64(last, 0xffff_ffff_ffff_ffffn, SEGMENT.none);
  }

  /** Moves to and from save areas, over the same memory. Who has an interpreter puts its own here. */
  get xstate(): XstateRoutines {
    this.#xstate ??= createXstateRoutines(this.#memory);
    return this.#xstate;
  }

  set xstate(routines: XstateRoutines) {
    this.#xstate = routines;
  }

  /** A 32-bit field, unsigned; `index` for arrays. */
  get32(field: Field, index = 0): number {
    return this.u32[(placeOf(field) >> 2) + index] as number;
  }

  set32(field: Field, value: number, index = 0): void {
    this.u32[(placeOf(field) >> 2) + index] = value;
  }

  /** A 64-bit field; off the hot path only. */
  get64(field: Field, index = 0): bigint {
    return this.u64[(placeOf(field) >> 3) + index] as bigint;
  }

  set64(field: Field, value: bigint, index = 0): void {
    this.u64[(placeOf(field) >> 3) + index] = value;
  }

  /** Low half of a 64-bit field. */
  low(field: Field, index = 0): number {
    return this.u32[(placeOf(field) >> 2) + index * 2] as number;
  }

  /** High half of a 64-bit field. */
  high(field: Field, index = 0): number {
    return this.u32[(placeOf(field) >> 2) + index * 2 + 1] as number;
  }

  /** Writes the low half and clears the high half. */
  setLow(field: Field, value: number, index = 0): void {
    const at = (placeOf(field) >> 2) + index * 2;
    this.u32[at] = value;
    this.u32[at + 1] = 0;
  }

  /** Writes both halves of a 64-bit field. */
  setHalves(field: Field, low: number, high: number, index = 0): void {
    const at = (placeOf(field) >> 2) + index * 2;
    this.u32[at] = low;
    this.u32[at + 1] = high;
  }

  /** Argument of the current helper call, as passed by `X86Builder.helper`. */
  arg64(index: number): bigint {
    return this.get64(AT.helperArgs, index);
  }

  /** Low half of an argument. */
  arg32(index: number): number {
    return this.low(AT.helperArgs, index);
  }

  /** High half of an argument. */
  argHigh(index: number): number {
    return this.high(AT.helperArgs, index);
  }

  gpr64(register: number): bigint {
    return this.get64(AT.gpr, register);
  }

  gpr32(register: number): number {
    return this.low(AT.gpr, register);
  }

  setGpr64(register: number, value: bigint): void {
    this.set64(AT.gpr, value, register);
  }

  /** Writes the low half and clears the high one, as 32-bit destinations do. */
  setGpr32(register: number, value: number): void {
    this.setLow(AT.gpr, value, register);
  }

  /** The first exception of an instruction wins. @returns HELPER.fault, for `return cpu.raise(...)`. */
  raise(name: VectorName, errorCode: number = NO_ERROR_CODE): HelperResult {
    if (!this.faulted) {
      this.set32(AT.pendingVector, VECTOR[name] + 1);
      this.set32(AT.pendingErrorCode, errorCode);
    }
    return HELPER.fault;
  }

  /** #PF; CR2 is written when the exception is delivered. */
  raisePageFault(linearLow: number, linearHigh: number, errorCode: number): void {
    if (this.faulted) return;
    this.raise("PF", errorCode);
    const at = AT.pendingAddress >> 2;
    this.u32[at] = linearLow;
    this.u32[at + 1] = linearHigh;
  }

  /** An exception is pending. */
  get faulted(): boolean {
    return this.u32[AT.pendingVector >> 2] !== 0;
  }

  get cpl(): number {
    return this.u32[AT.cpl >> 2] as number;
  }

  /** IA32_EFER.LMA. */
  get longMode(): boolean {
    return ((this.u32[AT.efer >> 2] as number) & 0x400) !== 0;
  }

  /** Long mode and CS.L: 64-bit code. */
  get code64(): boolean {
    return ((this.u32[AT.mode >> 2] as number) & 3) === 2;
  }

  get protectedMode(): boolean {
    return ((this.u32[AT.cr0 >> 2] as number) & 1) !== 0;
  }

  get vm86(): boolean {
    return ((this.u32[AT.rflags >> 2] as number) & FLAG.VM) !== 0;
  }

  /** Arithmetic flags computed from their lazy form, with everything else: RFLAGS as PUSHF would give it. */
  get rflags(): number {
    const result = AT.ccResult >> 2;
    const low = this.u32[result] as number;
    const high = this.u32[result + 1] as number;
    const aux = this.u32[AT.ccAux >> 2] as number;
    const auxHigh = this.u32[(AT.ccAux >> 2) + 1] as number;
    let flags = (this.u32[AT.rflags >> 2] as number) | this.#carryFlags(aux);
    if ((low | high) === 0) flags |= FLAG.ZF;
    if (((high ^ auxHigh) & 0x8000_0000) !== 0) flags |= FLAG.SF;
    if (evenParity((low ^ (aux >>> 8)) & 0xff)) flags |= FLAG.PF;
    return flags;
  }

  /** Replaces all of RFLAGS, unchecked; bit 1 is set, reserved bits are cleared. Recompute the context after AC or VM. */
  set rflags(value: number) {
    this.set32(AT.rflags, (value & 0x3f_7700) | 2);
    const zero = (value & FLAG.ZF) !== 0;
    const sign = (value & FLAG.SF) !== 0;
    const carry = (value & FLAG.CF) !== 0;
    const overflow = (value & FLAG.OF) !== 0;
    const parity = (value & FLAG.PF) !== 0;
    this.setLow(AT.ccResult, zero ? 0 : 1);
    const lowParity = zero; // 0 has even parity, 1 has odd
    const auxAt = AT.ccAux >> 2;
    this.u32[auxAt] = parity === lowParity ? 0 : 0x100;
    this.u32[auxAt + 1] = sign ? 0x8000_0000 : 0;
    // As FlagWriter makes a subtraction with given carries.
    const [minuend, subtrahend] = [AT.ccMinuend >> 2, AT.ccSubtrahend >> 2];
    this.u32[minuend] = BORROW_END;
    this.u32[minuend + 1] = carry ? 0 : 0x8000_0000;
    this.u32[subtrahend] = (value & FLAG.AF) >> 1;
    this.u32[subtrahend + 1] = (carry ? 0x8000_0000 : 0) | (carry !== overflow ? 0x4000_0000 : 0);
  }

  /** CF, OF and AF; see invariants 2 and 3 of emit/flags.ts. */
  #carryFlags(aux: number): number {
    const [minuend, subtrahend] = [AT.ccMinuend >> 2, AT.ccSubtrahend >> 2];
    const [low, high] = [this.u32[minuend] as number, this.u32[minuend + 1] as number];
    const [lessLow, lessHigh] = [this.u32[subtrahend] as number, this.u32[subtrahend + 1] as number];
    const lowBorrows = low < lessLow ? 1 : 0;
    const borrows = high < lessHigh || (high === lessHigh && lowBorrows === 1);
    const into = low ^ lessLow ^ (low - lessLow);
    const intoHigh = high ^ lessHigh ^ (high - lessHigh - lowBorrows);
    const top = 63 - ((aux >>> WIDTH_SHIFT) & 63);
    const intoTop = top >= 32 ? (intoHigh >>> (top - 32)) & 1 : (into >>> top) & 1;
    let flags = into & FLAG.AF;
    if (borrows !== ((aux & CARRY_FLIP) !== 0)) flags |= FLAG.CF;
    if (borrows !== (intoTop === 1)) flags |= FLAG.OF;
    return flags;
  }

  /** Sets or clears one arithmetic flag and keeps the others. */
  setFlag(flag: number, on: boolean): void {
    this.rflags = on ? this.rflags | flag : this.rflags & ~flag;
  }

  /** Access bits of an explicit access at the current privilege, for the page walker. */
  get explicitAccess(): number {
    if (this.cpl === 3) return ACCESS_USER;
    return (this.u32[AT.rflags >> 2] as number) & FLAG.AC ? ACCESS_AC : 0;
  }

  /** The page walker of the current paging mode. */
  get walker(): Walker {
    return this.linear.walker;
  }

  get rip(): bigint {
    return this.get64(AT.rip);
  }

  set rip(value: bigint) {
    this.set64(AT.rip, value);
  }

  get rsp(): bigint {
    return this.gpr64(GPR.rsp);
  }

  set rsp(value: bigint) {
    this.setGpr64(GPR.rsp, value);
  }
}

function evenParity(byte: number): boolean {
  let bits = byte ^ (byte >> 4);
  bits ^= bits >> 2;
  bits ^= bits >> 1;
  return (bits & 1) === 0;
}
