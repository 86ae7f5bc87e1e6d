// A few instructions as the translator meets them: decoded, hot, and with a past.
import { RECORD, RECORD_BYTES } from "../../src/decode/decoded-insn.ts";
import { Decoder } from "../../src/decode/decoder.ts";
import type { RegionBlock, TranslationSource } from "../../src/region/translate.ts";
import { RECORDS_BASE } from "../../src/state/memory-map.ts";
import { MODE } from "../../src/state/mode.ts";

/** Guest code, and what had happened in it before it was translated. */
export interface Snippet {
  /** 64-bit code in hexadecimal, by its offset from the region's first page; the region starts at 0. */
  readonly code: Readonly<Record<number, string>>;
  /** Where indirect jumps, calls and returns mostly went, by their own offsets. */
  readonly went?: Readonly<Record<number, number>>;
  /** Where indirect jumps went that go here and there. */
  readonly scattered?: Readonly<Record<number, readonly number[]>>;
  /** Offsets to which control hardly ever came. */
  readonly cold?: readonly number[];
  /** Conditional branches that were always taken, by their offsets. */
  readonly taken?: readonly number[];
  /** Loops went around many times before they were left. */
  readonly goesAround?: true;
}

const PAGE = 4096;
const ROOM = 256 * RECORD_BYTES;

/** A piece of guest code without a gap. */
export interface CodePart {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Decodes what it is asked for. Whatever the snippet does not call cold was executed often. */
export class SnippetSource implements TranslationSource {
  readonly view: DataView;
  readonly inexactSeen = true;
  readonly code64 = true;
  readonly logsStores = false;
  readonly countsLooks = false;
  readonly parts: readonly CodePart[];
  readonly observe: (blocks: readonly RegionBlock[]) => void;
  readonly #snippet: Snippet;
  readonly #decoder: Decoder;
  readonly #recordOf = new Map<number, number>();
  readonly #offsetOf = new Map<number, number>();
  #next = RECORDS_BASE;

  constructor(snippet: Snippet, observe: (blocks: readonly RegionBlock[]) => void) {
    this.#snippet = snippet;
    this.observe = observe;
    this.parts = Object.entries(snippet.code).map(([offset, code]) => ({
      offset: Number(offset),
      bytes: Uint8Array.from(code.split(" "), (byte) => Number.parseInt(byte, 16)),
    }));
    const memory = new ArrayBuffer(RECORDS_BASE + ROOM);
    this.view = new DataView(memory);
    this.#decoder = new Decoder(memory, () => true);
  }

  recordAt(offset: number): number {
    const known = this.#recordOf.get(offset);
    if (known !== undefined) return known;
    const record = this.copyAt(offset);
    this.#recordOf.set(offset, record);
    return record;
  }

  copyAt(offset: number): number {
    const part = this.parts.find(({ offset: first, bytes }) => offset >= first && offset < first + bytes.length);
    if (part === undefined) return 0;
    const { bytes, offset: first } = part;
    const pageOffset = offset % PAGE;
    const end = Math.min(bytes.length, offset - first + PAGE - pageOffset);
    const record = this.#next;
    const count = this.#decoder.decode(bytes, offset - first, end, MODE.code64, record, pageOffset, 0);
    this.#next += count * RECORD_BYTES;
    for (let at = record; at < this.#next; at += RECORD_BYTES) this.#offsetOf.set(at, offset);
    return count === 0 ? 0 : record;
  }

  handlerOf(record: number): number {
    return this.view.getUint16(record + RECORD.handler, true);
  }

  isWarm(record: number): boolean {
    return this.#snippet.cold?.includes(this.#offsetOf.get(record) as number) !== true;
  }

  isPassed(record: number): boolean {
    return this.#snippet.taken?.includes(this.#offsetOf.get(record) as number) !== true;
  }

  isMostlyTaken(): boolean {
    return this.#snippet.goesAround === true;
  }

  recentTargets(record: number): readonly number[] {
    return this.#snippet.scattered?.[this.#offsetOf.get(record) as number] ?? [];
  }

  usualTarget(record: number): number | undefined {
    return this.#snippet.went?.[this.#offsetOf.get(record) as number];
  }
}
