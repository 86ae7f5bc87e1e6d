import { TRACE_FETCH, TRACE_MODIFY, TRACE_READ, TRACE_WRITE } from "./batch.ts";
import { LineDecoder } from "./line-decoder.ts";

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

function charCode(letter: string): number {
  return letter.charCodeAt(0);
}
