/** What QEMU and our interpreter made of one privileged program. */
import type { Difference } from "../compare.ts";
import { PAGE_BYTES } from "../environment.ts";
import { kernelPage } from "../guest-tables.ts";
import { compareFaults } from "./compare-programs.ts";
import { BEYOND_CANONICAL, isCanonical, knownReason } from "./known-in-qemu.ts";
import { readLegacyEnd } from "./legacy-handler.ts";
import { LOW_BYTES } from "./machine-supervisor.ts";
import { type Mode, modeOf } from "./mode.ts";
import { CODE_BYTES, FAULT_LIMIT, FIRST_SLOT, type Program } from "./program.ts";
import type { MachineOutcome } from "./qemu-engine.ts";
import { readRealEnd } from "./real-tables.ts";
import type { LoggedFault } from "./resume-handler.ts";
import type { SystemOutcome } from "./system-engine.ts";

const PAGE_FAULT = 14;
const DOUBLE_FAULT = 8;
/** Error-code bit of writes. */
const PF_WRITE = 2;
const PTE_ACCESSED = 0x20;
const PTE_DIRTY = 0x40;
const FLAG_RF = 0x1_0000;
/** Its place in what readLegacyEnd returns. */
const RFLAGS = 2;

/**
 * Pages of the kernel half that are compared: tables. The log is compared as faults; of the stack, which has RF in the frames of
 * faults here and never in QEMU, only the last frame is.
 */
const COMPARED = [
  ...["pml4", "lowPdpt", "lowPd", "lowPt", "highPdpt", "highPd", "highPt"],
  ...["gdt", "ldt", "tss", "idt", "otherPml4", "otherPdpt", "otherPd", "otherPt"],
] as readonly Parameters<typeof kernelPage>[0][];

/** Differences of ours from QEMU's: faults, registers, memory. A string is the reason why they are QEMU's. */
export function compareMachines(
  program: Program,
  qemu: MachineOutcome,
  ours: SystemOutcome,
): readonly Difference[] | string {
  const at = firstDifference(qemu.faults, ours.faults);
  const reason = at < 0 ? endReason(qemu, program) : knownReason(qemu.faults[at], ours.faults[at], qemu.ram, program);
  if (reason !== undefined) return reason;
  const differences: Difference[] = [...compareFaults(from(qemu, at), from(ours, at))];
  const check = (field: string, expected: string, actual: string): void => {
    if (expected !== actual) differences.push({ field, expected, actual });
  };
  check("faults", String(qemu.faults.length), String(ours.faults.length));
  for (const [name, expected] of Object.entries(qemu.regs))
    check(name, expected.toString(16), (ours.regs[name] ?? 0n).toString(16));
  check("rip, rflags, rsp, cs", describeEnd(qemu.ram, program), describeEnd(ours.ram, program));
  compareMemory("memory", qemu.ram, ours.ram, 0, LOW_BYTES, check);
  const theirTables = withDirty(withAccessed(qemu.ram, ours.ram, modeOf(program)), ours, modeOf(program));
  for (const name of COMPARED) compareMemory(name, theirTables, ours.ram, kernelPage(name).gpa, PAGE_BYTES, check);
  const behind = at < 0 ? FAULT_LIMIT : at + 1;
  const executed = [qemu, ours].some(
    ({ faults, ram }) => executesData(program, faults.slice(0, behind)) || (at < 0 && endsInData(program, ram)),
  );
  if (differences.length > 0 && executed) return DATA_EXECUTED;
  return doubleFaulted(program, ours, differences) ? LIMITS_BEHIND_DOUBLE_FAULT : differences;
}

const LIMITS_BEHIND_DOUBLE_FAULT =
  "QEMU does not look at limits outside 64-bit code: it comes to a double fault by page faults, which leave CR2";

/** Whether nothing but CR2 differs, and there was a double fault, which does not tell by what. Seed 1180000795: a stack pointer of 1. */
const doubleFaulted = (
  { environment }: Program,
  { faults }: SystemOutcome,
  differences: readonly Difference[],
): boolean =>
  differences.length === 1 &&
  differences[0]?.field === "cr2" &&
  environment.codeBits !== 64 &&
  faults.some(({ vector }) => vector === DOUBLE_FAULT);

const DATA_EXECUTED =
  "what was executed is data, which nothing forbids under 32-bit paging and in real-address mode: random bytes, about which emulators differ";

/** Whether something of these faulted outside the code of a program that nothing keeps inside. */
function executesData(program: Program, faults: readonly LoggedFault[]): boolean {
  const base = BigInt(program.environment.segments.cs.base);
  return modeOf(program).entryBytes === 4 && faults.some(({ rip }) => !isCode(Number(rip + base)));
}

const isCode = (linear: number): boolean => linear >= FIRST_SLOT && linear < FIRST_SLOT + CODE_BYTES;

/** Whether a program in real-address mode came to its end outside its code: there is INT3 everywhere. Seed 1131100394. */
function endsInData(program: Program, ram: Uint8Array): boolean {
  if (modeOf(program).paragraphs !== "real") return false;
  const [ip = 0, cs = 0] = readRealEnd(new DataView(ram.buffer, ram.byteOffset, ram.length));
  return !isCode(cs * 16 + ip - 1);
}

/** Faults from the `first` on; none when that is negative. */
const from = ({ faults }: { readonly faults: readonly LoggedFault[] }, first: number) => ({
  faults: first < 0 ? [] : faults.slice(first),
});

/**
 * What is known of the fault that ended a program, one too many, which is not in the log. Its vector is not kept: it may be #PF where the frame
 * has such an error code. Seeds 1129709907, RET, and 1142002693, IRET.
 */
function endReason({ ram, faults, regs }: MachineOutcome, program: Program): string | undefined {
  if (!modeOf(program).long) return undefined;
  const view = new DataView(ram.buffer, ram.byteOffset);
  const at = (offset: number): bigint => view.getBigUint64(kernelPage("stack").gpa + PAGE_BYTES - offset, true);
  const rip = at(40);
  if (!isCanonical(rip)) return BEYOND_CANONICAL;
  if (faults.length < FAULT_LIMIT) return undefined;
  const last = { vector: PAGE_FAULT, errorCode: Number(at(48)), cr2: regs["cr2"] ?? 0n, rip, ds: 0, es: 0 };
  return knownReason(last, undefined, ram, program);
}

/** Index of the first fault that one of them has otherwise or alone; negative when there is none. */
export function firstDifference(qemu: readonly LoggedFault[], ours: readonly LoggedFault[]): number {
  const longer = qemu.length > ours.length ? qemu : ours;
  return longer.findIndex((_, i) => !sameFault(qemu[i], ours[i]));
}

/** QEMU reports what is read, changed and written back as read: host CPUs report a write, as the manual has it. */
function sameFault(qemu: LoggedFault | undefined, ours: LoggedFault | undefined): boolean {
  if (qemu === undefined || ours === undefined) return false;
  if (qemu.vector !== ours.vector || qemu.rip !== ours.rip || qemu.cr2 !== ours.cr2) return false;
  const readForWrite = qemu.vector === PAGE_FAULT && (ours.errorCode & PF_WRITE) !== 0 ? PF_WRITE : 0;
  return (qemu.errorCode | readForWrite) === ours.errorCode;
}

/**
 * rip, rflags, rsp and cs of the frame that ended the program. The upper half of rsp is no matter of code that has none; SS is null in
 * QEMU 7.2 behind an event with a stack of its own at the same privilege, and by SDM vol. 3A, "Stack Switching in IA-32e Mode", stays.
 */
function describeEnd(ram: Uint8Array, program: Program): string {
  const view = new DataView(ram.buffer, ram.byteOffset, ram.length);
  const { long, paragraphs } = modeOf(program);
  if (!long)
    return (paragraphs === "real" ? readRealEnd(view) : readLegacyEnd(view))
      .map((value, i) => (i === RFLAGS ? value & ~FLAG_RF : value).toString(16))
      .join(" ");
  const end = kernelPage("stack").gpa + PAGE_BYTES;
  const at = (offset: number): bigint => view.getBigUint64(end - offset, true);
  const rsp = BigInt.asUintN(program.environment.codeBits === 64 ? 64 : 32, at(16));
  return [at(40), at(24) & ~BigInt(FLAG_RF), rsp, at(32)].map((value) => value.toString(16)).join(" ");
}

/**
 * QEMU's memory with our accessed flags in page tables where it has set more: processors may set them speculatively, and QEMU reads
 * what it fails to write. SDM vol. 3A, "Accessed and Dirty Flags".
 */
function withAccessed(qemu: Uint8Array, ours: Uint8Array, { entryBytes }: Mode): Uint8Array {
  const ram = qemu.slice();
  for (const name of ["lowPt", "otherPt", "lowPd", "otherPd", "lowPdpt", "otherPdpt"] as const) {
    const { gpa } = kernelPage(name);
    for (let at = gpa; at < gpa + PAGE_BYTES; at += entryBytes)
      if (((ours[at] as number) & PTE_ACCESSED) === 0) ram[at] = (ram[at] as number) & ~PTE_ACCESSED;
  }
  return ram;
}

/**
 * The same with our dirty flags in the entries of pages across whose ends a write had a fault in the next one: QEMU reads first what it writes
 * back, and faults. An AMD EPYC has written to the first page then, as far as its flag tells. Seed 1129709533: SBB.
 */
function withDirty(qemu: Uint8Array, { faults, ram: ours }: SystemOutcome, { entryBytes }: Mode): Uint8Array {
  const ram = qemu.slice();
  for (const { vector, errorCode, cr2 } of faults) {
    if (vector !== PAGE_FAULT || (errorCode & PF_WRITE) === 0 || cr2 % BigInt(PAGE_BYTES) !== 0n) continue;
    const entry = ((Number(cr2 & 0xffff_ffffn) / PAGE_BYTES - 1) * entryBytes) & (PAGE_BYTES - 1);
    for (const name of ["lowPt", "otherPt"] as const) {
      const at = kernelPage(name).gpa + entry;
      ram[at] = (ram[at] as number) | ((ours[at] as number) & PTE_DIRTY);
    }
  }
  return ram;
}

type Check = (field: string, expected: string, actual: string) => void;

/** The first eight bytes that differ. */
function compareMemory(name: string, a: Uint8Array, b: Uint8Array, start: number, length: number, check: Check): void {
  for (let at = start; at < start + length; at += 8) {
    const [x, y] = [a, b].map((ram) =>
      Buffer.from(ram.subarray(at, at + 8))
        .reverse()
        .toString("hex"),
    );
    if (x !== y) return check(`${name} at ${(at - start).toString(16)}`, x as string, y as string);
  }
}
