// IN OUT INS OUTS. SDM vol. 2, the instruction of each name; vol. 1, "I/O Permission Bit Map".
import { ACCESS_WRITE } from "@tsvm/mmu";
import { TYPE_32 } from "../segments/descriptor.ts";
import { elementAddress } from "../segments/element-address.ts";
import { IMPLICIT } from "../segments/tables.ts";
import { FLAG, IOPL_SHIFT, SEG } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, ELEMENT_SIZE, GPR, SEGMENT } from "../state/layout.ts";

type PortSize = 1 | 2 | 4;

/** Guests poll ports: its lower parts are written where they are, without a bigint. */
const RAX = AT.gpr + GPR.rax * ELEMENT_SIZE.gpr;
/** Offset of the bit map's address in a 32- or 64-bit TSS. */
const IO_MAP_BASE = 102;
const TSS_MINIMUM_LIMIT = 0x67;

/** Whether the program may use `size` ports from `port` on. @returns false: #GP(0) (or a page fault) is pending. */
export function checkIoPermission(cpu: Cpu, port: number, size: PortSize): boolean {
  const flags = cpu.get32(AT.rflags);
  const iopl = (flags >>> IOPL_SHIFT) & 3;
  if (!cpu.protectedMode || ((flags & FLAG.VM) === 0 && cpu.cpl <= iopl)) return true;
  const allowed = bitmapAllows(cpu, port, size);
  if (!allowed) cpu.raise("GP", 0);
  return allowed;
}

function bitmapAllows(cpu: Cpu, port: number, size: PortSize): boolean {
  const attributes = cpu.get32(AT.segAttributes, SEGMENT.tr);
  const limit = cpu.get32(AT.segLimit, SEGMENT.tr);
  if ((attributes & SEG.UNUSABLE) !== 0 || (attributes & TYPE_32) === 0 || limit < TSS_MINIMUM_LIMIT) return false;
  const base = cpu.get64(AT.segBase, SEGMENT.tr);
  const offset = cpu.linear.read(base + BigInt(IO_MAP_BASE), 2, IMPLICIT) + (port >> 3);
  // Two bytes are read always, since the ports may straddle a byte.
  if (cpu.faulted || offset + 1 > limit) return false;
  const bits = cpu.linear.read(base + BigInt(offset), 2, IMPLICIT) >> (port & 7);
  return !cpu.faulted && (bits & ((1 << size) - 1)) === 0;
}

/** IN. Arguments: port, size in bytes. The result goes to AL, AX or EAX. */
export function portIn(cpu: Cpu): HelperResult {
  const [port, size] = [cpu.arg32(0) & 0xffff, cpu.arg32(1) as PortSize];
  if (!checkIoPermission(cpu, port, size)) return HELPER.fault;
  const value = cpu.host.portIn(port, size) >>> 0;
  if (size === 4) cpu.setGpr32(GPR.rax, value);
  else if (size === 2) cpu.view.setUint16(RAX, value, true);
  else cpu.u8[RAX] = value;
  return HELPER.next;
}

/** OUT. Arguments: port, size in bytes. The value is AL, AX or EAX. */
export function portOut(cpu: Cpu): HelperResult {
  const [port, size] = [cpu.arg32(0) & 0xffff, cpu.arg32(1) as PortSize];
  if (!checkIoPermission(cpu, port, size)) return HELPER.fault;
  const value = cpu.gpr32(GPR.rax);
  cpu.host.portOut(port, size, size === 4 ? value : value & (size === 1 ? 0xff : 0xffff));
  // A device can end the machine by this, or put it to sleep: no instruction comes behind that.
  return (cpu.i32[AT.fuel >> 2] as number) <= 0 ? HELPER.exit : HELPER.next;
}

/** Elements moved before interrupts get a chance. */
const BATCH = 256;

/** One INS or OUTS, as its helper's arguments say. */
interface StringTransfer {
  readonly size: PortSize;
  /** Bits of rSI, rDI and rCX. */
  readonly mask: bigint;
  readonly repeated: boolean;
  readonly segment: number;
}

/**
 * INS. Arguments: size in bytes, address size in bits, whether it is repeated (0, 1), length of the instruction in
 * bytes, segment (ES).
 */
export function portInString(cpu: Cpu): HelperResult {
  return moveString(cpu, (transfer) => inElement(cpu, transfer));
}

/** OUTS. Arguments as INS; the segment may be overridden. */
export function portOutString(cpu: Cpu): HelperResult {
  return moveString(cpu, (transfer) => outElement(cpu, transfer));
}

/** Every element is committed by itself, so that a fault or an interrupt finds the registers as they are then. */
function moveString(cpu: Cpu, element: (transfer: StringTransfer) => boolean): HelperResult {
  const addressSize = cpu.arg32(1);
  const transfer: StringTransfer = {
    size: cpu.arg32(0) as PortSize,
    mask: (1n << BigInt(addressSize)) - 1n,
    repeated: cpu.arg32(2) !== 0,
    segment: cpu.arg32(4),
  };
  if (!checkIoPermission(cpu, cpu.gpr32(GPR.rdx) & 0xffff, transfer.size)) return HELPER.fault;
  if (!transfer.repeated) return element(transfer) ? HELPER.next : HELPER.fault;
  const { mask } = transfer;
  for (let i = 0; i < BATCH; i++) {
    const count = cpu.gpr64(GPR.rcx) & mask;
    if (count === 0n) return HELPER.next;
    if (!element(transfer)) return HELPER.fault;
    setIndex(cpu, GPR.rcx, count - 1n, mask);
  }
  // Not finished: the instruction is executed again.
  cpu.rip -= cpu.arg64(3);
  return HELPER.jump;
}

function inElement(cpu: Cpu, { size, mask, segment }: StringTransfer): boolean {
  const index = cpu.gpr64(GPR.rdi) & mask;
  const linear = elementAddress(cpu, segment, index, size, "Write");
  // The device must not be read if its datum has nowhere to go.
  if (linear === undefined || !cpu.linear.probe(linear, size, cpu.explicitAccess | ACCESS_WRITE)) return false;
  const value = cpu.host.portIn(cpu.gpr32(GPR.rdx) & 0xffff, size);
  cpu.linear.write(linear, size, value, cpu.explicitAccess);
  setIndex(cpu, GPR.rdi, index + step(cpu, size), mask);
  return true;
}

function outElement(cpu: Cpu, { size, mask, segment }: StringTransfer): boolean {
  const index = cpu.gpr64(GPR.rsi) & mask;
  const linear = elementAddress(cpu, segment, index, size, "Read");
  if (linear === undefined) return false;
  const value = cpu.linear.read(linear, size, cpu.explicitAccess);
  if (cpu.faulted) return false;
  cpu.host.portOut(cpu.gpr32(GPR.rdx) & 0xffff, size, value);
  setIndex(cpu, GPR.rsi, index + step(cpu, size), mask);
  return true;
}

function step(cpu: Cpu, size: PortSize): bigint {
  return BigInt((cpu.get32(AT.rflags) & FLAG.DF) !== 0 ? -size : size);
}

/** Writes rSI, rDI or rCX at the address size: 16 bits keep those above, 32 bits clear them. */
function setIndex(cpu: Cpu, register: number, value: bigint, mask: bigint): void {
  const cut = value & mask;
  cpu.setGpr64(register, mask === 0xffffn ? (cpu.gpr64(register) & ~mask) | cut : cut);
}
