/**
 * Programs in which a repeated store runs over its own bytes. How far a processor goes on with what it has fetched is promised by nobody,
 * and it fetches anew where something interrupts it: one program ends otherwise on one processor, once in some hundreds of times
 * (host-1130617270).
 */
import { opcodeIndex } from "../prefixes.ts";
import { bytesAt, linearRip } from "./fault-scene.ts";
import type { Program } from "./program.ts";
import type { SteppedEngine } from "./step.ts";

const REPEATS = [0xf2, 0xf3] as const;
/** MOVS and STOS. */
const STRING_STORES: ReadonlySet<number> = new Set([0xa4, 0xa5, 0xaa, 0xab]);

/** Prefixes and opcode of a repeated store that is executed next. */
interface RepeatedStore {
  readonly linear: bigint;
  readonly bytes: Uint8Array;
}

/** Whether `engine` meets such a store. Code is looked at where it is mapped at first. */
export function overwritesItself(engine: SteppedEngine, program: Program): boolean {
  const isLong = program.environment.codeBits === 64;
  let store: RepeatedStore | undefined;
  let isOverwritten = false;
  engine.run(program, ({ vcpu, view }) => {
    isOverwritten = store !== undefined && !isThere(view, store);
    store = repeatedStoreAt(view, linearRip(vcpu.save().regs, isLong), isLong);
    return !isOverwritten;
  });
  return isOverwritten;
}

function repeatedStoreAt(view: DataView, linear: bigint, isLong: boolean): RepeatedStore | undefined {
  const bytes = bytesAt(view, linear);
  const at = opcodeIndex(bytes, isLong);
  if (at < 0 || !STRING_STORES.has(bytes[at] as number)) return undefined;
  const prefixes = bytes.subarray(0, at);
  return REPEATS.some((each) => prefixes.includes(each)) ? { linear, bytes: bytes.subarray(0, at + 1) } : undefined;
}

function isThere(view: DataView, { linear, bytes }: RepeatedStore): boolean {
  const now = bytesAt(view, linear);
  return bytes.every((byte, i) => byte === now[i]);
}
