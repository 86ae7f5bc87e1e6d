/**
 * Faults in which the host's CPU may differ from ours, both by the manual: behind one the program is another one, and nothing more is
 * compared. What programs can do without is left out of them: see vocabulary.ts and generate-program.ts.
 */
import { codeSegmentBase } from "../environment.ts";
import { MAX_INSTRUCTION_BYTES } from "../generate/encode.ts";
import type { ProgramOutcome, ResumedFault } from "../native-harness.ts";
import { opcodeIndex } from "../prefixes.ts";
import { CODE_BYTES, FIRST_SLOT, type Program } from "./program.ts";

const [DEBUG, STACK_FAULT, GENERAL_PROTECTION, PAGE_FAULT] = [1, 12, 13, 14] as const;
/** Error-code bits. */
const [PF_PRESENT, PF_USER_WRITE] = [1, 6] as const;
/** First byte of SLDT, STR, SGDT, SIDT and SMSW, and of SSE. */
const TWO_BYTES = 0x0f;
/** RETF and IRET. */
const FRAME_READERS: ReadonlySet<number> = new Set([0xca, 0xcb, 0xcf]);
const INT1 = 0xf1;
/** Bytes of what they pop. */
const SLOT_BYTES: ReadonlySet<bigint> = new Set([2n, 4n, 8n]);

type Explains = (host: ResumedFault | undefined, ours: ResumedFault | undefined, code: FaultingCode) => boolean;

/** What the host executed where the first fault that differs was. */
interface FaultingCode {
  /** First byte behind the prefixes, as it was when the program had ended. */
  readonly opcode: number;
  /** Something stored to the instruction. */
  readonly isOverwritten: boolean;
}

const KNOWN: readonly { readonly reason: string; readonly explains: Explains }[] = [
  {
    reason: "RETF and IRET read CS before IP or behind it as makers like: CR2 tells where neither is present",
    explains: (host, ours, { opcode }) =>
      host?.vector === PAGE_FAULT &&
      ours?.vector === PAGE_FAULT &&
      host.rip === ours.rip &&
      host.errorCode === ours.errorCode &&
      SLOT_BYTES.has(host.cr2 - ours.cr2) &&
      FRAME_READERS.has(opcode),
  },
  {
    reason: "Linux does what UMIP forbids, SLDT and its kin, and makes up the error code of the write's fault",
    explains: (host, ours, { opcode }) =>
      host?.vector === PAGE_FAULT &&
      ours?.vector === PAGE_FAULT &&
      host.rip === ours.rip &&
      host.cr2 === ours.cr2 &&
      opcode === TWO_BYTES &&
      host.errorCode === PF_USER_WRITE &&
      ours.errorCode === (PF_USER_WRITE | PF_PRESENT),
  },
  {
    reason: "under KVM on AMD the trap of INT1 comes back as a fault, in front of the instruction",
    explains: (host, ours, { opcode }) =>
      host?.vector === DEBUG &&
      ours?.vector === DEBUG &&
      opcode === INT1 &&
      ours.rip > host.rip &&
      ours.rip - host.rip <= MAX_INSTRUCTION_BYTES,
  },
  {
    reason:
      "misaligned and beyond the limit of the stack segment: #GP or #SS is each maker's choice (SDM vol. 3A, Priority Among Concurrent Events)",
    explains: (host, ours, { opcode }) =>
      host?.vector === GENERAL_PROTECTION &&
      ours?.vector === STACK_FAULT &&
      host.rip === ours.rip &&
      host.errorCode === 0 &&
      ours.errorCode === 0 &&
      opcode === TWO_BYTES,
  },
  {
    reason:
      "what was executed is no code of the program but what it stored there: random bytes, about which makers differ",
    explains: (_, __, { isOverwritten }) => isOverwritten,
  },
];

/** Why the first fault that differs tells of no mistake; undefined when it may. Either is undefined where the other alone has a fault. */
export function knownOnHost(program: Program, host: ProgramOutcome, ours: ProgramOutcome): string | undefined {
  const [theirs, own] = [host.faults, ours.faults];
  const longer = theirs.length > own.length ? theirs : own;
  const at = longer.findIndex((_, i) => !isSame(theirs[i], own[i]));
  if (at < 0) return undefined;
  const code = codeAt((theirs[at] ?? (own[at] as ResumedFault)).rip, program, host);
  return code && KNOWN.find(({ explains }) => explains(theirs[at], own[at], code))?.reason;
}

const isSame = (a: ResumedFault | undefined, b: ResumedFault | undefined): boolean =>
  a?.vector === b?.vector && a?.errorCode === b?.errorCode && a?.cr2 === b?.cr2 && a?.rip === b?.rip;

/** Undefined outside of the program. */
function codeAt(rip: bigint, { environment, code }: Program, { writes }: ProgramOutcome): FaultingCode | undefined {
  const base = environment.codeBits === 64 ? 0n : codeSegmentBase(environment.segments.cs.selector);
  const offset = Number(rip + base) - FIRST_SLOT;
  if (offset < 0 || offset >= CODE_BYTES) return undefined;
  const written = code.subarray(offset, offset + MAX_INSTRUCTION_BYTES);
  const left = written.slice();
  for (const { address, bytes } of writes)
    for (const [i, byte] of bytes.entries()) {
      const place = address + i - FIRST_SLOT - offset;
      if (place >= 0 && place < left.length) left[place] = byte;
    }
  const at = opcodeIndex(left, environment.codeBits === 64);
  const isOverwritten = left.subarray(0, at + 1).some((byte, i) => byte !== written[i]);
  return { opcode: left[at] ?? 0, isOverwritten };
}
