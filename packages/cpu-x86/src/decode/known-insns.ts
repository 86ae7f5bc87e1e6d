// Instructions that were decoded before: their records are written anew without looking at rows.
//
// What an instruction is lies in its head: prefixes, opcode, ModRM and SIB. Displacement, immediate and place only fill fields
// in. Of the instructions of a kernel that boots most have heads that were seen before.
//
// Invariant: all the decoder makes of a kept instruction depends on its head, on the mode, and on what `write` fills in. Where
// the head seems to end elsewhere than the decoder has found, the instruction is not kept: the rules here can miss one, not
// mistake it.
import { MODE } from "../state/mode.ts";
import { RECORD, RECORD_BYTES } from "./decoded-insn.ts";

/** Entries; a power of two. */
const ENTRIES = 8192;
/** Bytes of a head at most. */
const MAX_HEAD = 8;
/** Records of an instruction at most: an address record and its own. */
const KEPT_RECORDS = 2;
const WORDS = RECORD_BYTES / 4;
/** 32-bit words of an entry: its head, the mode and one more bit, lengths and flags, two handlers, the records. */
const KEPT = { head: 0, mode: 2, layout: 3, handlers: 4, records: 5 } as const;
const ENTRY_WORDS = KEPT.records + KEPT_RECORDS * WORDS;
/** Bits of `layout`, above four of each length: of all, of the head, the displacement and the immediate. */
const LAYOUT = { flowShift: 16, two: 1 << 18, ripRelative: 1 << 19, relative: 1 << 20, readsClock: 1 << 21 } as const;

/** What a byte does in a head. */
const PART = { opcode: 0, opcodeWithModrm: 1, prefix: 2, escape: 3, unknown: 4 } as const;
const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
const ADDRESS_SIZE = 0x67;

/** What of an instruction its head does not say, and how its records depend on that. */
export interface InsnLayout {
  /** Bytes of prefixes, opcode, ModRM and SIB; of the displacement; and of all. The rest is one immediate. */
  readonly headLength: number;
  readonly displacementLength: number;
  readonly length: number;
  /** The displacement counts from the end of the instruction, as the field does from the page's start. */
  readonly ripRelative: boolean;
  /** The immediate is a branch's, and counts likewise. */
  readonly relative: boolean;
  /** Handlers of the last record for targets within the page and elsewhere; the same if that does not matter. */
  readonly nearHandler: number;
  readonly farHandler: number;
  /** FLOW of the instruction. */
  readonly flow: number;
  readonly readsClock: boolean;
}

/** One for each decoder. */
export class KnownInsns {
  /** Of the instruction written last, as in the decoder. */
  length = 0;
  flow = 0;
  readsClock = false;
  readonly #view: DataView;
  readonly #entries = new Int32Array(ENTRIES * ENTRY_WORDS);
  /** PART by byte: of the first opcode byte outside 64-bit mode, in it, and of the second one. */
  readonly #parts: Uint8Array;
  /** The head that was read last, its length, and its place among the entries. */
  #low = 0;
  #high = 0;
  #headLength = 0;
  #entry = 0;

  /** @param hasModrm whether there is a ModRM byte behind an opcode of a map, 0 or 1 (0F). */
  constructor(view: DataView, hasModrm: (map: number, opcode: number) => boolean) {
    this.#view = view;
    const partsOf = (map: number) =>
      Uint8Array.from({ length: 256 }, (_, byte) => (hasModrm(map, byte) ? PART.opcodeWithModrm : PART.opcode));
    const first = partsOf(0);
    for (const byte of PREFIXES) first[byte] = PART.prefix;
    first[0x0f] = PART.escape;
    // VEX and EVEX, and what begins like them.
    for (const byte of [0x62, 0xc4, 0xc5]) first[byte] = PART.unknown;
    const second = partsOf(1);
    second[0x38] = second[0x3a] = PART.unknown;
    this.#parts = Uint8Array.from([...first, ...first.slice().fill(PART.prefix, 0x40, 0x50), ...second]);
  }

  /** As `decode` of the decoder, but @returns 0 as well if the instruction is not known. */
  write(
    bytes: Uint8Array,
    at: number,
    end: number,
    mode: number,
    record: number,
    pageOffset: number,
    ordinal: number,
  ): number {
    if (!this.#readHead(bytes, at, end, mode)) return 0;
    const entries = this.#entries;
    const entry = this.#entry;
    if (entries[entry] !== this.#low || entries[entry + 1] !== this.#high) return 0;
    if (entries[entry + KEPT.mode] !== modeKey(mode)) return 0;
    const layout = entries[entry + KEPT.layout] as number;
    this.length = layout & 15;
    if (((layout >> 4) & 15) !== this.#headLength || at + this.length > end) return 0;
    this.flow = (layout >> LAYOUT.flowShift) & 3;
    this.readsClock = (layout & LAYOUT.readsClock) !== 0;
    this.#copy(entry, record, pageOffset, ordinal);
    this.#fill(bytes, at + this.#headLength, entry, record, pageOffset + this.length);
    return (layout & LAYOUT.two) !== 0 ? 2 : 1;
  }

  /** The kept records, at another place. */
  #copy(entry: number, record: number, pageOffset: number, ordinal: number): void {
    const view = this.#view;
    const entries = this.#entries;
    const place = pageOffset | (this.length << 16) | (ordinal << 24);
    const bytes = ((entries[entry + KEPT.layout] as number) & LAYOUT.two) !== 0 ? 2 * RECORD_BYTES : RECORD_BYTES;
    const first = entry + KEPT.records;
    for (let i = 0; i < bytes; i += 4) view.setInt32(record + i, entries[first + (i >> 2)] as number, true);
    view.setInt32(record + RECORD.pageOffset, place, true);
    if (bytes > RECORD_BYTES) view.setInt32(record + RECORD_BYTES + RECORD.pageOffset, place, true);
  }

  /** Displacement and immediate, whose bytes begin at `at`; `behind` is the page offset behind the instruction. */
  #fill(bytes: Uint8Array, at: number, entry: number, record: number, behind: number): void {
    const view = this.#view;
    const layout = this.#entries[entry + KEPT.layout] as number;
    const displacementLength = (layout >> 8) & 15;
    if (displacementLength !== 0) {
      const base = view.getInt32(record + RECORD.displacement, true);
      const from = (layout & LAYOUT.ripRelative) !== 0 ? base + behind : base;
      view.setInt32(record + RECORD.displacement, from + signed(bytes, at, displacementLength), true);
    }
    const immediateLength = (layout >> 12) & 15;
    if (immediateLength === 0) return;
    const last = (layout & LAYOUT.two) !== 0 ? record + RECORD_BYTES : record;
    const immediateAt = at + displacementLength;
    const low = signed(bytes, immediateAt, immediateLength);
    if ((layout & LAYOUT.relative) === 0) {
      view.setInt32(last + RECORD.immediate, low, true);
      if (immediateLength === 8)
        view.setInt32(last + RECORD.wideImmediate + 4, signed(bytes, immediateAt + 4, 4), true);
      return;
    }
    const target = low + behind;
    const handlers = this.#entries[entry + KEPT.handlers] as number;
    view.setInt32(last + RECORD.immediate, target, true);
    view.setUint16(last + RECORD.handler, target >= 0 && target < 4096 ? handlers & 0xffff : handlers >>> 16, true);
  }

  /**
   * Keeps what the decoder has made of the instruction at `bytes[at]`, which `write` was asked for just before.
   * @param count its records, at `record`.
   */
  keep(bytes: Uint8Array, at: number, mode: number, record: number, count: number, layout: InsnLayout): void {
    const { headLength, displacementLength, length } = layout;
    if (count > KEPT_RECORDS || this.#headLength !== headLength) return;
    const view = this.#view;
    const entries = this.#entries;
    const entry = this.#entry;
    const first = entry + KEPT.records;
    for (let i = 0; i < count * WORDS; i++) entries[first + i] = view.getInt32(record + i * 4, true);
    if (displacementLength !== 0) {
      const behind = layout.ripRelative ? view.getUint16(record + RECORD.pageOffset, true) + length : 0;
      const base = (entries[first + RECORD.displacement / 4] as number) - behind;
      entries[first + RECORD.displacement / 4] = base - signed(bytes, at + headLength, displacementLength);
    }
    entries[entry] = this.#low;
    entries[entry + 1] = this.#high;
    entries[entry + KEPT.mode] = modeKey(mode);
    entries[entry + KEPT.handlers] = layout.nearHandler | (layout.farHandler << 16);
    const lengths = length | (headLength << 4) | (displacementLength << 8);
    entries[entry + KEPT.layout] =
      lengths |
      ((length - headLength - displacementLength) << 12) |
      (layout.flow << LAYOUT.flowShift) |
      (count === 2 ? LAYOUT.two : 0) |
      (layout.ripRelative ? LAYOUT.ripRelative : 0) |
      (layout.relative ? LAYOUT.relative : 0) |
      (layout.readsClock ? LAYOUT.readsClock : 0);
  }

  /** Reads the head at `bytes[at]` and says where it is kept. @returns false: its kind is not kept, or the bytes end in it. */
  #readHead(bytes: Uint8Array, at: number, end: number, mode: number): boolean {
    const parts = this.#parts;
    const limit = Math.min(end, at + MAX_HEAD);
    const code64 = (mode & MODE.codeSizeMask) === MODE.code64;
    let address16 = (mode & MODE.codeSizeMask) === MODE.code16;
    let next = at;
    let table = code64 ? 256 : 0;
    let part: number = PART.prefix;
    this.#headLength = 0;
    while (part === PART.prefix || part === PART.escape) {
      if (next >= limit) return false;
      const byte = bytes[next++] as number;
      part = parts[table + byte] as number;
      if (part === PART.escape) table = 512;
      else if (byte === ADDRESS_SIZE && part === PART.prefix)
        address16 = !code64 && (mode & MODE.codeSizeMask) === MODE.code32;
    }
    if (part === PART.unknown) return false;
    if (part === PART.opcodeWithModrm) {
      if (next >= limit) return false;
      const modrm = bytes[next++] as number;
      if (!address16 && modrm < 0xc0 && (modrm & 7) === 4) next++;
    }
    if (next > limit) return false;
    this.#enterHead(bytes, at, next - at, mode);
    return true;
  }

  #enterHead(bytes: Uint8Array, at: number, length: number, mode: number): void {
    let low = 0;
    let high = 0;
    for (let i = 0; i < length; i++) {
      const byte = bytes[at + i] as number;
      if (i < 4) low |= byte << (i * 8);
      else high |= byte << (i * 8 - 32);
    }
    this.#low = low;
    this.#high = high;
    this.#headLength = length;
    const hash = Math.imul(low ^ Math.imul(high, 0x9e37_79b1) ^ (mode << 20), 0x85eb_ca6b);
    this.#entry = ((hash ^ (hash >>> 15)) & (ENTRIES - 1)) * ENTRY_WORDS;
  }
}

/** Told apart from entries that are empty. */
const modeKey = (mode: number): number => mode | 0x100;

/** The little-endian number of 1, 2 or at least 4 bytes, of which four count. */
function signed(bytes: Uint8Array, at: number, length: number): number {
  const first = bytes[at] as number;
  if (length === 1) return (first << 24) >> 24;
  const word = first | ((bytes[at + 1] as number) << 8);
  if (length === 2) return (word << 16) >> 16;
  return word | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}
