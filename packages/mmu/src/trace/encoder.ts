import {
  TRACE_EXIT,
  TRACE_FETCH,
  TRACE_FORK,
  TRACE_MODIFY,
  TRACE_READ,
  TRACE_SWITCH,
  TRACE_UNMAP,
  TRACE_WRITE,
  type TraceBatch,
} from "./batch.ts";
import { CHAMPSIM_BYTES, CHAMPSIM_DESTINATIONS, CHAMPSIM_SOURCES } from "./champsim.ts";
import { joinedBytes } from "./joined-bytes.ts";
import { encodeTsvm, tsvmHeader } from "./tsvm-trace.ts";

/** Writes records as a file's bytes. */
export interface TraceEncoder {
  /** The bytes of a batch; what belongs to an instruction that goes on in the next one may be kept back. */
  encode(batch: TraceBatch): Uint8Array;
  /** The bytes kept back, and what ends the file. */
  end(): Uint8Array;
}

/** Formats that can be written. ChampSim's has accesses only. */
export type TraceOutputFormat = "champsim" | "csv" | "json" | "tsvm";

export function createTraceEncoder(format: TraceOutputFormat): TraceEncoder {
  switch (format) {
    case "champsim":
      return new ChampSimEncoder();
    case "tsvm":
      return new HeadedEncoder(tsvmHeader(), encodeTsvm, "");
    case "csv":
      return new HeadedEncoder(toBytes("op,address,arg\n"), encodeCsv, "");
    case "json":
      return new JsonEncoder();
  }
}

const NAMES: Readonly<Record<number, string>> = {
  [TRACE_READ]: "read",
  [TRACE_WRITE]: "write",
  [TRACE_MODIFY]: "modify",
  [TRACE_FETCH]: "fetch",
  [TRACE_SWITCH]: "switch",
  [TRACE_UNMAP]: "unmap",
  [TRACE_FORK]: "fork",
  [TRACE_EXIT]: "exit",
};

/** A heading before the first batch. */
class HeadedEncoder implements TraceEncoder {
  #heading: Uint8Array | undefined;
  readonly #encode: (batch: TraceBatch) => Uint8Array;
  readonly #ending: string;

  constructor(heading: Uint8Array, encode: (batch: TraceBatch) => Uint8Array, ending: string) {
    this.#heading = heading;
    this.#encode = encode;
    this.#ending = ending;
  }

  encode(batch: TraceBatch): Uint8Array {
    return joinedBytes(this.#takeHeading(), this.#encode(batch));
  }

  end(): Uint8Array {
    return joinedBytes(this.#takeHeading(), toBytes(this.#ending));
  }

  #takeHeading(): Uint8Array {
    const heading = this.#heading ?? new Uint8Array(0);
    this.#heading = undefined;
    return heading;
  }
}

function encodeCsv(batch: TraceBatch): Uint8Array {
  let text = "";
  for (let i = 0; i < batch.length; i++) {
    text += `${NAMES[batch.ops[i] as number]},${addressAt(batch, i)},${batch.args[i]}\n`;
  }
  return toBytes(text);
}

/** One array of objects, an object a line. */
class JsonEncoder implements TraceEncoder {
  #separator = "[\n";

  encode(batch: TraceBatch): Uint8Array {
    let text = "";
    for (let i = 0; i < batch.length; i++) {
      const record = { op: NAMES[batch.ops[i] as number], address: addressAt(batch, i), arg: batch.args[i] };
      text += this.#separator + JSON.stringify(record);
      this.#separator = ",\n";
    }
    return toBytes(text);
  }

  end(): Uint8Array {
    return toBytes(this.#separator === "[\n" ? "[]\n" : "\n]\n");
  }
}

/**
 * Instructions with what they access, as far as a record has room: four reads and two writes. What is more, or comes
 * without a fetch, gets an instruction of its own at the same address.
 */
class ChampSimEncoder implements TraceEncoder {
  readonly #record = new DataView(new ArrayBuffer(CHAMPSIM_BYTES));
  #reads = 0;
  #writes = 0;
  #isOpen = false;
  #out = new Uint8Array(0);
  #length = 0;

  encode(batch: TraceBatch): Uint8Array {
    // A record of ours opens at most one of theirs and one more is open from before.
    this.#out = new Uint8Array((batch.length + 1) * CHAMPSIM_BYTES);
    this.#length = 0;
    for (let i = 0; i < batch.length; i++) {
      this.#add(batch.ops[i] as number, batch.low[i] as number, batch.high[i] as number);
    }
    return this.#out.subarray(0, this.#length);
  }

  end(): Uint8Array {
    this.#out = new Uint8Array(CHAMPSIM_BYTES);
    this.#length = 0;
    this.#close();
    return this.#out.subarray(0, this.#length);
  }

  #add(op: number, low: number, high: number): void {
    if (op >= TRACE_SWITCH) return;
    if (op === TRACE_FETCH) {
      this.#open(low, high);
      return;
    }
    const reads = (op & TRACE_READ) !== 0;
    const writes = (op & TRACE_WRITE) !== 0;
    const isFull = (reads && this.#reads === 4) || (writes && this.#writes === 2);
    if (!this.#isOpen || isFull) this.#open(this.#record.getInt32(0, true), this.#record.getInt32(4, true));
    if (reads) this.#put(CHAMPSIM_SOURCES + 8 * this.#reads++, low, high);
    if (writes) this.#put(CHAMPSIM_DESTINATIONS + 8 * this.#writes++, low, high);
  }

  #open(low: number, high: number): void {
    this.#close();
    new Uint8Array(this.#record.buffer).fill(0);
    this.#put(0, low, high);
    this.#reads = 0;
    this.#writes = 0;
    this.#isOpen = true;
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#out.set(new Uint8Array(this.#record.buffer), this.#length);
    this.#length += CHAMPSIM_BYTES;
    this.#isOpen = false;
  }

  #put(at: number, low: number, high: number): void {
    this.#record.setInt32(at, low, true);
    this.#record.setInt32(at + 4, high, true);
  }
}

function addressAt(batch: TraceBatch, i: number): string {
  const address = (BigInt((batch.high[i] as number) >>> 0) << 32n) | BigInt((batch.low[i] as number) >>> 0);
  return `0x${address.toString(16)}`;
}

/** ASCII. */
function toBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
