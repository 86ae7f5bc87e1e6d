import { TraceGatherer, type TraceSink } from "./batch.ts";
import type { TraceDecoder } from "./decoder.ts";
import { joinedBytes } from "./joined-bytes.ts";
import { quote, traceError } from "./trace-error.ts";

const LONGEST_LINE = 4096;
export const LINE_FEED = 10;
export const SPACE = 32;
const TAB = 9;
/** Value of each byte as a hexadecimal digit; -1: it is none. */
export const HEX_DIGITS: Int8Array = Int8Array.from({ length: 256 }, (_, byte) =>
  "0123456789abcdef".indexOf(String.fromCharCode(byte).toLowerCase()),
);

/** Traces of lines. Lines are read as bytes: strings would take ten times as long. */
export abstract class LineDecoder implements TraceDecoder {
  /** As it is called in errors. */
  protected abstract readonly format: string;
  protected readonly records: TraceGatherer;
  /** Cursor of the line being read, and its end. */
  protected at = 0;
  protected lineEnd = 0;
  protected bytes: Uint8Array = new Uint8Array(0);
  /** Result of {@link hex}. */
  protected low = 0;
  protected high = 0;
  /** The beginning of a line whose end is in a chunk to come. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Bytes of the file before the chunk being read. */
  #taken = 0;
  /** Of the first byte of `bytes`, in the file. */
  #offset = 0;
  #lineStart = 0;

  constructor(sink: TraceSink) {
    this.records = new TraceGatherer(sink);
  }

  write(chunk: Uint8Array): void {
    let start = this.#rest.length === 0 ? 0 : this.#finishLine(chunk);
    this.bytes = chunk;
    this.#offset = this.#taken;
    for (let next = this.#next(start); next >= 0; next = this.#next(start)) start = next;
    if (start < chunk.length) this.#keep(chunk.slice(start));
    this.#taken += chunk.length;
  }

  end(): number {
    this.bytes = this.#rest;
    this.#offset = this.#taken - this.#rest.length;
    if (this.#rest.length > 0) this.#read(0, this.#rest.length);
    this.finish();
    this.records.flush();
    return this.records.records;
  }

  /** Reads the line from `at` to `lineEnd`; it is not empty. */
  protected abstract line(): void;

  /**
   * A short cut for lines in the form that nearly all have: reads the one at `start` of `bytes`, if it is such a line.
   * @returns where the next begins; -1: the line has to be read by {@link line}, and nothing has happened.
   */
  protected plainLine(_start: number): number {
    return -1;
  }

  /** The file has ended. */
  protected finish(): void {}

  protected refuse(expected: string): never {
    const found = quote(this.bytes, this.#lineStart, this.lineEnd);
    throw traceError(this.format, this.#offset + this.#lineStart, expected, found);
  }

  /** The byte at the cursor, or -1 at the end of the line. */
  protected get byte(): number {
    return this.at < this.lineEnd ? (this.bytes[this.at] as number) : -1;
  }

  protected skipSpaces(): void {
    while (this.at < this.lineEnd && (this.bytes[this.at] === SPACE || this.bytes[this.at] === TAB)) this.at++;
  }

  /** Passes by `text` if the line goes on with it. */
  protected take(text: string): boolean {
    for (let i = 0; i < text.length; i++) {
      if (this.at + i >= this.lineEnd || this.bytes[this.at + i] !== text.charCodeAt(i)) return false;
    }
    this.at += text.length;
    return true;
  }

  /** Reads hexadecimal digits, at most 16, into {@link low} and {@link high}. @returns whether there were any. */
  protected hex(): boolean {
    const { bytes, at: start, lineEnd } = this;
    let at = start;
    let low = 0;
    let high = 0;
    for (; at < lineEnd; at++) {
      const digit = HEX_DIGITS[bytes[at] as number] as number;
      if (digit < 0) break;
      high = (high << 4) | (low >>> 28);
      low = (low << 4) | digit;
    }
    this.at = at;
    this.low = low;
    this.high = high;
    return at > start && at - start <= 16;
  }

  /** Reads decimal digits; -1: there are none. */
  protected decimal(): number {
    const start = this.at;
    let value = 0;
    for (; this.at < this.lineEnd; this.at++) {
      const digit = (this.bytes[this.at] as number) - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    return this.at === start ? -1 : value;
  }

  /** Reads the line at `start`. @returns where the next begins; -1: it has no end in this chunk. */
  #next(start: number): number {
    const { bytes } = this;
    const next = this.plainLine(start);
    if (next >= 0) return next;
    // Lines are short: a call of `indexOf` would take longer than this.
    let end = start;
    while (end < bytes.length && bytes[end] !== LINE_FEED) end++;
    if (end === bytes.length) return -1;
    this.#read(start, end);
    return end + 1;
  }

  /** Reads the line that began in an earlier chunk, if it ends in this one. @returns where the next begins. */
  #finishLine(chunk: Uint8Array): number {
    const end = chunk.indexOf(LINE_FEED);
    const line = joinedBytes(this.#rest, chunk.subarray(0, end < 0 ? chunk.length : end));
    this.#offset = this.#taken - this.#rest.length;
    this.#rest = new Uint8Array(0);
    this.bytes = line;
    if (end >= 0) this.#read(0, line.length);
    else this.#keep(line);
    return end < 0 ? chunk.length : end + 1;
  }

  #keep(rest: Uint8Array): void {
    this.#checkLength(this.bytes.length - rest.length, rest.length);
    this.#rest = rest;
  }

  #checkLength(start: number, length: number): void {
    if (length <= LONGEST_LINE) return;
    const offset = this.#offset + start;
    throw traceError(this.format, offset, `lines of at most ${LONGEST_LINE} bytes`, "a longer one");
  }

  #read(start: number, end: number): void {
    this.#checkLength(start, end - start);
    this.#lineStart = start;
    this.at = start;
    // Files from elsewhere may end their lines with CR LF.
    this.lineEnd = end > start && this.bytes[end - 1] === 13 ? end - 1 : end;
    if (this.lineEnd > start) this.line();
  }
}
