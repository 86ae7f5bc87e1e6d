// What the processor does, for people who look for faults: `-d int`, `-d unimp`, `-d exec`, `-d cpu`, `-d mmu`, in the spirit
// of QEMU's.
import { AT, type Cpu, describe, type EventKind, GPR, SEGMENT, VECTOR } from "@tsvm/cpu-x86";

import type { Disassemble } from "./translation-log.ts";

/** Where log lines go. */
export interface LogSink {
  /** Asked once, when the vCPU is made. */
  has(category: string): boolean;
  /** Gets one line, without a line feed. */
  write(line: string): void;
  /** Puts guest code into words; without it, bytes are shown. */
  readonly disassemble?: Disassemble;
}

/** Log categories of this accelerator, as `-d help` lists them. */
export const TCG_LOG_CATEGORIES: Readonly<Record<string, string>> = {
  in_asm: "guest code, when it is decoded and when it is translated",
  op: "intermediate code of translated regions",
  out_asm: "WebAssembly of translated regions, in hexadecimal",
  int: "every exception and interrupt delivered",
  exec: "address of every instruction executed, one by one (slow)",
  cpu: "registers in front of every instruction executed (slower)",
  mmu: "accesses to memory that the soft TLB does not answer, and where they lead",
  unimp: "opcodes that have no meaning here",
};

/** As many bytes as an instruction can have. */
const INSN_BYTES = 15;
const PAGE = 4096;
const hex = (value: number | bigint, digits: number): string =>
  BigInt.asUintN(64, BigInt(value)).toString(16).padStart(digits, "0");

/** Writes the categories that are asked for. */
export class ExecutionLog {
  /** `-d exec`, `-d cpu`: instructions must be executed one by one. */
  readonly tracing: boolean;
  /** `-d mmu`: {@link translated} is to be told of misses. */
  readonly translations: boolean;
  readonly #addresses: boolean;
  readonly #registers: boolean;
  readonly #sink: LogSink;
  readonly #events: boolean;
  readonly #unknown: boolean;
  readonly #resets: boolean;
  #count = 0;
  #undefinedSeen = 0;

  constructor(sink: LogSink) {
    this.#sink = sink;
    this.#events = sink.has("int");
    this.#unknown = sink.has("unimp");
    this.#resets = sink.has("cpu_reset");
    this.#addresses = sink.has("exec");
    this.#registers = sink.has("cpu");
    this.tracing = this.#addresses || this.#registers;
    this.translations = sink.has("mmu");
  }

  /** An event is about to be delivered: `v` vector, `e` error code, `i` 1 for INT n. */
  delivering(cpu: Cpu, vector: number, kind: EventKind, errorCode: number): void {
    if (!this.#events) return;
    const number = String(this.#count++).padStart(6);
    const error = hex(Math.max(errorCode, 0), 4);
    const software = kind === "software" || kind === "privileged" ? 1 : 0;
    const cause = vector === VECTOR.PF ? ` CR2=${hex(cpu.get64(AT.cr2), 16)}` : kind === "external" ? " external" : "";
    const at = `IP=${place(cpu, SEGMENT.cs, cpu.rip)} SP=${place(cpu, SEGMENT.ss, cpu.gpr64(GPR.rsp))}`;
    this.#sink.write(`${number}: v=${hex(vector, 2)} e=${error} i=${software} cpl=${cpu.cpl} ${at}${cause}`);
  }

  /** An exception is pending; if an opcode without meaning raised it, its bytes are shown. */
  raised(cpu: Cpu): void {
    const count = cpu.get32(AT.undefinedCount);
    if (count === this.#undefinedSeen) return;
    this.#undefinedSeen = count;
    if (this.#unknown) this.#sink.write(`ILLOPC: ${hex(cpu.rip, 16)}:${codeBytes(cpu)}`);
  }

  /** The instruction at rip is about to be executed. */
  trace(cpu: Cpu): void {
    if (this.#addresses) this.#sink.write(`Trace: ${place(cpu, SEGMENT.cs, cpu.rip)}`);
    if (this.#registers) for (const line of describe(cpu).split("\n")) this.#sink.write(line);
  }

  /** An access missed the soft TLB. @param low, high halves of its linear address. @param found nothing: it faulted. */
  translated(cpu: Cpu, what: string, low: number, high: number, size: number, found: boolean): void {
    const offset = low & (PAGE - 1);
    const { gfn } = cpu.linear.walker;
    const leadsTo = offset + size > PAGE ? "two pages" : `gpa ${hex(BigInt(gfn) * BigInt(PAGE) + BigInt(offset), 16)}`;
    const linear = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    this.#sink.write(`MMU: ${what} ${hex(linear, 16)} ${size}: ${found ? leadsTo : "fault"}`);
  }

  /** Delivery of a double fault failed. */
  tripleFault(): void {
    if (this.#resets) this.#sink.write("Triple fault");
  }
}

const place = (cpu: Cpu, segment: number, offset: bigint): string =>
  `${hex(cpu.get32(AT.segSelector, segment), 4)}:${hex(offset, 16)}`;

/** What stands at rip, as far as it is memory. */
function codeBytes(cpu: Cpu): string {
  const base = cpu.code64 ? 0n : cpu.get64(AT.segBase, SEGMENT.cs);
  let text = "";
  for (let i = 0n; i < INSN_BYTES; i++) {
    const linear = BigInt.asUintN(cpu.code64 ? 64 : 32, base + cpu.rip + i);
    const gpa = cpu.linear.inspect(Number(BigInt.asIntN(32, linear)), Number(BigInt.asIntN(32, linear >> 32n)));
    const frame = gpa < 0 ? -1 : cpu.host.physical.readableFrame(Math.floor(gpa / 4096));
    if (frame < 0) break;
    text += ` ${hex(cpu.u8[frame + (gpa % 4096)] as number, 2)}`;
  }
  return text;
}
