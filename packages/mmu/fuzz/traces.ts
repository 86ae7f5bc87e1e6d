import { createTraceDecoder, createTraceEncoder, TRACE_FORMATS, TraceBatch, type TraceFormat } from "../src/index.ts";
import { randomOf } from "../test/random-machine.ts";
import type { Random } from "./garbage.ts";

const RECORDS = 40;
const MOST_LINE = 4096;

/** A trace of any format, whole, cut short, damaged or of another format: records or one error that says where and what. */
export function fuzzTraces(seed: number): void {
  const random = randomOf(seed);
  const format = pick(random, TRACE_FORMATS);
  // One in eight is taken for what it is not.
  const bytes = damaged(WRITERS[random(8) === 0 ? pick(random, TRACE_FORMATS) : format](random), random);
  const whole = decoded(format, bytes, () => bytes.length);
  const pieces = decoded(format, bytes, () => 1 + random(60));
  if (whole !== pieces) throw new Error(`${format}: chunks matter: ${whole} and ${pieces}`);
}

/** What came of it, in one string. */
function decoded(format: TraceFormat, bytes: Uint8Array, chunkBytes: () => number): string {
  let sum = 0;
  let records = 0;
  const decoder = createTraceDecoder(format, ({ ops, low, high, args, length }) => {
    records += length;
    for (let i = 0; i < length; i++) {
      for (const column of [ops, low, high, args]) sum = (Math.imul(sum, 31) + (column[i] as number)) | 0;
    }
  });
  try {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + chunkBytes());
      decoder.write(bytes.subarray(at, end));
      at = end;
    }
    if (decoder.end() !== records) throw new Error(`${format}: not all records were handed over`);
    return `${records} records, ${sum}`;
  } catch (error) {
    return checkedError(format, bytes, error);
  }
}

/** The message, if it is the one error there may be. */
function checkedError(format: TraceFormat, bytes: Uint8Array, error: unknown): string {
  const { code, message } = error as { readonly code?: unknown; readonly message: string };
  const offset = /^(\w+) trace, byte (\d+): expected .+, found .+$/.exec(message);
  if (code !== "MMU_TRACE" || offset === null) throw error;
  if (offset[1] !== format || Number(offset[2]) > bytes.length) throw new Error(`not of this file: ${message}`);
  return message;
}

function damaged(bytes: Uint8Array, random: Random): Uint8Array {
  switch (random(5)) {
    case 0:
      return bytes;
    case 1:
      return bytes.slice(0, random(bytes.length + 1));
    case 2: {
      const part = random(bytes.length + 1);
      const between = garbage(random, random(2 * MOST_LINE));
      return Uint8Array.from([...bytes.slice(0, part), ...between, ...bytes.slice(part)]);
    }
    case 3:
      return garbage(random, random(300));
    default: {
      const changed = bytes.slice();
      for (let i = 0; i <= random(4); i++) changed[random(changed.length)] = random(256);
      return changed;
    }
  }
}

/** Anything, with a line feed now and then, or one byte over and over: a line that has no end. */
function garbage(random: Random, length: number): Uint8Array {
  if (random(4) === 0) return new Uint8Array(length).fill(random(256));
  return Uint8Array.from({ length }, () => (random(16) === 0 ? 10 : random(256)));
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random(values.length)] as T;
}

const hex = (random: Random): string => random(2 ** 32).toString(16);

/** Lines as the tools print them. */
function lines(line: (random: Random) => string): (random: Random) => Uint8Array {
  return (random) => {
    const text = Array.from({ length: RECORDS }, () => line(random));
    return new TextEncoder().encode(text.join(random(2) === 0 ? "\n" : "\r\n"));
  };
}

function encoded(format: "champsim" | "tsvm"): (random: Random) => Uint8Array {
  return (random) => {
    const batch = new TraceBatch(RECORDS);
    while (!batch.isFull) batch.push(pick(random, [1, 2, 3, 0x10]), random(2 ** 32), random(2 ** 16), 0);
    const encoder = createTraceEncoder(format);
    return Uint8Array.from([...encoder.encode(batch), ...encoder.end()]);
  };
}

const WRITERS: Readonly<Record<TraceFormat, (random: Random) => Uint8Array>> = {
  champsim: encoded("champsim"),
  tsvm: encoded("tsvm"),
  lackey: lines((random) => `${pick(random, ["I ", " L", " S", " M"])} ${hex(random)},${1 + random(16)}`),
  pin: lines((random) => `0x${hex(random)}: ${pick(random, ["R", "W"])} 0x${hex(random)}`),
  drmemtrace: lines((random) => {
    const kind = pick(random, ["ifetch", "read ", "write"]);
    return `  ${1 + random(99)}  ${random(99)}: 3264604 ${kind}  ${1 + random(16)} byte(s) @ 0x${hex(random)} non-branch`;
  }),
};
