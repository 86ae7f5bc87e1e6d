import { TRACE_FETCH, TRACE_MODIFY, TRACE_READ, TRACE_WRITE } from "./batch.ts";
import { HEX_DIGITS, LINE_FEED, LineDecoder, SPACE } from "./line-decoder.ts";

const COMMA = 44;
const LETTER_I = 73;
const ZERO = 48;
/** Where the address stands in a line. */
const ADDRESS = 3;
const EXPECTED = 'a line such as "I  04001f6f,3" or " L 1ffeffe7e,8"';
/** `TRACE_*` of each letter; 0: it stands for none. */
const OPS = new Uint8Array(256);
OPS[charCode("I")] = TRACE_FETCH;
OPS[charCode("L")] = TRACE_READ;
OPS[charCode("S")] = TRACE_WRITE;
OPS[charCode("M")] = TRACE_MODIFY;
/** No instruction accesses more at once; what lackey prints for one is far less. */
const MOST_BYTES = 4096;

/**
 * What `valgrind --tool=lackey --trace-mem=yes` prints: fetches, loads, stores, modifications. Lines of valgrind's own
 * (`==PID==`, `--PID--`) are passed by.
 */
export class LackeyDecoder extends LineDecoder {
  protected readonly format = "lackey";

  /** One digit of size, and one line feed: what valgrind itself writes but for the widest accesses. */
  protected override plainLine(start: number): number {
    const { bytes } = this;
    const isFetch = bytes[start] === LETTER_I && bytes[start + 1] === SPACE;
    const op = isFetch ? TRACE_FETCH : bytes[start] === SPACE ? (OPS[bytes[start + 1] as number] as number) : 0;
    if (op === 0 || (op === TRACE_FETCH) !== isFetch || bytes[start + 2] !== SPACE) return -1;
    let at = start + ADDRESS;
    let low = 0;
    let high = 0;
    for (let digit = digitAt(bytes, at); digit >= 0; digit = digitAt(bytes, ++at)) {
      high = (high << 4) | (low >>> 28);
      low = (low << 4) | digit;
    }
    const size = (bytes[at + 1] as number) - ZERO;
    const hasEnd = bytes[at] === COMMA && bytes[at + 2] === LINE_FEED;
    const isPlain = hasEnd && size >= 1 && size <= 9 && at > start + ADDRESS && at <= start + ADDRESS + 16;
    if (!isPlain) return -1;
    if ((low & 0xfff) + size <= 0x1000) this.records.add(op, low, high, 0);
    else this.records.addSized(op, low, high, size);
    return at + 3;
  }

  protected override line(): void {
    this.skipSpaces();
    const { byte } = this;
    const op = byte < 0 ? 0 : (OPS[byte] as number);
    if (op === 0) {
      if (this.take("==") || this.take("--")) return;
      this.refuse(EXPECTED);
    }
    this.at++;
    this.skipSpaces();
    if (!this.hex() || !this.take(",")) this.refuse(EXPECTED);
    const bytes = this.decimal();
    if (bytes < 1 || bytes > MOST_BYTES || this.at !== this.lineEnd) this.refuse(EXPECTED);
    this.records.addSized(op, this.low, this.high, bytes);
  }
}

/** -1 beyond the end, too. */
function digitAt(bytes: Uint8Array, at: number): number {
  return at < bytes.length ? (HEX_DIGITS[bytes[at] as number] as number) : -1;
}

function charCode(letter: string): number {
  return letter.charCodeAt(0);
}
