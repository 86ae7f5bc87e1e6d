import type { TraceSink } from "./batch.ts";
import { ChampSimDecoder } from "./champsim.ts";
import { DrmemtraceDecoder } from "./drmemtrace.ts";
import { LackeyDecoder } from "./lackey.ts";
import { PinDecoder } from "./pin.ts";
import { TsvmTraceDecoder } from "./tsvm-trace.ts";

/** Turns a file's bytes into records, in constant memory. */
export interface TraceDecoder {
  /**
   * Takes the next bytes, in chunks of any size. Records reach the sink in batches.
   * @throws RangeError (code `MMU_TRACE`) naming the offset where the file is not of the format.
   */
  write(chunk: Uint8Array): void;
  /** The file has ended. @returns records in it. @throws RangeError (code `MMU_TRACE`) if it ended too soon. */
  end(): number;
}

const DECODERS = {
  champsim: ChampSimDecoder,
  lackey: LackeyDecoder,
  pin: PinDecoder,
  drmemtrace: DrmemtraceDecoder,
  tsvm: TsvmTraceDecoder,
} as const satisfies Record<string, new (sink: TraceSink) => TraceDecoder>;

/**
 * Traces that can be read: ChampSim's 64-byte records, Valgrind's `--tool=lackey --trace-mem=yes`, Pin's pinatrace, what
 * DynamoRIO's `drmemtrace` view tool prints, and our own.
 */
export type TraceFormat = keyof typeof DECODERS;

export const TRACE_FORMATS: readonly TraceFormat[] = Object.keys(DECODERS) as TraceFormat[];

/** Begins to read a trace. */
export function createTraceDecoder(format: TraceFormat, sink: TraceSink): TraceDecoder {
  return new DECODERS[format](sink);
}
