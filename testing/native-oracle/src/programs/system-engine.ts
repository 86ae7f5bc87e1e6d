/** Privileged programs on our accelerator, with interrupts at chosen instructions. */
import type { TcgOptions } from "@tsvm/accel-tcg";
import type { AccessSize, InterruptPort, IoPort, Vcpu } from "@tsvm/contracts";
import type { Difference } from "../compare.ts";
import { SEGMENT_NAMES, windowContents } from "../environment.ts";
import { writeGuestTables } from "../guest-tables.ts";
import { hashText } from "../random.ts";
import { createGuest, type Guest, registersOf } from "../tcg-engine.ts";
import { initialStateOf } from "../vector.ts";
import { isAtLegacyEnd } from "./legacy-handler.ts";
import { writeLegacyTables } from "./legacy-tables.ts";
import { type Mode, modeOf } from "./mode.ts";
import { virtualFlags, writeMonitor } from "./monitor.ts";
import { FAULT_LIMIT, inputOf, type Program, type SystemSetup } from "./program.ts";
import { isAtRealEnd, paragraphSegments, writeRealTables } from "./real-tables.ts";
import { type LoggedFault, readFaultLog, readFinalFrame, writeResumeHandler } from "./resume-handler.ts";
import { STOPPED, step } from "./step.ts";
import {
  APIC_EOI,
  KERNEL_REGISTERS,
  kernelSegments,
  SYSTEM_WINDOWS,
  VECTORS,
  writeSystemTables,
} from "./system-tables.ts";

const BUDGET = 400_000;
/** Instructions by which a run may go past its budget; up to there interrupts are not placed exactly. */
const OVERRUN = 300;
/** How long an interrupt waits for a place where both engines would take it at once. */
const PATIENCE = 200;
const IF = 0x200n;

/** Everything that can be seen of a machine at its end. */
export interface SystemOutcome {
  /** "hlt" when the program came to its end. */
  readonly exit: string;
  readonly instructions: number;
  readonly regions: number;
  readonly interrupts: number;
  readonly faults: readonly LoggedFault[];
  readonly regs: Readonly<Record<string, bigint>>;
  readonly ram: Uint8Array;
  /** Ports and device accesses in order. */
  readonly accesses: readonly string[];
}

/** Answers depend on what was asked and on how much before it. */
class AccessLog implements IoPort {
  readonly lines: string[] = [];

  in(port: number, size: AccessSize): number {
    return this.#note(`in ${port.toString(16)} ${size}`) >>> (32 - 8 * size);
  }
  out(port: number, size: AccessSize, value: number): void {
    this.#note(`out ${port.toString(16)} ${size} ${value.toString(16)}`);
  }
  load(gpa: number, dst: Uint8Array): void {
    const answer = this.#note(`load ${gpa.toString(16)} ${dst.length}`);
    for (let i = 0; i < dst.length; i++) dst[i] = (answer >>> ((i & 3) * 8)) + i;
  }
  store(gpa: number, src: Uint8Array): void {
    if (gpa !== APIC_EOI) this.#note(`store ${gpa.toString(16)} ${Buffer.from(src).toString("hex")}`);
  }
  #note(line: string): number {
    this.lines.push(line);
    return hashText(`${this.lines.length} ${line}`);
  }
}

/** One pin, raised when told. */
class Pin implements InterruptPort {
  pending = false;
  readonly nmiPending = false;
  tpr = 0;
  taken = 0;
  vector: number = VECTORS.external;
  #notify = (): void => {};

  raise(): void {
    this.pending = true;
    this.#notify();
  }
  acknowledge(): number {
    this.pending = false;
    this.taken++;
    return this.vector;
  }
  acknowledgeNmi(): void {}
  readMsr(): undefined {
    return undefined;
  }
  writeMsr(): boolean {
    return false;
  }
  onRaise(notify: () => void): void {
    this.#notify = notify;
  }
}

type Drop = (...args: never[]) => unknown;

/** The machine's inside, as far as it is looked at between instructions. */
export interface Machine {
  readonly vcpu: Vcpu;
  readonly view: DataView;
  readonly cpu: {
    readonly rip: bigint;
    readonly linear: { flushAll: Drop; flushPage: Drop; cr3Changed: Drop; pagingChanged: Drop };
  };
}

/** Called in front of each instruction. @returns whether the program goes on. */
type Observer = (machine: Machine) => boolean;

/** No translation of an address outlives an instruction. */
export const forgetTranslations: Observer = ({ cpu }) => {
  cpu.linear.flushAll();
  return true;
};

/** A machine for privileged programs. */
export class SystemEngine {
  readonly machine: Machine;
  readonly #guest: Guest;
  readonly #pin = new Pin();
  readonly #io = new AccessLog();
  #observer: Observer | undefined;

  constructor(options: Partial<TcgOptions>) {
    this.#guest = createGuest(SYSTEM_WINDOWS, options, this.#pin, this.#io);
    const { vcpu, view } = this.#guest;
    this.machine = { vcpu, view, cpu: (vcpu as unknown as Pick<Machine, "cpu">).cpu };
  }

  /** Undefined when the program does not end, or `observer` ends it. */
  run(program: Program, observer?: Observer): SystemOutcome | undefined {
    const { vcpu, ram, view } = this.#guest;
    this.#prepare(program);
    this.#observer = observer;
    const counters = (): { regionsMade: number } => (vcpu as unknown as { counters: { regionsMade: number } }).counters;
    const [instructions, regions] = [vcpu.instructionCount, counters().regionsMade];
    const exit = this.#runWithInterrupts(program.system as SystemSetup);
    if (exit === "intr" || exit === STOPPED) return undefined;
    const { regs } = vcpu.save();
    return {
      exit: exit === "hlt" && !isAtEnd(view, modeOf(program), regs) ? "hlt elsewhere" : exit,
      instructions: vcpu.instructionCount - instructions,
      regions: counters().regionsMade - regions,
      interrupts: this.#pin.taken,
      faults: readFaultLog(view),
      regs,
      ram: ram.slice(),
      accesses: this.#io.lines.slice(),
    };
  }

  #prepare(program: Program): void {
    const { vm, vcpu, ram } = this.#guest;
    const regs = writeSystem(ram, program);
    vm.noteHostWrite(0, ram.length);
    this.#guest.restartClock();
    vcpu.reset();
    vcpu.restore({ regs });
    this.#io.lines.splice(0);
    this.#pin.taken = 0;
    this.#pin.pending = false;
    this.#pin.vector = program.system?.clocks === undefined ? VECTORS.external : VECTORS.tick;
  }

  #runWithInterrupts({ interruptsAt }: SystemSetup): string {
    const { vcpu } = this.#guest;
    const start = vcpu.instructionCount;
    for (const count of interruptsAt) {
      const exit = this.#runTo(start + count);
      if (exit !== "intr") return exit;
      const waited = this.#waitForWindow();
      if (waited !== "intr") return waited;
      if (this.#mayInterrupt()) this.#pin.raise();
    }
    return this.#run(BUDGET);
  }

  #run(budget: number): string {
    const { vcpu } = this.#guest;
    const observer = this.#observer;
    if (observer === undefined) return vcpu.run(budget).reason;
    return step(vcpu, budget, () => observer(this.machine));
  }

  /** Up to exactly `count` instructions, if a run does not go past it. */
  #runTo(count: number): string {
    const { vcpu } = this.#guest;
    const ahead = count - OVERRUN - vcpu.instructionCount;
    let exit = ahead > 0 ? this.#run(ahead) : "intr";
    while (exit === "intr" && vcpu.instructionCount < count) exit = this.#run(1);
    return exit;
  }

  #waitForWindow(): string {
    for (let i = 0; i < PATIENCE && !this.#mayInterrupt(); i++) {
      const reason = this.#run(1);
      if (reason !== "intr") return reason;
    }
    return "intr";
  }

  #mayInterrupt(): boolean {
    const { regs } = this.#guest.vcpu.save();
    return ((regs["rflags"] ?? 0n) & IF) !== 0n && regs["interrupt.shadow"] === 0n && regs["pending.vector"] === 0n;
  }
}

/** Whether it was the handler that halted, and no HLT among bytes that were never meant to be executed. */
function isAtEnd(view: DataView, { long, paragraphs }: Mode, regs: Readonly<Record<string, bigint>>): boolean {
  const { rip = 0n, rsp = 0n } = regs;
  if (long) return readFinalFrame(view, rip, rsp) !== undefined;
  return paragraphs === "real" ? isAtRealEnd(rip, regs["cs.base"] ?? 0n) : isAtLegacyEnd(rip);
}

/** Attributes of all segments: of privilege 0 in real-address mode, of privilege 3 in virtual-8086 mode. */
const [REAL_SEGMENT, VIRTUAL_SEGMENT] = [0x93n, 0xf3n];

/** Fills guest RAM with a program and the kernel around it. @returns the registers it starts from, by their names in VcpuState. */
export function writeSystem(ram: Uint8Array, program: Program): Readonly<Record<string, bigint>> {
  const view = new DataView(ram.buffer, ram.byteOffset, ram.length);
  const input = inputOf(program);
  ram.fill(0);
  for (const window of SYSTEM_WINDOWS) ram.set(windowContents(window), window.address);
  ram.set(input.code, input.codeAddress);
  for (const { address, bytes } of input.patches) ram.set(bytes, address);
  writeGuestTables(view, SYSTEM_WINDOWS);
  writeResumeHandler(view, FAULT_LIMIT);
  writeSystemTables(view, program.environment);
  const mode = modeOf(program);
  if (!mode.long) writeLegacyTables(view, mode, program.environment);
  const regs = { ...registersOf(program.environment, initialStateOf(input)), ...KERNEL_REGISTERS, ...mode.registers };
  if (mode.paragraphs === "real") {
    writeRealTables(view);
    return { ...regs, ...paragraphSegments(REAL_SEGMENT) };
  }
  if (mode.paragraphs === "virtual") {
    writeMonitor(view, mode);
    return { ...regs, ...paragraphSegments(VIRTUAL_SEGMENT), rflags: virtualFlags(regs["rflags"] ?? 0n) };
  }
  if (program.system?.privilege !== 0) return regs;
  const kernel = { ...regs, ...kernelSegments(program.environment) };
  // Ticks at privilege 0 would be seen on the program's stack.
  return mode.long || !program.system.clocks ? kernel : { ...kernel, rflags: (regs["rflags"] ?? 0n) & ~IF };
}

/** Everything in which two machines ended differently. */
export function compareSystems(a: SystemOutcome, b: SystemOutcome): readonly Difference[] {
  const differences: Difference[] = [];
  const check = (field: string, expected: string, actual: string): void => {
    if (expected !== actual) differences.push({ field, expected, actual });
  };
  check("exit", a.exit, b.exit);
  check("faults", String(a.faults.length), String(b.faults.length));
  check("instructions", String(a.instructions), String(b.instructions));
  check("interrupts", String(a.interrupts), String(b.interrupts));
  // What is pending has an error code; without anything pending it is an old one.
  const names = Object.keys(a.regs).filter((name) => name !== "pending.error" || a.regs["pending.vector"] !== 0n);
  for (const name of names.sort((x, y) => rank(x) - rank(y)))
    check(name, (a.regs[name] ?? 0n).toString(16), (b.regs[name] ?? 0n).toString(16));
  const at = a.accesses.findIndex((line, i) => line !== b.accesses[i]);
  if (at >= 0) check(`access ${at}`, a.accesses[at] ?? "none", b.accesses[at] ?? "none");
  check("accesses", String(a.accesses.length), String(b.accesses.length));
  const changed = a.ram.findIndex((byte, i) => byte !== b.ram[i]);
  if (changed >= 0) check(`memory at ${changed.toString(16)}`, String(a.ram[changed]), String(b.ram[changed]));
  return differences;
}

/** General registers tell most. */
const rank = (name: string): number =>
  /^r/.test(name) ? 0 : SEGMENT_NAMES.some((segment) => name.startsWith(segment)) ? 1 : 2;
