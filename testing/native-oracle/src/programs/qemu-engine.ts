/** Privileged programs on QEMU's TCG: an emulator that others wrote, with the same kernel around them (machine-supervisor.ts). */
import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PAGE_BYTES } from "../environment.ts";
import { GUEST_RAM_BYTES, kernelPage, SYSTEM_REGISTERS } from "../guest-tables.ts";
import { initialStateOf } from "../vector.ts";
import { endLegacyElsewhere } from "./legacy-handler.ts";
import {
  BATCH,
  EXIT_PORT,
  IMAGE_BYTES,
  IMAGES,
  LOW_BYTES,
  MACHINE_RAM_BYTES,
  readSwitch,
  supervisorKernel,
  writeSwitch,
} from "./machine-supervisor.ts";
import { type Mode, modeOf } from "./mode.ts";
import { NO_SEGMENTS, writeParagraphSwitch } from "./paragraph-switch.ts";
import { inputOf, type Program } from "./program.ts";
import { endRealElsewhere } from "./real-tables.ts";
import { endElsewhere, type LoggedFault, readFaultLog } from "./resume-handler.ts";
import { writeSystem } from "./system-engine.ts";
import { readTicks } from "./system-tables.ts";

const CR0_PE = 1n;
const FLAG_VIF = 0x8_0000;
const QEMU = "qemu-system-x86_64";
/** Many times what a batch takes. */
const TIMEOUT_MS = 10_000;
/** Few enough that one which does not end costs little. */
const BATCH_PROGRAMS = 50;
/** Guest physical address of the tables. */
const TABLES = kernelPage("pml4").gpa;

/** What can be seen of a program's end from inside its machine. */
export interface MachineOutcome {
  readonly faults: readonly LoggedFault[];
  readonly regs: Readonly<Record<string, bigint>>;
  /** Timer interrupts that it took. */
  readonly ticks: number;
  /** Guest RAM as far as programs have it. */
  readonly ram: Uint8Array;
}

/** A program that QEMU itself did not survive. */
export interface MachineFailure {
  /** What QEMU said on its way down. */
  readonly failure: string;
}

/** Undefined for a program that reset the machine or did not end. */
export type QemuOutcome = MachineOutcome | MachineFailure | undefined;

/** Its version, or undefined where there is no QEMU. */
export function qemuVersion(): string | undefined {
  const { status, stdout } = spawnSync(QEMU, ["--version"], { encoding: "utf8" });
  return status === 0 ? /version (\S+)/.exec(stdout)?.[1] : undefined;
}

/** Runs privileged programs. @throws Error when QEMU does not start. */
export function runOnQemu(programs: readonly Program[]): readonly QemuOutcome[] {
  const directory = mkdtempSync(join(tmpdir(), "tsvm-qemu-"));
  try {
    const kernel = join(directory, "supervisor");
    writeFileSync(kernel, supervisorKernel());
    const outcomes: QemuOutcome[] = [];
    while (outcomes.length < programs.length) {
      const batch = programs.slice(outcomes.length, outcomes.length + BATCH_PROGRAMS);
      const { done, failure } = runBatch(kernel, join(directory, "ram"), batch);
      const last = done.findIndex((outcome, i) => leavesVirtualFlag(outcome, modeOf(batch[i] as Program)));
      outcomes.push(...(last < 0 ? done : done.slice(0, last + 1)));
      // The others come after the one that stopped the machine.
      if (last < 0 && done.length < batch.length) outcomes.push(failure);
    }
    return outcomes;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * Whether a program has left VIF set, which nothing in long mode clears in QEMU: programs behind it in the same machine would have it. Seed
 * 1133810580 set it, by an IRETD to virtual-8086 mode that QEMU should not have made.
 */
function leavesVirtualFlag({ ram }: MachineOutcome, { long }: Mode): boolean {
  const view = new DataView(ram.buffer, ram.byteOffset);
  return long && (view.getUint32(kernelPage("stack").gpa + PAGE_BYTES - 24, true) & FLAG_VIF) !== 0;
}

/** Outcomes of those that ended, and of the next one when QEMU did not survive it. */
interface Batch {
  readonly done: readonly MachineOutcome[];
  readonly failure: MachineFailure | undefined;
}

function runBatch(kernel: string, ramFile: string, programs: readonly Program[]): Batch {
  const file = openSync(ramFile, "w+");
  try {
    ftruncateSync(file, MACHINE_RAM_BYTES);
    for (const [i, program] of programs.entries()) writeSync(file, imageOf(program), 0, IMAGE_BYTES, imageAt(i));
    const count = Buffer.alloc(8);
    count.writeUInt32LE(programs.length);
    writeSync(file, count, 0, 8, BATCH.count);
    const failure = runMachine(kernel, ramFile);
    readSync(file, count, 0, 8, BATCH.done);
    return {
      done: programs.slice(0, count.readUInt32LE()).map((program, i) => readOutcome(file, i, modeOf(program))),
      failure,
    };
  } finally {
    closeSync(file);
  }
}

const imageAt = (index: number): number => IMAGES + index * IMAGE_BYTES;

/** By which QEMU ends when it gives up on its guest, or is broken. */
const FATAL_SIGNALS: ReadonlySet<string | null> = new Set(["SIGABRT", "SIGSEGV", "SIGBUS", "SIGFPE"]);

function runMachine(kernel: string, ramFile: string): MachineFailure | undefined {
  const size = `${MACHINE_RAM_BYTES >> 20}M`;
  const { error, stderr, signal } = spawnSync(
    QEMU,
    [
      ...["-accel", "tcg", "-cpu", "max", "-m", size, "-nodefaults", "-display", "none", "-no-reboot"],
      ...["-object", `memory-backend-file,id=ram,size=${size},mem-path=${ramFile},share=on`],
      ...["-machine", "pc,memory-backend=ram", "-kernel", kernel],
      ...["-device", `isa-debug-exit,iobase=${EXIT_PORT},iosize=4`],
    ],
    { encoding: "utf8", timeout: TIMEOUT_MS },
  );
  if (FATAL_SIGNALS.has(signal)) return { failure: stderr.split("\n")[0] || `${signal}` };
  if (error && (error as NodeJS.ErrnoException).code !== "ETIMEDOUT") throw error;
  if (/could not|cannot|invalid|unsupported/i.test(stderr)) throw new Error(`QEMU: ${stderr.trim()}`);
  return undefined;
}

/** Low memory and tables as our engines have them, and how the supervisor gets in and out. */
function imageOf(program: Program): Uint8Array {
  const ram = new Uint8Array(GUEST_RAM_BYTES);
  const view = new DataView(ram.buffer);
  const registers = writeSystem(ram, program);
  const mode = modeOf(program);
  endOutside(view, mode);
  writeSwitch(
    view,
    { ...SYSTEM_REGISTERS, ...registers, ...(mode.paragraphs && NO_SEGMENTS) },
    initialStateOf(inputOf(program)).fxsave,
    program.system?.clocks,
  );
  if (mode.paragraphs) writeParagraphSwitch(view, mode);
  const image = new Uint8Array(IMAGE_BYTES);
  image.set(ram.subarray(0, LOW_BYTES));
  image.set(ram.subarray(TABLES, TABLES + IMAGE_BYTES - LOW_BYTES), LOW_BYTES);
  return image;
}

function endOutside(view: DataView, { long, paragraphs }: Mode): void {
  if (long) endElsewhere(view, kernelPage("switch").address);
  else if (paragraphs === "real") endRealElsewhere(view);
  else endLegacyElsewhere(view);
}

function readOutcome(file: number, index: number, { paragraphs }: Mode): MachineOutcome {
  const image = new Uint8Array(IMAGE_BYTES);
  readSync(file, image, 0, IMAGE_BYTES, imageAt(index));
  const ram = new Uint8Array(GUEST_RAM_BYTES);
  ram.set(image.subarray(0, LOW_BYTES));
  ram.set(image.subarray(LOW_BYTES), TABLES);
  const view = new DataView(ram.buffer);
  const regs = readSwitch(view);
  // The way out of real-address mode is protected mode.
  const left = paragraphs === "real" ? { ...regs, cr0: (regs["cr0"] ?? 0n) & ~CR0_PE } : regs;
  return { faults: readFaultLog(view), regs: left, ticks: readTicks(view), ram };
}
