// An instruction with an EVEX prefix as steps: its memory operand is loaded, parts of up to 256 bits are computed by the handlers
// of rows with VEX, and the result is merged under the mask.
//
// Invariants:
// 1. What may fault or leave a region comes before anything is written that the instruction reads: results of several parts,
//    or of floating point, go into a scratch register first.
// 2. Scratch registers are numbers above those of the vector file: steps know no difference.
import type { EvexForm, RegisterField } from "../instructions/evex-form.ts";
import { maskField, partOfMask, STEPS } from "../instructions/evex-steps.ts";
import type { Row } from "../instructions/row.ts";
import { EVEX_ROUNDING_OF_MXCSR } from "../sse/evex-control.ts";
import { AT } from "../state/layout.ts";
import { masksOfMemory } from "../system/evex-memory.ts";
import type { InsnBytes } from "./insn-bytes.ts";
import type { StepWriter } from "./step-writer.ts";

const ZMM_BYTES = 64;
const scratch = (number: number): number => AT.vectorScratch - AT.zmm + number * ZMM_BYTES;
/** What was loaded, what is computed, and zeros. */
const LOADED = scratch(0);
const RESULT = scratch(1);
const ZERO = scratch(2);

/** Registers of an instruction, as byte offsets in their files. */
type Registers = Record<RegisterField, number>;

/** Whether the mask keeps elements of the memory operand from being accessed. */
export const isMaskedAccess = (form: EvexForm, { mask }: InsnBytes["evex"]): boolean =>
  mask !== 0 && (form.suppresses || form.compressed);

/** Bytes that an instruction accesses in memory, if it accesses all of them. */
export const accessOf = (form: EvexForm, { b }: InsnBytes["evex"]): number =>
  b ? form.broadcast : form.compressed ? form.length / 8 : form.memoryBytes;

/** Whether the row with VEX, whose registers may be any, does all that is asked for. */
export const isWholeBase = (form: EvexForm, insn: InsnBytes): boolean =>
  form.base !== undefined &&
  (form.kind === "plain" || (form.kind === "vector" && form.parts === 1 && insn.evex.mask === 0 && !insn.evex.b));

export class EvexExpansion {
  readonly #writer: StepWriter;
  #insn!: InsnBytes;
  #form!: EvexForm;

  constructor(writer: StepWriter) {
    this.#writer = writer;
  }

  /** Steps before a row with VEX that does all: its rounding, if it has one of its own. */
  beginPlain(insn: InsnBytes, form: EvexForm): void {
    this.#insn = insn;
    this.#form = form;
    this.#beginRounding();
  }

  /** Steps behind it. @param written its destination, if that is a vector register. */
  endPlain(form: EvexForm, written: number | undefined): void {
    if (this.#rounds) this.#writer.step(STEPS.endRounding);
    if (written !== undefined) this.#clearAbove(form.length, written);
  }

  /**
   * Writes the steps of an instruction behind its address record. @param segmented the address is an offset in a segment that
   * has a base or a limit.
   */
  expand(insn: InsnBytes, form: EvexForm, registers: Registers, segmented: boolean): void {
    this.#insn = insn;
    this.#form = form;
    if (form.kind === "gather" || form.kind === "scatter") throw new Error("gathers are one record");
    const memory = insn.isMemory;
    const stores = memory && form.destination === "rm";
    const sources = { ...registers };
    if (memory && form.aligned) this.#checkAligned(segmented);
    if (memory && !stores && this.#isLoad()) return this.#loadInto(registers[form.destination]);
    if (memory && !stores) sources.rm = this.#load(segmented);
    const result = this.#compute(registers, sources, memory && !stores && form.spread > 0);
    if (stores) this.#store(result, segmented);
    else if (form.kind === "mask") this.#toMask(registers.reg, result);
    else this.#intoRegister(registers, result);
  }

  #checkAligned(segmented: boolean): void {
    const steps = segmented ? STEPS.checkAlignedInSegment : STEPS.checkAligned;
    const { low, high } = partOfMask(this.#insn.evex.mask, 0, this.#maskBits);
    this.#writer.step(steps[(this.#form.length / 8) as 16 | 32 | 64], 0, 0, 0, low, high);
  }

  get #rounds(): boolean {
    return this.#insn.evex.b && !this.#insn.isMemory && this.#form.rounding !== undefined;
  }

  // --- from memory ---

  /** All of the instruction is a load, without a mask: it writes its destination, whole, and nothing is left to do. */
  #isLoad(): boolean {
    const { kind, step, spread } = this.#form;
    return kind === "vector" && (step === undefined || spread > 0) && this.#insn.evex.mask === 0;
  }

  #loadInto(register: number): void {
    const [form, { evex }] = [this.#form, this.#insn];
    const spreads = evex.b || form.spread > 0;
    const steps: Readonly<Record<number, Row>> = spreads ? STEPS.loadSpread : STEPS.load;
    this.#writer.step(steps[accessOf(form, evex)] as Row, register);
    const length = Math.max(128, form.length) as 128 | 256 | 512;
    if (spreads) this.#clearAbove(length, register);
  }

  /** @returns the register it is loaded into. */
  #load(segmented: boolean): number {
    const [form, { evex }] = [this.#form, this.#insn];
    const writer = this.#writer;
    const spreads = evex.b || form.spread > 0;
    const bytes = accessOf(form, evex);
    const masked = isMaskedAccess(form, evex);
    if (!masked) {
      const steps: Readonly<Record<number, Row>> = spreads ? STEPS.loadSpread : STEPS.load;
      writer.step(steps[bytes] as Row, LOADED);
      return LOADED;
    }
    const { low, high } = this.#masksOfMemory(spreads);
    if (form.compressed) writer.step(STEPS.loadCompressed, LOADED, 0, 0, low, high);
    else {
      const steps: Readonly<Record<number, Row>> = spreads ? STEPS.loadSpreadMasked : STEPS.loadMasked;
      writer.step(segmented ? STEPS.loadSlowly : (steps[bytes] as Row), LOADED, 0, 0, low, high);
    }
    return LOADED;
  }

  /** Elements of memory are as many as the mask has bits, or they are repeated. */
  #masksOfMemory(spreads: boolean): { low: number; high: number } {
    const [form, { evex }] = [this.#form, this.#insn];
    const count = this.#maskBits;
    const bytes = accessOf(form, evex);
    const element = evex.b ? bytes : spreads ? Math.min(form.element, bytes) : bytes / count;
    return masksOfMemory(evex.mask, element, count, bytes, spreads);
  }

  get #maskBits(): number {
    const { scalar, resultBytes, element } = this.#form;
    return scalar ? 1 : resultBytes / element;
  }

  // --- parts ---

  /** @returns the register the whole result is in: a source, the destination itself, or scratch. */
  #compute(registers: Registers, sources: Registers, spread: boolean): number {
    const form = this.#form;
    const { step, destination } = form;
    if (step === undefined || spread) return destination === "reg" ? sources.rm : sources.reg;
    if (form.compressed) return this.#compress(step, registers, sources);
    const target = this.#isDirect() ? registers[destination] : RESULT;
    if (form.readsDestination && target === RESULT)
      this.#writer.step(STEPS.move[512], RESULT, 0, registers[destination]);
    this.#parts(step, { ...sources, [destination]: target });
    return target;
  }

  /** Compression into a register leaves the further elements as they were, or zeros; nothing is merged behind it. */
  #compress(step: Row, registers: Registers, sources: Registers): number {
    const { mask, zeroes } = this.#insn.evex;
    const compresses = this.#form.destination === "rm";
    const target = compresses && !this.#insn.isMemory ? registers.rm : RESULT;
    const kept = target === RESULT || zeroes ? ZERO : target;
    const source = compresses ? sources.reg : sources.rm;
    this.#writer.step(step, target, kept, source, maskField(mask, mask === 0 ? -1 : 0));
    return target;
  }

  #parts(step: Row, fields: Registers): void {
    const [form, writer] = [this.#form, this.#writer];
    this.#beginRounding();
    const defers = form.float && (form.parts > 1 || this.#insn.evex.mask !== 0);
    for (let part = 0; part < form.parts; part++) {
      if (defers) this.#beginFloat(part);
      const at = (field: RegisterField): number => fields[field] + part * form.strides[field];
      writer.step(step, at("reg"), at("vvvv"), at("rm"), this.#immediateOf(part));
    }
    if (this.#rounds) writer.step(STEPS.endRounding);
    else if (defers) writer.step(STEPS.endFloat);
  }

  #immediateOf(part: number): number {
    const { immediateLow } = this.#insn;
    const bits = part * this.#form.immediateBits;
    return bits === 0 ? immediateLow : (immediateLow & 0xff) >> bits;
  }

  #beginRounding(): void {
    if (!this.#rounds) return;
    const { length } = this.#insn.evex;
    this.#writer.step(STEPS.beginRounding, 0, 0, 0, this.#form.rounding === "er" ? length : EVEX_ROUNDING_OF_MXCSR);
  }

  #beginFloat(part: number): void {
    const count = this.#maskBits / this.#form.parts;
    const { low, high } = partOfMask(this.#insn.evex.mask, part * count, count);
    this.#writer.step(STEPS.beginFloat, 0, 0, 0, low, high);
  }

  /** The result may be written where it belongs at once. */
  #isDirect(): boolean {
    const [form, { evex, isMemory }] = [this.#form, this.#insn];
    if (form.kind === "mask" || evex.mask !== 0 || (isMemory && form.destination === "rm")) return false;
    return form.parts === 1 || (form.inPlace && !form.float);
  }

  // --- results ---

  #store(register: number, segmented: boolean): void {
    const [form, writer] = [this.#form, this.#writer];
    const { mask } = this.#insn.evex;
    if (mask === 0) {
      const steps: Readonly<Record<number, Row>> = STEPS.store;
      return writer.step(steps[accessOf(form, this.#insn.evex)] as Row, 0, 0, register);
    }
    if (!isMaskedAccess(form, this.#insn.evex)) writer.step(STEPS.checkWritable[form.resultBytes as 16 | 32], 0, 0, 0);
    const { low, high } = this.#masksOfMemory(false);
    const bits = form.resultBytes * 8;
    if (form.compressed) writer.step(STEPS.storeCompressed, 0, 0, register, low, high);
    else if (segmented || bits < 128) writer.step(STEPS.storeSlowly, 0, 0, register, low, high);
    else writer.step(STEPS.storeMasked[form.element][bits as 128 | 256 | 512], 0, 0, register, low, high);
  }

  #toMask(mask: number, signs: number): void {
    const form = this.#form;
    const field = maskField(this.#insn.evex.mask, this.#insn.evex.mask === 0 ? -1 : 0);
    const step = form.scalar ? STEPS.signToMask[form.element as 4 | 8] : STEPS.signsToMask[form.element][form.length];
    this.#writer.step(step, mask, 0, signs, field);
  }

  #intoRegister(registers: Registers, result: number): void {
    const [form, { evex }] = [this.#form, this.#insn];
    const target = registers[form.destination];
    // What is shorter than a register is followed by zeros, which the results have.
    const length = Math.max(128, Math.min(form.length, form.resultBytes * 8)) as 128 | 256 | 512;
    if (evex.mask === 0) {
      // A register moved into itself is still an instruction.
      if (result !== target || this.#writer.count === 0) this.#writer.step(STEPS.move[length], target, 0, result);
      else this.#clearAbove(length, target);
      return;
    }
    if (form.compressed && form.destination === "rm") return;
    const added = this.#maskBits * form.element >= 16 ? 0 : -(2 ** this.#maskBits);
    const merges = evex.zeroes ? STEPS.mergeZeroing : STEPS.merge;
    const old = form.kept === "vvvv" ? registers.vvvv : target;
    this.#writer.step(merges[form.element][length], target, old, result, maskField(evex.mask, added));
  }

  /** Zeros above the length, which a row with VEX leaves only above 256 bits. */
  #clearAbove(length: 128 | 256 | 512, register: number): void {
    if (length !== 512) this.#writer.step(STEPS.clearAbove[length], register);
  }
}
