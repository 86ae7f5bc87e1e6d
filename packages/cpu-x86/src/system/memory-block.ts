// Many bytes at once, for instructions whose operand is an area: one page walk a page instead of one a word.
import { ACCESS_READ, ACCESS_WRITE } from "@tsvm/mmu";
import { elementAddress } from "../segments/element-address.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { isOperandCanonical } from "./save-area.ts";

const PAGE = 4096;
/** The bounce buffer's size: what is moved at a time where plain stores are not allowed. */
const CHUNK = 64;

/**
 * Writes `bytes` (at most a page) to a linear address; either all of them or, if that faults, none.
 * @param access ACCESS_USER or ACCESS_AC, or 0. @returns false: exception pending.
 */
export function writeBlock(cpu: Cpu, linear: bigint, bytes: Uint8Array, access: number): boolean {
  if (!reachBlock(cpu, linear, bytes.length, access | ACCESS_WRITE)) return false;
  const head = headLength(linear, bytes.length);
  storeAt(cpu, firstGpa, bytes, 0, head);
  if (head < bytes.length) storeAt(cpu, secondGpa, bytes, head, bytes.length);
  return true;
}

/** Reads `into.length` bytes (at most a page). @returns false: exception pending, `into` unchanged. */
export function readBlock(cpu: Cpu, linear: bigint, into: Uint8Array, access: number): boolean {
  if (!reachBlock(cpu, linear, into.length, access | ACCESS_READ)) return false;
  const head = headLength(linear, into.length);
  loadFrom(cpu, firstGpa, into, 0, head);
  if (head < into.length) loadFrom(cpu, secondGpa, into, head, into.length);
  return true;
}

const line = new Uint8Array(CHUNK);

/** MOVDIR64B: 64 bytes at once. Arguments: linear address of the source, offset in ES. SDM vol. 2B, MOVDIR64B. */
export function movdir64b(cpu: Cpu): HelperResult {
  const to = elementAddress(cpu, SEGMENT.es, cpu.arg64(1), CHUNK, "Write");
  if (to === undefined) return HELPER.fault;
  if ((to & 63n) !== 0n) return cpu.raise("GP", 0);
  const moved = readBlock(cpu, cpu.arg64(0), line, cpu.explicitAccess) && writeBlock(cpu, to, line, cpu.explicitAccess);
  return moved ? HELPER.next : HELPER.fault;
}

/** Guest physical addresses of the block's first byte and of its second page; valid after `reachBlock`. */
let firstGpa = 0;
let secondGpa = 0;

function reachBlock(cpu: Cpu, linear: bigint, length: number, access: number): boolean {
  if (!isOperandCanonical(cpu, Number(BigInt.asIntN(32, linear >> 32n)), SEGMENT.ds)) return false;
  if (!cpu.linear.probe(linear, length, access)) return false;
  secondGpa = cpu.walker.gfn * PAGE;
  // A crossing probe leaves the second page in the walker; the first is walked again, and cannot fault any more.
  if (headLength(linear, length) < length) cpu.linear.probe(linear, 1, access);
  firstGpa = cpu.walker.gfn * PAGE + Number(linear & 0xfffn);
  return true;
}

function headLength(linear: bigint, length: number): number {
  return Math.min(length, PAGE - Number(linear & 0xfffn));
}

function storeAt(cpu: Cpu, gpa: number, bytes: Uint8Array, from: number, to: number): void {
  const { physical } = cpu.host;
  const hva = physical.writableFrame(Math.floor(gpa / PAGE));
  if (hva >= 0) {
    cpu.u8.set(bytes.subarray(from, to), hva + (gpa % PAGE));
    return;
  }
  for (let at = from; at < to; at += CHUNK) {
    const size = Math.min(CHUNK, to - at);
    cpu.u8.set(bytes.subarray(at, at + size), AT.bounce);
    physical.store(gpa + at - from, size, AT.bounce);
  }
}

function loadFrom(cpu: Cpu, gpa: number, into: Uint8Array, from: number, to: number): void {
  const { physical } = cpu.host;
  const hva = physical.readableFrame(Math.floor(gpa / PAGE));
  if (hva >= 0) {
    const at = hva + (gpa % PAGE);
    into.set(cpu.u8.subarray(at, at + to - from), from);
    return;
  }
  for (let at = from; at < to; at += CHUNK) {
    const size = Math.min(CHUNK, to - at);
    physical.load(gpa + at - from, size, AT.bounce);
    into.set(cpu.u8.subarray(AT.bounce, AT.bounce + size), at);
  }
}
