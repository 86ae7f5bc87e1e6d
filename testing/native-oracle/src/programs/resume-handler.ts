/**
 * What native/oracle.c does between a fault and going on, as guest code: the fault is noted in a log, the program goes on at
 * its next slot, and INT3 or one fault too many halts. What emulators push differently (the write bit of what is read and written
 * back, RF) is taken off the stack again, since programs can get there and use it.
 */
import { LOCAL_DESCRIPTORS, PAGE_BYTES } from "../environment.ts";
import { kernelPage, type TrapFrame, writeNumberedGates } from "../guest-tables.ts";
import type { ResumedFault } from "../native-harness.ts";
import { listingBytes } from "./listing.ts";
import { FIRST_SLOT, SLOT_BYTES, SLOTS } from "./program.ts";

/** The log: number of faults, limit, code address; bases of LDT segments; entries of vector, error code, DS, ES, CR2 and rip. */
const LOG = { count: 0, limit: 8, code: 16, bases: 0x40, entries: 0x100, entryBytes: 32 } as const;
const LOGGED_AT_MOST = Math.floor((PAGE_BYTES - LOG.entries) / LOG.entryBytes);
const PAGE_FAULT = 14;

/** Entered with vector and error code above the frame, registers as the program left them. */
const HANDLER = `
  fc 50 51 52 53            cld; push rax; push rcx; push rdx; push rbx
  48bb LOG                  mov rbx, LOG
  837c2420 03               cmp dword [rsp+32], 3
  0f84 a5000000             je finish
  488b03 483b4308           mov rax, [rbx]; cmp rax, [rbx+8]
  0f83 98000000             jae finish
  48ff03                    inc qword [rbx]
  4889c1 48c1e105           mov rcx, rax; shl rcx, 5
  488d8c0b 00010000         lea rcx, [rbx+rcx+256]
  488b542420 488911         mov rdx, [rsp+32]; mov [rcx], rdx
  488b542428 48895108       mov rdx, [rsp+40]; mov [rcx+8], rdx
  8c590c 8c410e             mov [rcx+12], ds; mov [rcx+14], es
  4883642428 00             and qword [rsp+40], 0
  0fba742440 10             btr dword [rsp+64], 16
  0f20d2 48895110           mov rdx, cr2; mov [rcx+16], rdx
  488b542430 48895118       mov rdx, [rsp+48]; mov [rcx+24], rdx
  48ffc0                    inc rax
  0fb74c2438 f6c104 740a    movzx ecx, word [rsp+56]; test cl, 4; jz flat
  c1e903 488b4ccb40 eb02    shr ecx, 3; mov rcx, [rbx+rcx*8+64]; jmp based
  31c9                      flat: xor ecx, ecx
  4801ca 482b5310           based: add rdx, rcx; sub rdx, [rbx+16]
  4881fa 00100000 7309      cmp rdx, 4096; jae wild
  48c1ea06 48ffc2 eb04      shr rdx, 6; inc rdx; jmp place
  488d1480                  wild: lea rdx, [rax+rax*4]
  83e23f 48c1e206           place: and edx, 63; shl rdx, 6
  48035310 4829ca           add rdx, [rbx+16]; sub rdx, rcx
  4889542430                mov [rsp+48], rdx
  5b 5a 59 58 4883c410 48cf pop rbx; pop rdx; pop rcx; pop rax; add rsp, 16; iretq
  5b 5a 59 58 f4            finish: pop rbx; pop rdx; pop rcx; pop rax; hlt
`;

/** A fault as the guest notes it, with selectors of segments that programs load. */
export interface LoggedFault extends ResumedFault {
  readonly ds: number;
  readonly es: number;
}

function assemble(log: bigint): Uint8Array {
  const address = Buffer.alloc(8);
  address.writeBigUInt64LE(log);
  return listingBytes(HANDLER.replace("LOG ", `${address.toString("hex")} `));
}

/** Writes handlers and an empty log into guest RAM. */
export function writeResumeHandler(ram: DataView, faultLimit: number): void {
  if (SLOTS !== 64 || SLOT_BYTES !== 64) throw new Error("the handler was written for 64 slots of 64 bytes");
  const handler = kernelPage("resumption");
  const log = kernelPage("log");
  writeNumberedGates(ram, handler.address);
  for (const [i, byte] of assemble(log.address).entries()) ram.setUint8(handler.gpa + i, byte);
  ram.setBigUint64(log.gpa + LOG.count, 0n, true);
  ram.setBigUint64(log.gpa + LOG.limit, BigInt(faultLimit), true);
  ram.setBigUint64(log.gpa + LOG.code, BigInt(FIRST_SLOT), true);
  for (const { selector, base } of LOCAL_DESCRIPTORS) noteLocalBase(ram, selector, base);
}

/** Tells the handler where a local segment begins. */
export function noteLocalBase(ram: DataView, selector: number, base: number): void {
  ram.setBigUint64(kernelPage("log").gpa + LOG.bases + (selector & ~7), BigInt(base), true);
}

/** Puts a jump to `target` in place of the HLT that ends a program. */
export function endElsewhere(ram: DataView, target: bigint): void {
  const handler = kernelPage("resumption");
  const halt = assemble(0n).length - 1;
  ram.setUint8(handler.gpa + halt, 0xe9);
  ram.setInt32(handler.gpa + halt + 1, Number(target - (handler.address + BigInt(halt + 5))), true);
}

/** How many faults the handler has noted. */
export const countFaults = (ram: DataView): number => Number(ram.getBigUint64(kernelPage("log").gpa + LOG.count, true));

/** The faults the handler noted; at most as many as there is room for, whatever a program that is the kernel wrote over their number. */
export function readFaultLog(ram: DataView): readonly LoggedFault[] {
  const { gpa } = kernelPage("log");
  return Array.from({ length: Math.min(countFaults(ram), LOGGED_AT_MOST) }, (_, i) => {
    const at = gpa + LOG.entries + i * LOG.entryBytes;
    const vector = Number(ram.getBigUint64(at, true));
    return {
      vector,
      errorCode: ram.getUint32(at + 8, true),
      ds: ram.getUint16(at + 12, true),
      es: ram.getUint16(at + 14, true),
      cr2: vector === PAGE_FAULT ? ram.getBigUint64(at + 16, true) : 0n,
      rip: ram.getBigUint64(at + 24, true),
    };
  });
}

/** The frame of the exception that ended the program; undefined when the processor did not halt in the handler. */
export function readFinalFrame(ram: DataView, rip: bigint, rsp: bigint): TrapFrame | undefined {
  const handler = kernelPage("resumption");
  if (rip !== handler.address + BigInt(assemble(0n).length)) return undefined;
  const stack = kernelPage("stack");
  const at = (index: number): bigint => ram.getBigUint64(stack.gpa + Number(rsp - stack.address) + index * 8, true);
  return {
    vector: Number(at(0)),
    errorCode: Number(at(1) & 0xffff_ffffn),
    rip: at(2),
    cs: Number(at(3) & 0xffffn),
    rflags: Number(at(4)),
    rsp: at(5),
    ss: Number(at(6) & 0xffffn),
  };
}
