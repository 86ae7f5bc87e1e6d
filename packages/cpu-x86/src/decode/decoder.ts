import { constantFields } from "../emit/constant-fields.ts";
import { operandAccessOf, writesVectorRegister } from "../emit/emit-insn.ts";
import { type HandlerLayout, HandlerNumbering, hasMemoryForm, isIndirectOnly } from "../emit/handlers.ts";
import { REG_LETTERS } from "../emit/operands.ts";
import type { AddressForm, Shape, ShapeFacts, StackForm } from "../emit/shape.ts";
import { allRows } from "../instructions/all-rows.ts";
import { evexRows, evexStepRows } from "../instructions/evex.ts";
import type { EvexForm, RegisterField } from "../instructions/evex-form.ts";
import { STEPS } from "../instructions/evex-steps.ts";
import { PSEUDO, PSEUDO_ROWS, UNIT_ADDRESS } from "../instructions/pseudo.ts";
import type { OperandCode, Row } from "../instructions/row.ts";
import { GPR, SEGMENT } from "../state/layout.ts";
import { MODE } from "../state/mode.ts";
import { RECORD, RECORD_BYTES } from "./decoded-insn.ts";
import { type ImmediateKind, type ParsedRow, parseEncoding } from "./encoding.ts";
import { accessOf, EvexExpansion, isMaskedAccess, isWholeBase } from "./evex-expansion.ts";
import { InsnBytes, PARSED } from "./insn-bytes.ts";
import { KnownInsns } from "./known-insns.ts";
import { OpcodeMap } from "./opcode-map.ts";
import { StepWriter } from "./step-writer.ts";

/** The numbering that generator and decoder share. */
export const numbering: HandlerNumbering = new HandlerNumbering([...PSEUDO_ROWS, ...allRows, ...evexStepRows]);

/** What follows an instruction in its run. */
export const FLOW = { next: 0, branch: 1, jump: 2 } as const;

/** How the register field of an operand is written into the record. */
type RegisterFile = "byte" | "gpr" | "zmm" | "fpr" | "mask" | "segment" | "number";

/** What the decoder wants to know of a row again and again. */
interface RowFacts {
  readonly regFile: RegisterFile | undefined;
  /** `reg` comes from the opcode's low bits instead of ModRM.reg. */
  readonly regInOpcode: boolean;
  readonly rmFile: RegisterFile | undefined;
  readonly vvvvFile: RegisterFile | undefined;
  readonly layout: HandlerLayout;
  readonly relative: boolean;
  /** The memory operand's offset is the immediate. */
  readonly absolute: boolean;
  readonly memory: boolean;
  /** An address record always precedes the memory operand. */
  readonly indirect: boolean;
  readonly immediate: ImmediateKind | undefined;
  /** A vector register's number is in bits 7:4 of the immediate. */
  readonly registerInImmediate: boolean;
  /** Which operand is a segment register named by ModRM.reg; -1: none. */
  readonly segmentOperand: number;
  /** Pseudo row that computes the address, found at the first use. */
  addressRow: Row | undefined;
  /** Bytes the row accesses there, by operand size / 32. */
  readonly accessBytes: number[];
}

/**
 * Writes decoded-instruction records. One for each CPU model, because features decide what is #UD.
 */
export class Decoder {
  /** Length in bytes of the instruction decoded last. */
  length = 0;
  /** FLOW of the instruction decoded last. */
  flow: number = FLOW.next;
  /** It may look at a clock, so the fuel has to be right in front of it: it must be the first of its run. */
  readsClock = false;
  readonly #insn: InsnBytes;
  readonly #facts = new Map<ParsedRow, RowFacts>();
  readonly #view: DataView;
  readonly #steps: StepWriter;
  readonly #expansion: EvexExpansion;
  readonly #known: KnownInsns;
  /** Handlers of the branch decoded last, for targets within the page and elsewhere. */
  #nearHandler = 0;
  #farHandler = 0;
  /** The rows with VEX that instructions with EVEX stand for. */
  readonly #bases = new Map<Row, ParsedRow>();

  constructor(buffer: ArrayBufferLike, hasFeature: (name: string) => boolean) {
    this.#view = new DataView(buffer);
    const map = new OpcodeMap([...allRows, ...evexRows], hasFeature);
    this.#insn = new InsnBytes(map);
    this.#known = new KnownInsns(this.#view, (m, opcode) => map.candidates(m, opcode)[0]?.hasModrm === true);
    this.#steps = new StepWriter(this.#view, numbering);
    this.#expansion = new EvexExpansion(this.#steps);
  }

  /**
   * Decodes the instruction at `bytes[at]` (bytes from `end` on do not exist) into records at `record`, mostly one.
   * @param pageOffset offset of the instruction in its page.
   * @returns number of records (MAX_RECORDS at most), or 0: the instruction needs bytes beyond `end`.
   */
  decode(
    bytes: Uint8Array,
    at: number,
    end: number,
    mode: number,
    record: number,
    pageOffset: number,
    ordinal: number,
  ): number {
    const known = this.#known;
    const copied = known.write(bytes, at, end, mode, record, pageOffset, ordinal);
    if (copied === 0) {
      const count = this.decodeAnew(bytes, at, end, mode, record, pageOffset, ordinal);
      if (count !== 0) this.#keep(bytes, at, mode, record, count);
      return count;
    }
    this.length = known.length;
    this.flow = known.flow;
    this.readsClock = known.readsClock;
    return copied;
  }

  /** Lets instructions with the same head be written as the one just decoded, if that is possible. */
  #keep(bytes: Uint8Array, at: number, mode: number, record: number, count: number): void {
    const insn = this.#insn;
    const parsed = insn.row;
    if (parsed === undefined || insn.vex || (mode & MODE.awaitsEndbranch) !== 0) return;
    const [kind, another] = parsed.immediates;
    if (another !== undefined || kind === "p" || kind === "o") return;
    const facts = this.#factsOf(parsed);
    const { headLength, displacementLength, length } = insn;
    if (displacementLength !== 0 && !facts.memory) return;
    const handler = this.#view.getUint16(record + (count - 1) * RECORD_BYTES + RECORD.handler, true);
    if (handler === TOO_LONG || handler === UNDEFINED_OPCODE) return;
    const ripRelative = insn.base === GPR.pageRip;
    const { flow, readsClock } = this;
    const { relative } = facts;
    const nearHandler = relative ? this.#nearHandler : handler;
    const farHandler = relative ? this.#farHandler : handler;
    const layout = { headLength, displacementLength, length, ripRelative, relative, nearHandler, farHandler };
    this.#known.keep(bytes, at, mode, record, count, { ...layout, flow, readsClock });
  }

  /** As {@link decode}, without regard to what was decoded before. */
  decodeAnew(
    bytes: Uint8Array,
    at: number,
    end: number,
    mode: number,
    record: number,
    pageOffset: number,
    ordinal: number,
  ): number {
    const insn = this.#insn;
    const outcome = insn.parse(bytes, at, end, mode);
    if (outcome === PARSED.truncated) return 0;
    this.length = insn.length;
    this.flow = FLOW.next;
    this.readsClock = false;
    this.#clear(record, pageOffset, ordinal, insn.length);
    const parsed = insn.row;
    // Before anything the bytes may be wrong in: SDM vol. 3A, "Priority Among Simultaneous Exceptions and Interrupts".
    if ((mode & MODE.awaitsEndbranch) !== 0 && !mayFollowBranch(parsed?.row)) {
      this.#clear(record, pageOffset, ordinal, 0);
      return this.#raises(record, MISSING_ENDBRANCH);
    }
    if (outcome === PARSED.tooLong) return this.#raises(record, TOO_LONG);
    if (parsed === undefined) return this.#raises(record, UNDEFINED_OPCODE);
    const { evex } = parsed.row;
    if (evex !== undefined) return this.#evex(record, parsed, evex, mode, pageOffset, ordinal);
    const count = this.#instruction(record, parsed, mode, pageOffset, ordinal);
    return this.flow === FLOW.next ? this.#finish(record, parsed, count, mode, pageOffset, ordinal) : count;
  }

  /** What follows an instruction's own records: where AVX-512 is enabled, VEX means that registers are written whole. */
  #finish(record: number, parsed: ParsedRow, done: number, mode: number, pageOffset: number, ordinal: number): number {
    const steps = this.#steps;
    steps.start(record, done, pageOffset, ordinal, this.length);
    if ((mode & MODE.wideVectors) !== 0 && this.#insn.vex) this.#clearAbove(parsed);
    return steps.finish();
  }

  #clearAbove({ row }: ParsedRow): void {
    const steps = this.#steps;
    const written = this.#writtenVector(row);
    if (written !== undefined) steps.step(STEPS.clearAbove[256], written);
    if (row.vsib) steps.step(STEPS.clearAbove[256], this.#insn.vvvv * ZMM_BYTES);
    if (row.operands.length === 0 && writesVectors(row, "reg")) steps.step(STEPS.clearAllAbove);
  }

  /** The vector register that a row with VEX writes, if it does. */
  #writtenVector(row: Row): number | undefined {
    const insn = this.#insn;
    const [code] = row.operands;
    if (code === undefined || !"VHUW".includes(code[0] as string)) return undefined;
    if (!row.vsib && !writesVectors(row, insn.isMemory ? "mea" : "reg")) return undefined;
    // VPCMPESTRM and VPCMPISTRM write XMM0, which is no operand.
    if (row.mnemonic.endsWith("STRM")) return 0;
    return this.#vectorRegisters()[code[0] === "V" ? "reg" : code[0] === "H" ? "vvvv" : "rm"];
  }

  /** As byte offsets in the vector file; `rm` only if it is a register. */
  #vectorRegisters(): Record<RegisterField, number> {
    const { modrm, rex, vvvv, evex } = this.#insn;
    const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1) | evex.regHigh;
    const rm = (modrm & 7) | ((rex & 1) << 3) | evex.rmHigh;
    return { reg: reg * ZMM_BYTES, vvvv: (vvvv | evex.vvvvHigh) * ZMM_BYTES, rm: rm * ZMM_BYTES };
  }

  #evex(record: number, parsed: ParsedRow, form: EvexForm, mode: number, pageOffset: number, ordinal: number): number {
    const [insn, steps, expansion] = [this.#insn, this.#steps, this.#expansion];
    steps.start(record, 0, pageOffset, ordinal, insn.length);
    if (form.kind === "gather" || form.kind === "scatter") return this.#indexed(record, form, pageOffset);
    if (isWholeBase(form, insn)) {
      expansion.beginPlain(insn, form);
      const before = steps.count;
      const base = this.#baseOf(form.base as Row);
      const at = record + before * RECORD_BYTES;
      this.#clear(at, pageOffset, ordinal, insn.length);
      const done = before + this.#instruction(at, base, mode, pageOffset, ordinal);
      steps.start(record, done, pageOffset, ordinal, insn.length);
      expansion.endPlain(form, this.#writtenVector(base.row));
      return steps.finish();
    }
    const segmented = insn.isMemory && this.#evexAddress(record, form, mode, pageOffset, ordinal);
    const registers = this.#vectorRegisters();
    if (form.kind === "mask") registers.reg = ((insn.modrm >> 3) & 7) * 8;
    if (parsed.row.operands.some((code) => code[0] === "R"))
      registers.rm = ((insn.modrm & 7) | ((insn.rex & 1) << 3)) * 8;
    if (parsed.row.operands.some((code) => code[0] === "F")) registers.rm = (insn.modrm & 7) * 8;
    expansion.expand(insn, form, registers, segmented);
    return steps.finish();
  }

  #baseOf(row: Row): ParsedRow {
    const known = this.#bases.get(row);
    if (known !== undefined) return known;
    const parsed = parseEncoding({ ...row, encoding: row.encoding.replace(".STEP", ".NP.0F") });
    const made = { ...parsed, row };
    this.#bases.set(row, made);
    return made;
  }

  /** Gathers and scatters are one record: the helper forms the addresses. */
  #indexed(record: number, form: EvexForm, pageOffset: number): number {
    const [insn, view] = [this.#insn, this.#view];
    this.#steps.step(form.step as Row, this.#vectorRegisters().reg, insn.evex.mask * 8);
    this.#addressFields(record, pageOffset, true);
    const number = numbering.numberOf(form.step as Row, { ...NO_FACTS, form: "m64", asize: insn.asize });
    view.setUint16(record + RECORD.handler, number, true);
    return this.#steps.finish();
  }

  /**
   * Writes the address record of an instruction with EVEX. @returns whether the address is left an offset in a segment: its
   * elements are looked at one by one.
   */
  #evexAddress(record: number, form: EvexForm, mode: number, pageOffset: number, ordinal: number): boolean {
    const [insn, view] = [this.#insn, this.#view];
    const segment = withoutBase(insn.segment, mode);
    const masked = isMaskedAccess(form, insn.evex);
    const hasLimits = (mode & MODE.codeSizeMask) !== MODE.code64;
    const segmented = masked && segment !== SEGMENT.none && hasLimits;
    const access = form.destination === "rm" ? "write" : "read";
    const row = masked ? PSEUDO.addressOnly : hasLimits ? UNIT_ADDRESS[access].avx : PLAIN_ADDRESS[access];
    this.#clear(record, pageOffset, ordinal, insn.length);
    this.#addressFields(record, pageOffset);
    view.setUint8(record + RECORD.segment, segmented ? SEGMENT.none : segment);
    view.setUint16(record + RECORD.accessSize, accessOf(form, insn.evex), true);
    view.setUint16(record + RECORD.handler, numbering.numberOf(row, { ...NO_FACTS, asize: insn.asize }), true);
    this.#steps.start(record, 1, pageOffset, ordinal, insn.length);
    this.#steps.segment = insn.segment;
    return segmented;
  }

  /**
   * Writes a record that links to the instruction at `offset` from the page's start (4096 and more: another page).
   * @param target its record, if known. @param byRip finds it by rip each time: it is not a record of this page.
   */
  link(record: number, pageOffset: number, ordinal: number, offset: number, target: number, byRip: boolean): void {
    this.#clear(record, pageOffset, ordinal, 0);
    const view = this.#view;
    view.setInt32(record + RECORD.immediate, offset, true);
    view.setUint32(record + RECORD.target, target, true);
    this.#pseudo(record, offset < 4096 && !byRip ? LINK_IN_PAGE : LINK_BY_RIP);
  }

  /**
   * Lets one handler do the instruction at `record` and the next one where there is a handler for both. To be called once
   * both are written, of records of one run only.
   */
  pair(record: number): void {
    const view = this.#view;
    const first = view.getUint16(record + RECORD.handler, true);
    const second = view.getUint16(record + RECORD_BYTES + RECORD.handler, true);
    const both = numbering.pairOf(first, second);
    if (both !== 0) view.setUint16(record + RECORD.handler, both, true);
  }

  /** Writes a record that hands over to the run loop. */
  stop(record: number, pageOffset: number, ordinal: number): void {
    this.#clear(record, pageOffset, ordinal, 0);
    this.#pseudo(record, STOP);
  }

  /**
   * Makes a record decode again when it is executed. Links stay: they hold no bytes, and an instruction that changed its
   * own run still has to get past its end.
   */
  markStale(record: number): void {
    const handler = this.#view.getUint16(record + RECORD.handler, true);
    if (handler !== LINK_IN_PAGE && handler !== LINK_BY_RIP) this.#pseudo(record, STALE);
  }

  /**
   * Makes a record lead into a region. @param entry what the region is given, 16 bits. @param slot of the region, 16 bits.
   * @returns the handler number it had, for {@link unlinkRegion}.
   */
  linkRegion(record: number, slot: number, entry: number): number {
    const view = this.#view;
    const handler = view.getUint16(record + RECORD.handler, true);
    this.#pseudo(record, REGION_HANDLER);
    view.setUint32(record + RECORD.heat, ((slot << 16) | (entry & 0xffff)) >>> 0, true);
    return handler;
  }

  /** Takes {@link linkRegion} back, unless the record went stale meanwhile. */
  unlinkRegion(record: number, handler: number): void {
    const view = this.#view;
    if (view.getUint16(record + RECORD.handler, true) !== REGION_HANDLER) return;
    this.#pseudo(record, handler);
    view.setUint32(record + RECORD.heat, 0, true);
  }

  /** Whether a record leads into a region. */
  isRegion(record: number): boolean {
    return this.#view.getUint16(record + RECORD.handler, true) === REGION_HANDLER;
  }

  #clear(record: number, pageOffset: number, ordinal: number, length: number): void {
    const view = this.#view;
    for (let i = 0; i < RECORD_BYTES; i += 4) view.setUint32(record + i, 0, true);
    view.setUint16(record + RECORD.pageOffset, pageOffset, true);
    view.setUint8(record + RECORD.length, length);
    view.setUint8(record + RECORD.ordinal, ordinal);
  }

  #pseudo(record: number, handler: number): number {
    this.#view.setUint16(record + RECORD.handler, handler, true);
    return 1;
  }

  /** Nothing of the run behind it will be reached. */
  #raises(record: number, handler: number): number {
    this.flow = FLOW.jump;
    return this.#pseudo(record, handler);
  }

  #instruction(record: number, parsed: ParsedRow, mode: number, pageOffset: number, ordinal: number): number {
    const insn = this.#insn;
    const view = this.#view;
    const facts = this.#factsOf(parsed);
    if (facts.segmentOperand >= 0 && !isSegment((insn.modrm >> 3) & 7, facts.segmentOperand))
      return this.#raises(record, UNDEFINED_OPCODE);
    const { row } = parsed;
    const form = this.#addressForm(row, facts, mode);
    let at = record;
    if (form === "mea") {
      this.#address(at, parsed, facts, mode, pageOffset);
      if (facts.indirect && !row.offsetOnly) view.setUint8(at + RECORD.segment, withoutBase(insn.segment, mode));
      at += RECORD_BYTES;
      this.#clear(at, pageOffset, ordinal, insn.length);
      view.setUint8(at + RECORD.segment, insn.segment);
    } else if (facts.memory) this.#addressFields(at, pageOffset, row.vsib);
    this.#registers(at, parsed, facts);
    this.#immediate(at, facts, pageOffset, row.noTrack === true);
    if (!facts.memory || form === "reg")
      view.setUint8(at + RECORD.segment, row.stack ? SEGMENT.ss : stringSegment(insn, mode));
    const shape = {
      opsize: insn.opsize,
      form,
      asize: insn.asize,
      stack: stackForm(mode),
      rep: insn.repeat === 0 ? "none" : insn.repeat === 0xf3 ? "repz" : "repnz",
      inPage: false,
    } as const;
    const { relative, layout } = facts;
    const handler = relative ? this.#branchHandler(facts, shape, pageOffset, mode) : layout.numberOf(shape);
    view.setUint16(at + RECORD.handler, handler, true);
    this.readsClock = row.readsClock === true;
    this.flow = row.flow === "jump" ? FLOW.jump : row.flow === "branch" ? FLOW.branch : FLOW.next;
    return at === record ? 1 : 2;
  }

  #addressForm(row: Row, facts: RowFacts, mode: number): AddressForm {
    const insn = this.#insn;
    if (!facts.memory) return "reg";
    if (!insn.isMemory && !facts.absolute) return "reg";
    if (facts.absolute) insn.segment = insn.segmentPrefix >= 0 ? insn.segmentPrefix : SEGMENT.ds;
    // POP to memory forms its address with rSP incremented already. SDM vol. 2B, POP.
    if (row.mnemonic === "POP" && insn.base === GPR.rsp) insn.displacement += insn.opsize / 8;
    // The helper forms the addresses, and a bad one in the stack segment is #SS.
    if (row.vsib) return "m64";
    if (facts.indirect) return "mea";
    if (row.mnemonic === "LEA") return insn.asize === 64 ? "m64" : insn.asize === 32 ? "m32" : "mea";
    // CS is never writable: its limits are looked at even if it spans everything.
    if (insn.asize === 16 || insn.segment >= SEGMENT.fs || insn.segment === SEGMENT.cs) return "mea";
    if (insn.asize === 64) return "m64";
    return (mode & (MODE.flat | MODE.code64)) !== 0 ? "m32" : "mea";
  }

  /** The record that computes the address for the next one. */
  #address(record: number, parsed: ParsedRow, facts: RowFacts, mode: number, pageOffset: number): void {
    const insn = this.#insn;
    const view = this.#view;
    facts.addressRow ??= this.#findAddressRow(parsed, facts);
    const addressRow =
      (mode & MODE.codeSizeMask) === MODE.code64 ? facts.addressRow : checkedFirst(facts.addressRow, parsed);
    this.#addressFields(record, pageOffset);
    if (parsed.row.offsetOnly) view.setUint8(record + RECORD.segment, SEGMENT.none);
    if (facts.absolute) {
      const { immediateLow: low, immediateHigh: high } = insn;
      view.setInt32(record + RECORD.displacement, low, true);
      view.setInt32(record + RECORD.addressHigh, high - (low >> 31), true);
    }
    view.setUint16(record + RECORD.accessSize, facts.accessBytes[insn.opsize >> 5] ?? 0, true);
    const number = numbering.numberOf(addressRow, { ...NO_FACTS, asize: insn.asize });
    view.setUint16(record + RECORD.handler, number, true);
  }

  #findAddressRow(parsed: ParsedRow, facts: RowFacts): Row {
    if (parsed.row.offsetOnly) return PSEUDO.addressOnly;
    let write = false;
    for (const opsize of [16, 32, 64] as const) {
      const shape: Shape = { ...NO_FACTS, row: parsed.row, form: "mea", opsize, code64: false };
      const access = operandAccessOf(shape, constantFields);
      facts.accessBytes[opsize >> 5] = access.bytes;
      write ||= access.write;
    }
    if (facts.accessBytes.every((bytes) => bytes === 0)) return PSEUDO.addressOnly;
    if (parsed.row.osxsave) return write ? PSEUDO.addressSupervisorSave : PSEUDO.addressSupervisorRestore;
    if (parsed.row.cpl0) return PSEUDO.addressPrivileged;
    return write ? PSEUDO.addressWrite : PSEUDO.addressRead;
  }

  #addressFields(record: number, pageOffset: number, vsib = false): void {
    const insn = this.#insn;
    const view = this.#view;
    const ripRelative = insn.base === 17;
    const bias = ripRelative ? pageOffset + insn.length : 0;
    view.setUint8(record + RECORD.scale, insn.scale);
    view.setUint8(record + RECORD.segment, insn.segment);
    view.setUint16(record + RECORD.base, insn.base * 8, true);
    view.setUint16(record + RECORD.index, registerField(vsib ? "zmm" : "gpr", insn.index, 0), true);
    view.setInt32(record + RECORD.displacement, insn.displacement + bias, true);
  }

  #registers(record: number, parsed: ParsedRow, facts: RowFacts): void {
    const insn = this.#insn;
    const view = this.#view;
    const { evex } = insn;
    if (facts.regFile !== undefined) {
      const low = facts.regInOpcode ? insn.opcode & 7 : (insn.modrm >> 3) & 7;
      const high = facts.regInOpcode ? (insn.rex & 1) << 3 : ((insn.rex & 4) << 1) | evex.regHigh;
      view.setUint16(record + RECORD.reg, registerField(facts.regFile, low | high, insn.rex), true);
    }
    if (parsed.row.fpu === "x87") {
      const saved = ((insn.opcode & 7) << 8) | insn.modrm;
      view.setUint16(record + RECORD.x87Opcode, saved, true);
    }
    if (facts.vvvvFile !== undefined)
      view.setUint16(record + RECORD.vvvv, registerField(facts.vvvvFile, insn.vvvv | evex.vvvvHigh, insn.rex), true);
    if (parsed.hasModrm && !insn.isMemory) {
      const file = facts.rmFile ?? "number";
      const number = (insn.modrm & 7) | ((insn.rex & 1) << 3) | (file === "zmm" ? evex.rmHigh : 0);
      view.setUint16(record + RECORD.rm, registerField(file, number, insn.rex), true);
    }
  }

  #immediate(record: number, facts: RowFacts, pageOffset: number, noTrack: boolean): void {
    const insn = this.#insn;
    const view = this.#view;
    if (facts.relative) {
      view.setInt32(record + RECORD.immediate, insn.immediateLow + pageOffset + insn.length, true);
      return;
    }
    if (noTrack) {
      view.setUint32(record + RECORD.immediate, insn.noTrack ? 1 : 0, true);
      return;
    }
    // Outside 64-bit mode there are eight registers, and bit 7 of the immediate is ignored.
    const low = facts.registerInImmediate && !insn.code64 ? insn.immediateLow & 0x7f : insn.immediateLow;
    view.setInt32(record + RECORD.immediate, low, true);
    if (isWide(facts.immediate, insn.opsize))
      view.setInt32(record + RECORD.wideImmediate + 4, insn.immediateHigh, true);
  }

  /** 16-bit code wraps at 64 KiB, which page offsets do not show: its branches go the long way. */
  #branchHandler(facts: RowFacts, shape: ShapeFacts, pageOffset: number, mode: number): number {
    const insn = this.#insn;
    const wraps = (mode & MODE.codeSizeMask) === MODE.code16 || insn.opsize === 16;
    this.#farHandler = facts.layout.numberOf(shape);
    this.#nearHandler = wraps ? this.#farHandler : facts.layout.numberOf({ ...shape, inPage: true });
    const target = pageOffset + insn.length + insn.immediateLow;
    return target >= 0 && target < 4096 ? this.#nearHandler : this.#farHandler;
  }

  #factsOf(parsed: ParsedRow): RowFacts {
    const known = this.#facts.get(parsed);
    if (known !== undefined) return known;
    const { operands } = parsed.row;
    const reg = operands.find((code) => isCode(code, REG_LETTERS));
    const rm = operands.find((code) => isCode(code, "ERUNQWF"));
    const vvvv = operands.find((code) => isCode(code, "BHT"));
    const facts: RowFacts = {
      regFile: reg === undefined ? undefined : fileOf(reg),
      regInOpcode: reg !== undefined && reg[0] === "Z",
      vvvvFile: vvvv === undefined ? undefined : fileOf(vvvv),
      rmFile: rm === undefined ? undefined : fileOf(rm),
      layout: numbering.layoutOf(parsed.row),
      absolute: operands.some((code) => code[0] === "O"),
      relative: operands.some((code) => code[0] === "J"),
      immediate: parsed.immediates[0],
      memory: hasMemoryForm(parsed.row),
      indirect: isIndirectOnly(parsed.row),
      registerInImmediate: operands.some((code) => code[0] === "L"),
      segmentOperand: operands.indexOf("Sw"),
      addressRow: undefined,
      accessBytes: [],
    };
    this.#facts.set(parsed, facts);
    return facts;
  }
}

const PLAIN_ADDRESS = { read: PSEUDO.addressRead, write: PSEUDO.addressWrite } as const;

const NO_FACTS = { opsize: 32, form: "reg", asize: 64, stack: "s64", rep: "none", inPage: false } as const;
/** Whether an immediate may have more than 32 bits: an absolute offset, a far pointer, that of MOV at 64 bits. */
const isWide = (kind: ImmediateKind | undefined, opsize: number): boolean =>
  kind === "o" || kind === "p" || (kind === "v" && opsize === 64);

/** There are six; CS is no destination, which is operand 0. SDM vol. 2B, "MOV". */
const isSegment = (number: number, operand: number): boolean =>
  number <= SEGMENT.gs && (number !== SEGMENT.cs || operand !== 0);

const STALE = numbering.numberOf(PSEUDO.stale, NO_FACTS);
const LINK_IN_PAGE = numbering.numberOf(PSEUDO.link, { ...NO_FACTS, inPage: true });
const LINK_BY_RIP = numbering.numberOf(PSEUDO.link, NO_FACTS);
const STOP = numbering.numberOf(PSEUDO.stop, NO_FACTS);
/** Number of the handler that leads into a region. */
export const REGION_HANDLER: number = numbering.numberOf(PSEUDO.region, NO_FACTS);
const MISSING_ENDBRANCH = numbering.numberOf(PSEUDO.missingEndbranch, NO_FACTS);
/** What an indirect branch may lead to: ENDBRANCH, and INT3 as debuggers put it there. */
const mayFollowBranch = (row: Row | undefined): boolean => row?.enforced === "awaited" || row?.mnemonic === "INT3";
const TOO_LONG = numbering.numberOf(PSEUDO.tooLong, NO_FACTS);
const UNDEFINED_OPCODE = numbering.numberOf(PSEUDO.undefinedOpcode, NO_FACTS);

const ZMM_BYTES = 64;

const vectorWriters = new Map<Row, Partial<Record<AddressForm, boolean>>>();

/** Whether a row with VEX writes a vector register: its semantics are asked, once. */
function writesVectors(row: Row, form: "reg" | "mea"): boolean {
  const known = vectorWriters.get(row) ?? {};
  vectorWriters.set(row, known);
  known[form] ??= writesVectorRegister({ ...NO_FACTS, row, form, code64: false }, constantFields);
  return known[form];
}

function isCode(code: OperandCode, letters: string): boolean {
  return /^[A-Z]([a-z]+)$/.test(code) && code !== "rAX" && letters.includes(code[0] as string);
}

function fileOf(code: OperandCode): RegisterFile {
  if ("VWUHL".includes(code[0] as string)) return "zmm";
  if (code[0] === "P" || code[0] === "Q" || code[0] === "N") return "fpr";
  if (code[0] === "K" || code[0] === "T" || code[0] === "F") return "mask";
  if (code[0] === "S") return "segment";
  if (code[0] === "C" || code[0] === "D") return "number";
  return code[1] === "b" ? "byte" : "gpr";
}

/**
 * Without REX, byte registers 4..7 are AH CH DH BH; where there are eight registers or fewer, REX.R and REX.B do nothing. SDM vol. 2A,
 * "REX Prefixes".
 */
function registerField(file: RegisterFile, number: number, rex: number): number {
  if (file === "zmm") return number * 64;
  if (file === "fpr") return (number & 7) * 16;
  if (file === "mask") return (number & 7) * 8;
  if (file === "segment") return number & 7;
  if (file === "number") return number;
  if (file === "byte" && rex === 0 && number >= 4) return (number - 4) * 8 + 1;
  return number * 8;
}

/** No segment where this one has neither base nor limit: for sums, not for faults, which tell SS from others. */
function withoutBase(segment: number, mode: number): number {
  if (segment >= SEGMENT.fs) return segment;
  if ((mode & MODE.codeSizeMask) === MODE.code64) return SEGMENT.none;
  return (mode & MODE.flat) !== 0 && segment !== SEGMENT.cs ? SEGMENT.none : segment;
}

/** Segment of string sources, XLAT and masked stores: none where it has neither base nor limit. */
function stringSegment(insn: InsnBytes, mode: number): number {
  if (insn.segmentPrefix >= SEGMENT.fs) return insn.segmentPrefix;
  if ((mode & MODE.codeSizeMask) === MODE.code64) return SEGMENT.none;
  // CS is never writable, however flat.
  if ((mode & MODE.flat) !== 0 && insn.segmentPrefix !== SEGMENT.cs) return SEGMENT.none;
  return insn.segmentPrefix >= 0 ? insn.segmentPrefix : SEGMENT.ds;
}

function stackForm(mode: number): StackForm {
  if ((mode & MODE.codeSizeMask) === MODE.code64) return "s64";
  if ((mode & MODE.stack32) === 0) return "s16";
  return (mode & MODE.flat) !== 0 ? "flat32" : "s32";
}

/** What computes an address and looks at limits, behind a look at the unit that the row needs. */
function checkedFirst(addressRow: Row, { row: { fpu } }: ParsedRow): Row {
  if (fpu === undefined) return addressRow;
  if (addressRow === PSEUDO.addressRead) return UNIT_ADDRESS.read[fpu];
  return addressRow === PSEUDO.addressWrite ? UNIT_ADDRESS.write[fpu] : addressRow;
}
