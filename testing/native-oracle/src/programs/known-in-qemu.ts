/**
 * Faults in which QEMU 7.2 is wrong by the manual: behind one the program is another one, and nothing more is compared. What it does
 * otherwise without a fault is left out of programs: see vocabulary.ts and system-steps.ts.
 */
import type { ResumedFault } from "../native-harness.ts";

const PAGE_FAULT = 14;
const GENERAL_PROTECTION = 13;
/** Error-code bit of writes. */
const PF_WRITE = 2;
/** RETF and IRET. */
const FRAME_READERS = [0xca, 0xcb, 0xcf] as const;

type Explains = (qemu: ResumedFault, ours: ResumedFault, code: Uint8Array) => boolean;

const KNOWN: readonly { readonly reason: string; readonly explains: Explains }[] = [
  {
    reason: "QEMU goes to a non-canonical address and faults there; the manual has the branch fault",
    explains: ({ vector, rip }) => vector === GENERAL_PROTECTION && !isCanonical(rip),
  },
  {
    reason:
      "QEMU reads across a page's end what it will write back; the manual has a write, which faults in the first page",
    explains: (qemu, ours) =>
      qemu.vector === PAGE_FAULT &&
      ours.vector === PAGE_FAULT &&
      qemu.rip === ours.rip &&
      (qemu.errorCode & PF_WRITE) < (ours.errorCode & PF_WRITE) &&
      qemu.cr2 >> 12n === (ours.cr2 >> 12n) + 1n,
  },
  {
    reason: "QEMU reads the frame of IRET and RETF at CPL 3 as if it were the supervisor, which CR4.SMAP forbids",
    explains: ({ vector, errorCode }, _, code) =>
      vector === PAGE_FAULT && errorCode === 1 && FRAME_READERS.some((opcode) => code.includes(opcode)),
  },
];

const isCanonical = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;

/** Why the first fault that differs is QEMU's mistake; undefined when it is not known to be. @param ram of the program, with its code. */
export function knownReason(qemu: ResumedFault, ours: ResumedFault, ram: Uint8Array): string | undefined {
  const at = Number(qemu.rip);
  const code = ram.subarray(at, at + 2);
  return KNOWN.find(({ explains }) => explains(qemu, ours, code))?.reason;
}
