import { TraceGatherer, type TraceSink } from "./batch.ts";
import type { TraceDecoder } from "./decoder.ts";
import { quote, traceError } from "./trace-error.ts";

const LONGEST_LINE = 4096;
const LINE_FEED = 10;
const SPACE = 32;
const TAB = 9;

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
  #rest = new Uint8Array(0);
  /** Of the first byte of `bytes`, in the file. */
  #offset = 0;
  #lineStart = 0;

  constructor(sink: TraceSink) {
    this.records = new TraceGatherer(sink);
  }

  write(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
    }
    this.bytes = bytes;
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
      this.#read(start, end);
      start = end + 1;
    }
    if (bytes.length - start > LONGEST_LINE) {
      throw traceError(this.format, this.#offset + start, `lines of at most ${LONGEST_LINE} bytes`, "a longer one");
    }
    this.#rest = bytes.slice(start);
    this.#offset += start;
  }

  end(): number {
    this.bytes = this.#rest;
    if (this.#rest.length > 0) this.#read(0, this.#rest.length);
    this.finish();
    this.records.flush();
    return this.records.records;
  }

  /** Reads the line from `at` to `lineEnd`; it is not empty. */
  protected abstract line(): void;

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
    const start = this.at;
    let low = 0;
    let high = 0;
    for (; this.at < this.lineEnd; this.at++) {
      const digit = hexDigit(this.bytes[this.at] as number);
      if (digit < 0) break;
      high = (high << 4) | (low >>> 28);
      low = (low << 4) | digit;
    }
    this.low = low;
    this.high = high;
    return this.at > start && this.at - start <= 16;
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

  #read(start: number, end: number): void {
    this.#lineStart = start;
    this.at = start;
    // Files from elsewhere may end their lines with CR LF.
    this.lineEnd = end > start && this.bytes[end - 1] === 13 ? end - 1 : end;
    if (this.lineEnd > start) this.line();
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 0x20;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
