/**
 * Faults in which QEMU 7.2 is wrong by the manual: behind one the program is another one, and nothing more is compared. What it does
 * otherwise without a fault is left out of programs: see vocabulary.ts and system-steps.ts, and stray-instructions.ts for what they execute
 * all the same.
 */

import type { Environment } from "../environment.ts";
import { SELECTOR } from "../guest-tables.ts";
import { LEGACY_PREFIXES } from "../prefixes.ts";
import { modeOf } from "./mode.ts";
import { FIRST_SLOT, type Program } from "./program.ts";
import type { LoggedFault } from "./resume-handler.ts";

const PAGE_FAULT = 14;
const STACK_FAULT = 12;
const GENERAL_PROTECTION = 13;
/** Error-code bits of present entries and of reserved bits. */
const [PF_PRESENT, PF_RESERVED] = [1, 8] as const;
/** Of writes. */
const PF_WRITE = 2;
/** And of accesses at CPL 3. */
const PF_USER = 4;
/** And of fetches. */
const PF_FETCH = 16;
/** Error-code bit of gates, whose vector stands in the selector's bits. SDM vol. 3A, "Error Code". */
const GATE = 2;
const MODRM_REG = 0x38;
/** RETF and IRET. */
const FRAME_READERS = [0xca, 0xcb, 0xcf] as const;

type Explains = (
  qemu: LoggedFault | undefined,
  ours: LoggedFault | undefined,
  ram: Uint8Array,
  program: Program,
) => boolean;

/** Why a rip of QEMU's is not canonical. */
export const BEYOND_CANONICAL =
  "QEMU goes to a non-canonical address and faults there; the manual has the branch fault";

const KNOWN: readonly { readonly reason: string; readonly explains: Explains }[] = [
  {
    reason: BEYOND_CANONICAL,
    explains: (qemu) => qemu?.vector === GENERAL_PROTECTION && !isCanonical(qemu.rip),
  },
  {
    reason:
      "QEMU reads across a page's end what it will write back; the manual has a write, which faults in the first page",
    explains: (qemu, ours) =>
      qemu?.vector === PAGE_FAULT &&
      ours?.vector === PAGE_FAULT &&
      qemu.rip === ours.rip &&
      (qemu.errorCode & PF_WRITE) < (ours.errorCode & PF_WRITE) &&
      qemu.cr2 >> 12n === (ours.cr2 >> 12n) + 1n,
  },
  {
    reason: "QEMU reports a reserved bit without P; by the manual only a present entry can have one",
    explains: (qemu, ours) =>
      qemu?.vector === PAGE_FAULT &&
      ours?.vector === PAGE_FAULT &&
      qemu.rip === ours.rip &&
      qemu.cr2 === ours.cr2 &&
      (qemu.errorCode & (PF_RESERVED | PF_PRESENT)) === PF_RESERVED &&
      ours.errorCode === (qemu.errorCode | PF_PRESENT),
  },
  {
    reason: "QEMU reads the frame of IRET and RETF at CPL 3 as if it were the supervisor, which CR4.SMAP forbids",
    explains: (qemu, _, ram, program) => {
      if (qemu?.vector !== PAGE_FAULT || qemu.errorCode !== 1) return false;
      return FRAME_READERS.some((opcode) => codeBytes(qemu.rip, 2, ram, program).includes(opcode));
    },
  },
  {
    reason:
      "QEMU makes SS null by an event at the same privilege, and the program returned to what the frame has of it",
    explains: (qemu, ours, _, { system }) =>
      system?.privilege === 0 && isFetchOf(0n, qemu) && isFetchOf(BigInt(SELECTOR.kernelData), ours),
  },
  {
    reason: "QEMU does not look at limits outside 64-bit code, and finds no page there",
    explains: (qemu, ours, _, program) =>
      isOfSegment(ours, program) && qemu?.vector === PAGE_FAULT && qemu.rip === ours?.rip,
  },
  {
    reason: "QEMU does not look at limits outside 64-bit code, and memory is there",
    explains: (qemu, ours, ram, program) =>
      modeOf(program).paragraphs !== undefined &&
      isOfSegment(ours, program) &&
      !(qemu?.rip === ours?.rip && isOfSegment(qemu, program)) &&
      ours !== undefined &&
      !isSystemInstruction(ram, linear(ours.rip, program)),
  },
  {
    reason: "QEMU accesses the stack of far CALL, RETF and IRET in virtual-8086 mode as the supervisor; its CPL is 3",
    explains: (qemu, ours, ram, program) =>
      modeOf(program).paragraphs === "virtual" &&
      ours?.vector === PAGE_FAULT &&
      (ours.errorCode & PF_USER) !== 0 &&
      isFarThroughStack(ram, linear(ours.rip, program)) &&
      (qemu?.rip !== ours.rip || qemu.errorCode === ours.errorCode - PF_USER),
  },
  {
    reason:
      "QEMU does not look at segments outside 64-bit code, and what was executed is no code but a stack that ran over it",
    explains: (_, ours, ram, program) =>
      ours !== undefined && isOfSegment(ours, program) && isOverwritten(ours.rip, ram, program),
  },
  {
    reason: "QEMU does not look at segments outside 64-bit code, and DS or ES is another one than programs go on with",
    explains: (_, ours, __, program) =>
      ours !== undefined &&
      modeOf(program).paragraphs === undefined &&
      isOfSegment(ours, program) &&
      hasOtherData(ours, program.environment),
  },
  {
    reason:
      "QEMU counts gates of 64-bit mode in the error code of INT as if they were two descriptors; an AMD EPYC counts vectors",
    explains: (qemu, ours) =>
      qemu?.vector === GENERAL_PROTECTION &&
      ours?.vector === GENERAL_PROTECTION &&
      qemu.rip === ours.rip &&
      (ours.errorCode & 7) === GATE &&
      qemu.errorCode - GATE === 2 * (ours.errorCode - GATE),
  },
  {
    reason: "QEMU has #GP for a stack pointer that is not canonical; the manual has #SS",
    explains: (qemu, ours, _, { environment }) =>
      environment.codeBits === 64 &&
      qemu?.vector === GENERAL_PROTECTION &&
      ours?.vector === STACK_FAULT &&
      qemu.rip === ours.rip,
  },
];

/** Code was to be there, and no page is. */
const isFetchOf = (address: bigint, fault: LoggedFault | undefined): boolean =>
  fault?.vector === PAGE_FAULT && fault.errorCode === PF_FETCH && fault.rip === address && fault.cr2 === address;

/** Such a fault as an access raises that leaves its segment, or has none. */
function isOfSegment(fault: LoggedFault | undefined, { environment }: Program): boolean {
  if (fault === undefined || environment.codeBits === 64) return false;
  return (fault.vector === GENERAL_PROTECTION || fault.vector === STACK_FAULT) && fault.errorCode === 0;
}

/**
 * INT, IRET, CLI, STI, HLT, PUSHF, POPF, IN and OUT, and those behind 0Fh that ask for privilege: they fault for other reasons than limits.
 */
function isSystemInstruction(ram: Uint8Array, address: number): boolean {
  const [opcode, next] = opcodeAt(ram, address);
  return opcode === 0x0f ? SYSTEM_0F.includes(next) : SYSTEM.includes(opcode);
}

/** CALL ptr16, CALL m16, RETF and IRET. */
function isFarThroughStack(ram: Uint8Array, address: number): boolean {
  const [opcode, next] = opcodeAt(ram, address);
  return opcode === 0xff ? (next & MODRM_REG) === 3 << 3 : [0x9a, 0xca, 0xcb, 0xcf].includes(opcode);
}

/** The opcode's first byte, behind prefixes, and the byte behind it. */
function opcodeAt(ram: Uint8Array, address: number): readonly [opcode: number, next: number] {
  let at = address;
  while (LEGACY_PREFIXES.has(ram[at] ?? 0)) at++;
  return [ram[at] ?? 0, ram[at + 1] ?? 0];
}
const SYSTEM = [0x6c, 0x6d, 0x6e, 0x6f, 0x9c, 0x9d, 0xcc, 0xcd, 0xce, 0xcf, 0xf4, 0xfa, 0xfb].concat([
  ...[0xe4, 0xe5, 0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef],
]);
const SYSTEM_0F = [0, 1, 6, 8, 9, 0x20, 0x21, 0x22, 0x23, 0x30, 0x32, 0x34, 0x35];

/**
 * Programs load DS and ES with what they began with again, but a return off a stack that was moved comes to the middle of that. Seed
 * 1129305446: DS null.
 */
const hasOtherData = ({ ds, es }: LoggedFault, { segments }: Environment): boolean =>
  ds !== segments.ds.selector || es !== segments.es.selector;

/** `length` bytes at a rip when the program has ended, and those it was written with there: seed 1202011342 pushes over its IRET behind it. */
function codeBytes(rip: bigint, length: number, ram: Uint8Array, program: Program): readonly number[] {
  const at = linear(rip, program);
  const slot = at - FIRST_SLOT;
  const written = slot < 0 ? [] : program.code.subarray(slot, slot + length);
  return [...ram.subarray(at, at + length), ...written];
}

const linear = (rip: bigint, { environment }: Program): number => Number(rip) + environment.segments.cs.base;

function isOverwritten(rip: bigint, ram: Uint8Array, program: Program): boolean {
  const at = linear(rip, program);
  return ram[at] !== program.code[at - FIRST_SLOT];
}

/** In 48 bits. */
export const isCanonical = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;

/**
 * Why the first fault that differs is QEMU's mistake; undefined when it is not known to be. Either is undefined where the other
 * alone has a fault. @param ram when the program has ended.
 */
export function knownReason(
  qemu: LoggedFault | undefined,
  ours: LoggedFault | undefined,
  ram: Uint8Array,
  program: Program,
): string | undefined {
  return KNOWN.find(({ explains }) => explains(qemu, ours, ram, program))?.reason;
}
