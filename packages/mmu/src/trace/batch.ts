import { ACCESS_FETCH, ACCESS_READ, ACCESS_WRITE } from "../access.ts";

/** {@link TraceBatch.ops}: a data read. Accesses are their `ACCESS_*` kinds; a modification is read and write in one. */
export const TRACE_READ: number = ACCESS_READ;
export const TRACE_WRITE: number = ACCESS_WRITE;
export const TRACE_MODIFY: number = ACCESS_READ | ACCESS_WRITE;
export const TRACE_FETCH: number = ACCESS_FETCH;
/** From here on operations are of the kernel. `arg` is a process: it runs from now on, and is made at its first run. */
export const TRACE_SWITCH = 0x20;
/** Unmaps `arg` pages of 4 KByte from the address on. */
export const TRACE_UNMAP = 0x21;
/** The running process forks; `arg` is the child, which has its pages copy-on-write. The parent runs on. */
export const TRACE_FORK = 0x22;
/** Process `arg` ends; it must not be the running one. */
export const TRACE_EXIT = 0x23;

/** Records of a trace in columns, so that millions of them make no objects. */
export class TraceBatch {
  readonly capacity: number;
  /** Records in use. */
  length = 0;
  /** `TRACE_*`. */
  readonly ops: Uint8Array;
  /** Bits 31:0 of the address. */
  readonly low: Int32Array;
  /** Bits 63:32. */
  readonly high: Int32Array;
  /** Pages or a process; 0 for accesses. */
  readonly args: Int32Array;

  constructor(capacity = 4096) {
    this.capacity = capacity;
    this.ops = new Uint8Array(capacity);
    this.low = new Int32Array(capacity);
    this.high = new Int32Array(capacity);
    this.args = new Int32Array(capacity);
  }

  get isFull(): boolean {
    return this.length === this.capacity;
  }

  /** Adds a record; there must be room. */
  push(op: number, low: number, high: number, arg: number): void {
    const at = this.length++;
    this.ops[at] = op;
    this.low[at] = low;
    this.high[at] = high;
    this.args[at] = arg;
  }
}

/** Takes records; the batch is the giver's again when the call returns. */
export type TraceSink = (batch: TraceBatch) => void;

const PAGE = 0x1000;

/** Gathers records into batches for a sink. */
export class TraceGatherer {
  /** Records so far. */
  records = 0;
  readonly #sink: TraceSink;
  readonly #batch = new TraceBatch();

  constructor(sink: TraceSink) {
    this.#sink = sink;
  }

  add(op: number, low: number, high: number, arg: number): void {
    if (this.#batch.isFull) this.flush();
    this.#batch.push(op, low, high, arg);
    this.records++;
  }

  /** The batch being gathered, with room for a record at least: for those who fill its columns themselves. */
  open(): TraceBatch {
    if (this.#batch.isFull) this.flush();
    return this.#batch;
  }

  /** What was filled in since {@link open}: the batch has `length` records now. */
  close(length: number): void {
    this.records += length - this.#batch.length;
    this.#batch.length = length;
  }

  /** An access of `bytes`: one record for each page it touches. */
  addSized(op: number, low: number, high: number, bytes: number): void {
    this.add(op, low, high, 0);
    for (let left = bytes - (PAGE - (low & (PAGE - 1))); left > 0; left -= PAGE) {
      const next = ((low & -PAGE) + PAGE) | 0;
      if (next === 0) high = (high + 1) | 0;
      low = next;
      this.add(op, low, high, 0);
    }
  }

  /** Hands over what has been gathered. */
  flush(): void {
    if (this.#batch.length > 0) this.#sink(this.#batch);
    this.#batch.length = 0;
  }
}
