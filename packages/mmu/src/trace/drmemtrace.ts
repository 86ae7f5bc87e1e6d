import { TRACE_FETCH, TRACE_READ, TRACE_WRITE } from "./batch.ts";
import { LineDecoder } from "./line-decoder.ts";

const EXPECTED = 'a record such as "20  1:  3264604 read  8 byte(s) @ 0x7ffd1000 by PC 0x401026"';
const MOST_BYTES = 2 ** 20;

/**
 * What DynamoRIO's drmemtrace view tool prints: record number, instruction number, thread, then ifetch, read or write.
 * Markers, the second lines of long instructions, the heading and the sums at the end are passed by.
 */
export class DrmemtraceDecoder extends LineDecoder {
  protected readonly format = "drmemtrace";
  #hasBegun = false;
  #hasEnded = false;

  protected override line(): void {
    if (this.take("View tool results")) this.#hasEnded = true;
    if (this.#hasEnded) return;
    if (!this.#hasBegun && (this.take("Output format:") || this.take("<--") || this.take("---"))) return;
    this.skipSpaces();
    if (this.decimal() < 0) this.#refuseOrPass();
    else this.#record();
  }

  /** Programs print while they are traced: that is known only once records have begun. */
  #refuseOrPass(): void {
    if (!this.#hasBegun) this.refuse(EXPECTED);
  }

  #record(): void {
    this.skipSpaces();
    if (this.decimal() < 0 || !this.take(":")) this.refuse(EXPECTED);
    this.#hasBegun = true;
    // The thread; of scheduled traces with the window before it, as W0.T292.
    this.skipSpaces();
    while (this.at < this.lineEnd && this.byte !== 32) this.at++;
    this.skipSpaces();
    const op = this.#op();
    if (op === 0) return;
    this.skipSpaces();
    const bytes = this.decimal();
    if (bytes < 1 || bytes > MOST_BYTES || !this.take(" byte(s) @ 0x") || !this.hex()) this.refuse(EXPECTED);
    this.records.addSized(op, this.low, this.high, bytes);
  }

  #op(): number {
    if (this.take("ifetch ")) return TRACE_FETCH;
    if (this.take("read ")) return TRACE_READ;
    return this.take("write ") ? TRACE_WRITE : 0;
  }
}
