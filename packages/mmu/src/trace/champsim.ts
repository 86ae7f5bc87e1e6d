import { TRACE_FETCH, TRACE_READ, TRACE_WRITE, TraceGatherer, type TraceSink } from "./batch.ts";
import type { TraceDecoder } from "./decoder.ts";
import { traceError } from "./trace-error.ts";

/** One instruction: ip, is_branch, branch_taken, 2 + 4 registers, 2 destination and 4 source addresses. */
export const CHAMPSIM_BYTES = 64;
export const CHAMPSIM_BRANCH = 8;
export const CHAMPSIM_TAKEN = 9;
export const CHAMPSIM_DESTINATIONS = 16;
export const CHAMPSIM_SOURCES = 32;

/** Records of ChampSim's tracer (`input_instr`): a fetch, then what the instruction reads and writes. */
export class ChampSimDecoder implements TraceDecoder {
  readonly #records: TraceGatherer;
  /** The beginning of a record whose end is in the next chunk. */
  readonly #partial = new Uint8Array(CHAMPSIM_BYTES);
  #partialBytes = 0;
  #offset = 0;

  constructor(sink: TraceSink) {
    this.#records = new TraceGatherer(sink);
  }

  write(chunk: Uint8Array): void {
    let at = 0;
    if (this.#partialBytes > 0) {
      at = Math.min(CHAMPSIM_BYTES - this.#partialBytes, chunk.length);
      this.#partial.set(chunk.subarray(0, at), this.#partialBytes);
      this.#partialBytes += at;
      if (this.#partialBytes < CHAMPSIM_BYTES) return;
      this.#decode(viewOf(this.#partial), 0);
      this.#partialBytes = 0;
    }
    const view = viewOf(chunk);
    for (; at + CHAMPSIM_BYTES <= chunk.length; at += CHAMPSIM_BYTES) this.#decode(view, at);
    this.#partial.set(chunk.subarray(at));
    this.#partialBytes = chunk.length - at;
  }

  end(): number {
    if (this.#partialBytes > 0) {
      const found = `the end of the file after ${this.#partialBytes}`;
      throw traceError("champsim", this.#offset, `a record of ${CHAMPSIM_BYTES} bytes`, found);
    }
    this.#records.flush();
    return this.#records.records;
  }

  #decode(view: DataView, at: number): void {
    this.#checkFlag(view, at, CHAMPSIM_BRANCH);
    this.#checkFlag(view, at, CHAMPSIM_TAKEN);
    this.#records.add(TRACE_FETCH, view.getInt32(at, true), view.getInt32(at + 4, true), 0);
    this.#accesses(view, at + CHAMPSIM_SOURCES, 4, TRACE_READ);
    this.#accesses(view, at + CHAMPSIM_DESTINATIONS, 2, TRACE_WRITE);
    this.#offset += CHAMPSIM_BYTES;
  }

  #checkFlag(view: DataView, at: number, flag: number): void {
    const value = view.getUint8(at + flag);
    if (value > 1) throw traceError("champsim", this.#offset + flag, "a flag of 0 or 1", `${value}`);
  }

  /** Address 0 means there is none. */
  #accesses(view: DataView, first: number, count: number, op: number): void {
    for (let at = first; at < first + count * 8; at += 8) {
      const low = view.getInt32(at, true);
      const high = view.getInt32(at + 4, true);
      if ((low | high) !== 0) this.#records.add(op, low, high, 0);
    }
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
