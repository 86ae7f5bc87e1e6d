import { TRACE_EXIT, TRACE_FETCH, TRACE_SWITCH, type TraceBatch, TraceGatherer, type TraceSink } from "./batch.ts";
import type { TraceDecoder } from "./decoder.ts";
import { quote, traceError } from "./trace-error.ts";

/** Our own format: this line, then records of 16 bytes: `TRACE_*`, 3 bytes of 0, `arg`, 8 bytes of address. */
const HEADER = "tsvm-trace 1\r\n\0\0";
const RECORD_BYTES = 16;
const MOST_ARG = 2 ** 31 - 1;

/** The only format here that has the kernel's operations too. */
export class TsvmTraceDecoder implements TraceDecoder {
  readonly #records: TraceGatherer;
  readonly #partial = new Uint8Array(RECORD_BYTES);
  #partialBytes = 0;
  #offset = 0;

  constructor(sink: TraceSink) {
    this.#records = new TraceGatherer(sink);
  }

  write(chunk: Uint8Array): void {
    let at = 0;
    if (this.#partialBytes > 0) {
      at = Math.min(RECORD_BYTES - this.#partialBytes, chunk.length);
      this.#partial.set(chunk.subarray(0, at), this.#partialBytes);
      this.#partialBytes += at;
      if (this.#partialBytes < RECORD_BYTES) return;
      this.#decode(this.#partial, 0, RECORD_BYTES);
      this.#partialBytes = 0;
    }
    const whole = chunk.length - ((chunk.length - at) % RECORD_BYTES);
    this.#decode(chunk, at, whole);
    this.#partial.set(chunk.subarray(whole));
    this.#partialBytes = chunk.length - whole;
  }

  end(): number {
    if (this.#offset === 0) throw traceError("tsvm", 0, `a header of ${RECORD_BYTES} bytes`, "the end of the file");
    if (this.#partialBytes > 0) {
      const found = `the end of the file after ${this.#partialBytes}`;
      throw traceError("tsvm", this.#offset, `a record of ${RECORD_BYTES} bytes`, found);
    }
    this.#records.flush();
    return this.#records.records;
  }

  #decode(bytes: Uint8Array, start: number, end: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = start;
    if (this.#offset === 0 && at < end) {
      for (let i = 0; i < RECORD_BYTES; i++) {
        if (bytes[at + i] === HEADER.charCodeAt(i)) continue;
        throw traceError("tsvm", i, 'the header "tsvm-trace 1"', quote(bytes, at, at + RECORD_BYTES));
      }
      at += RECORD_BYTES;
      this.#offset = RECORD_BYTES;
    }
    while (at < end) at = this.#fill(view, at, end);
  }

  /** Fills a batch with the records from `at` on. @returns where the next one is. */
  #fill(view: DataView, start: number, end: number): number {
    const { ops, low, high, args, length: first, capacity } = this.#records.open();
    let at = start;
    let length = first;
    for (; at < end && length < capacity; at += RECORD_BYTES) {
      const op = view.getInt32(at, true);
      const arg = view.getInt32(at + 4, true);
      if (!isOperation(op) || arg < 0) this.#refuse(op, arg, this.#offset + at - start);
      ops[length] = op;
      args[length] = arg;
      low[length] = view.getInt32(at + 8, true);
      high[length] = view.getInt32(at + 12, true);
      length++;
    }
    this.#records.close(length);
    this.#offset += at - start;
    return at;
  }

  #refuse(op: number, arg: number, offset: number): never {
    if (!isOperation(op)) throw traceError("tsvm", offset, "an operation", `0x${(op >>> 0).toString(16)}`);
    throw traceError("tsvm", offset + 4, `0 to ${MOST_ARG}`, `${arg}`);
  }
}

function isOperation(op: number): boolean {
  return (op >= 1 && op <= 3) || op === TRACE_FETCH || (op >= TRACE_SWITCH && op <= TRACE_EXIT);
}

/** The bytes a trace of ours begins with. */
export function tsvmHeader(): Uint8Array {
  return Uint8Array.from(HEADER, (letter) => letter.charCodeAt(0));
}

/** A batch in our format, behind the header or other batches. */
export function encodeTsvm(batch: TraceBatch): Uint8Array {
  const bytes = new Uint8Array(batch.length * RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < batch.length; i++) {
    const at = i * RECORD_BYTES;
    view.setInt32(at, batch.ops[i] as number, true);
    view.setInt32(at + 4, batch.args[i] as number, true);
    view.setInt32(at + 8, batch.low[i] as number, true);
    view.setInt32(at + 12, batch.high[i] as number, true);
  }
  return bytes;
}
