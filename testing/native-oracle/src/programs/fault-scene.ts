/**
 * What the log does not tell of a fault of ours: registers in front of it, and what the entry of the page in CR2 has been since translations were
 * dropped. The interpreter runs the program once more for it, instruction by instruction.
 */
import { PAGE_BYTES } from "../environment.ts";
import { MAX_INSTRUCTION_BYTES } from "../generate/encode.ts";
import { ATTRIBUTES, kernelPage } from "../guest-tables.ts";
import { type Mode, modeOf } from "./mode.ts";
import { PTE } from "./page-edit.ts";
import type { Program } from "./program.ts";
import { countFaults, type LoggedFault } from "./resume-handler.ts";
import type { Machine, SystemEngine } from "./system-engine.ts";

/** What was around a fault. */
export interface FaultScene {
  /** In front of the instruction. */
  readonly regs: Readonly<Record<string, bigint>>;
  /** The instruction and what follows it; nothing of code that is not where it is mapped at first. */
  readonly code: Uint8Array;
  /** What is on the stack from its top, in front of it; nothing of one that is not where it is mapped at first. */
  readonly stack: Uint8Array;
  /** Entries that the page in CR2 has had since any translation was dropped, the last one as it was at the fault; without dirty flags. */
  readonly entries: readonly bigint[];
}

/** What drops translations, all or one. */
const DROPS = ["flushAll", "flushPage", "cr3Changed", "pagingChanged"] as const;
/** Bytes that the low tables map. */
const MAPPED = 0x1_0000n;

/** @param index of the fault in the program's log; undefined where it is not met again. */
export function sceneOf(
  engine: SystemEngine,
  program: Program,
  index: number,
  { rip, cr2 }: LoggedFault,
): FaultScene | undefined {
  const mode = modeOf(program);
  const histories: readonly bigint[][] = [[], []];
  const forget = (): void => {
    for (const history of histories) history.length = 0;
  };
  let [regs, code, stack]: [FaultScene["regs"], Uint8Array, Uint8Array] = [{}, new Uint8Array(0), new Uint8Array(0)];
  let scene: FaultScene | undefined;
  const endListening = listen(engine.machine.cpu.linear, forget);
  engine.run(program, ({ cpu, vcpu, view }) => {
    for (const [space, history] of histories.entries()) note(history, entryOf(view, mode, space, cr2));
    if (scene === undefined && countFaults(view) > index) {
      const entries = histories[regs["cr3"] === mode.spaces[1] ? 1 : 0] ?? [];
      scene = { regs, code, stack, entries: [...entries] };
    } else if (cpu.rip === rip) {
      ({ regs } = vcpu.save());
      const is64 = program.environment.codeBits === 64;
      code = bytesAt(view, linearRip(regs, is64));
      stack = bytesAt(view, is64 ? (regs["rsp"] ?? 0n) : topOfStack(regs));
    }
    return scene === undefined;
  });
  endListening();
  return scene;
}

/** Where the next instruction is. @param is64 whether in 64-bit code. */
export const linearRip = (regs: FaultScene["regs"], is64: boolean): bigint =>
  (regs["rip"] ?? 0n) + (is64 ? 0n : (regs["cs.base"] ?? 0n));

/** Outside 64-bit code. */
export function topOfStack(regs: FaultScene["regs"]): bigint {
  const bits = (Number(regs["ss.attributes"] ?? 0n) & ATTRIBUTES.DB) !== 0 ? 32 : 16;
  return BigInt.asUintN(32, BigInt.asUintN(bits, regs["rsp"] ?? 0n) + (regs["ss.base"] ?? 0n));
}

/** A copy, as long as an instruction may be. */
export function bytesAt({ buffer, byteOffset }: DataView, linear: bigint): Uint8Array {
  if (linear >= MAPPED) return new Uint8Array(0);
  return new Uint8Array(buffer, byteOffset + Number(linear), MAX_INSTRUCTION_BYTES).slice();
}

/** @returns what ends it. */
function listen(linear: Machine["cpu"]["linear"], heard: () => void): () => void {
  for (const name of DROPS) {
    const drop = linear[name];
    linear[name] = (...args: never[]) => {
      heard();
      return drop.apply(linear, args);
    };
  }
  return () => {
    // The methods of the class again.
    for (const name of DROPS) Reflect.deleteProperty(linear, name);
  };
}

/** That of 4 KiB in a space's last table, 0 where none maps the address. */
function entryOf(view: DataView, { entryBytes }: Mode, space: number, linear: bigint): bigint {
  if (linear >= MAPPED) return 0n;
  const at = kernelPage(space === 1 ? "otherPt" : "lowPt").gpa + Math.floor(Number(linear) / PAGE_BYTES) * entryBytes;
  return entryBytes === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
}

function note(history: bigint[], entry: bigint): void {
  const noted = entry & ~BigInt(PTE.D);
  if (history.at(-1) !== noted) history.push(noted);
}
