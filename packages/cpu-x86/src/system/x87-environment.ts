// FNSTENV FLDENV FNSAVE FRSTOR. SDM vol. 2A, the instruction of each name; vol. 1, "x87 FPU State Storage Formats".
import { EXCEPTIONS, FCW, FSW, TOP_SHIFT } from "../softfloat/status-word.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, ELEMENT_SIZE } from "../state/layout.ts";
import { XSTATE } from "../state/xstate.ts";
import { readBlock, writeBlock } from "./memory-block.ts";

/** Words of the environment, of 16 or 32 bits by the operand size. */
const ENVIRONMENT_WORDS = 7;
/** Bytes of one register behind the environment. */
const REGISTER_BYTES = 10;
/** Tag word: two bits for each physical register. */
const TAG = { valid: 0, zero: 1, special: 2, empty: 3 } as const;
/** Upper halves of 32-bit words that hold 16 bits. */
const UNUSED = 0xffff_0000;

/** An image on its way to or from memory; one instruction at a time. */
const image = new Uint8Array(4 * ENVIRONMENT_WORDS + 8 * REGISTER_BYTES);
const view = new DataView(image.buffer);

/** Bytes of the environment at an operand size in bits. */
export const environmentBytes = (opsize: number): number => (ENVIRONMENT_WORDS * (opsize === 16 ? 16 : 32)) / 8;
/** Bytes of the environment and the registers. */
export const saveBytes = (opsize: number): number => environmentBytes(opsize) + 8 * REGISTER_BYTES;

/** FNSTENV. Arguments: linear address, operand size. All exceptions are masked afterwards. */
export function fnstenv(cpu: Cpu): HelperResult {
  const opsize = cpu.arg32(1);
  writeEnvironment(cpu, opsize);
  if (!writeBlock(cpu, cpu.arg64(0), image.subarray(0, environmentBytes(opsize)), cpu.explicitAccess))
    return HELPER.fault;
  setControl(cpu, cpu.get32(AT.fpuControl) | EXCEPTIONS);
  return HELPER.next;
}

/** FLDENV. Arguments: linear address, operand size. */
export function fldenv(cpu: Cpu): HelperResult {
  const opsize = cpu.arg32(1);
  if (!readBlock(cpu, cpu.arg64(0), image.subarray(0, environmentBytes(opsize)), cpu.explicitAccess))
    return HELPER.fault;
  readEnvironment(cpu, opsize);
  return HELPER.next;
}

/** FNSAVE. Arguments: linear address, operand size. The x87 is as after FNINIT afterwards. */
export function fnsave(cpu: Cpu): HelperResult {
  const opsize = cpu.arg32(1);
  writeEnvironment(cpu, opsize);
  for (let i = 0; i < 8; i++) {
    const from = registerAt(cpu, i);
    image.set(cpu.u8.subarray(from, from + REGISTER_BYTES), environmentBytes(opsize) + i * REGISTER_BYTES);
  }
  if (!writeBlock(cpu, cpu.arg64(0), image.subarray(0, saveBytes(opsize)), cpu.explicitAccess)) return HELPER.fault;
  cpu.xstate.initializeState(0, XSTATE.X87, 0);
  return HELPER.next;
}

/** FRSTOR. Arguments: linear address, operand size. */
export function frstor(cpu: Cpu): HelperResult {
  const opsize = cpu.arg32(1);
  if (!readBlock(cpu, cpu.arg64(0), image.subarray(0, saveBytes(opsize)), cpu.explicitAccess)) return HELPER.fault;
  readEnvironment(cpu, opsize);
  for (let i = 0; i < 8; i++) {
    const at = environmentBytes(opsize) + i * REGISTER_BYTES;
    cpu.u8.set(image.subarray(at, at + REGISTER_BYTES), registerAt(cpu, i));
  }
  return HELPER.next;
}

/** Address of ST(i). */
function registerAt(cpu: Cpu, i: number): number {
  const top = (cpu.get32(AT.fpuStatus) & FSW.TOP) >> TOP_SHIFT;
  return AT.fpr + ((top + i) & 7) * ELEMENT_SIZE.fpr;
}

/** Sets the control word, and ES and B by what it leaves unmasked. */
function setControl(cpu: Cpu, value: number): void {
  const control = (value & FCW.EXISTING) | FCW.ALWAYS_SET;
  const status = cpu.get32(AT.fpuStatus) & ~(FSW.ES | FSW.B);
  const pending = (status & ~control & EXCEPTIONS) !== 0;
  cpu.set32(AT.fpuControl, control);
  cpu.set32(AT.fpuStatus, pending ? status | FSW.ES | FSW.B : status);
}

/** Real-address and virtual-8086 mode save linear addresses of 20 or 32 bits, and the opcode beside the first. */
const savesLinear = (cpu: Cpu): boolean => !cpu.protectedMode || cpu.vm86;
const OPCODE = 0x7ff;

function writeEnvironment(cpu: Cpu, opsize: number): void {
  const words: number[] = [
    UNUSED | cpu.get32(AT.fpuControl),
    UNUSED | cpu.get32(AT.fpuStatus),
    UNUSED | tagWord(cpu),
    ...(savesLinear(cpu) ? linearWords(cpu) : selectorWords(cpu)),
  ];
  words.forEach((word, i) => {
    if (opsize === 16) view.setUint16(i * 2, word, true);
    else view.setUint32(i * 4, word, true);
  });
}

/** Offset, selector and opcode of the instruction, offset and selector of its operand. */
function selectorWords(cpu: Cpu): number[] {
  const code = (cpu.get32(AT.fpuOpcode) << 16) | cpu.get32(AT.fpuCs);
  return [cpu.low(AT.fpuIp), code, cpu.low(AT.fpuDp), UNUSED | cpu.get32(AT.fpuDs)];
}

/** Bits 15:0 of an address in one word, the others from bit 12 of the next; with 16-bit words four of them fit. */
function linearWords(cpu: Cpu): number[] {
  const instruction = cpu.low(AT.fpuIp) + (cpu.get32(AT.fpuCs) << 4);
  const data = cpu.low(AT.fpuDp) + (cpu.get32(AT.fpuDs) << 4);
  const upper = (address: number): number => (address >>> 16) << 12;
  return [UNUSED | instruction, upper(instruction) | cpu.get32(AT.fpuOpcode), UNUSED | data, upper(data)];
}

function readEnvironment(cpu: Cpu, opsize: number): void {
  const word = (i: number): number => (opsize === 16 ? view.getUint16(i * 2, true) : view.getUint32(i * 4, true));
  cpu.set32(AT.fpuStatus, word(1) & 0xffff);
  setControl(cpu, word(0) & 0xffff);
  let tag = 0;
  for (let i = 0; i < 8; i++) if (((word(2) >> (2 * i)) & 3) !== TAG.empty) tag |= 1 << i;
  cpu.set32(AT.fpuTag, tag);
  const linear = savesLinear(cpu);
  // A linear address comes back as an offset from selector 0, which makes the same address again.
  cpu.setLow(AT.fpuIp, linear ? linearFrom(word(3), word(4)) : word(3));
  cpu.setLow(AT.fpuDp, linear ? linearFrom(word(5), word(6)) : word(5));
  cpu.set32(AT.fpuCs, linear ? 0 : word(4) & 0xffff);
  cpu.set32(AT.fpuDs, linear ? 0 : word(6) & 0xffff);
  // In protected mode the 16-bit format has no room for the opcode.
  cpu.set32(AT.fpuOpcode, linear ? word(4) & OPCODE : (word(4) >>> 16) & OPCODE);
}

const linearFrom = (lower: number, upper: number): number => ((lower & 0xffff) | ((upper >>> 12) << 16)) >>> 0;

/** The full tag word, which says what is in the registers. SDM vol. 1, "x87 FPU Tag Word". */
function tagWord(cpu: Cpu): number {
  const present = cpu.get32(AT.fpuTag);
  let word = 0;
  for (let i = 7; i >= 0; i--) word = (word << 2) | ((present & (1 << i)) !== 0 ? tagOf(cpu, i) : TAG.empty);
  return word;
}

/** The tag of a physical register that is not empty. */
function tagOf(cpu: Cpu, register: number): number {
  const at = AT.fpr + register * ELEMENT_SIZE.fpr;
  const exponent = cpu.view.getUint16(at + 8, true) & 0x7fff;
  const high = cpu.view.getUint32(at + 4, true);
  if (exponent === 0) return (cpu.view.getUint32(at, true) | high) === 0 ? TAG.zero : TAG.special;
  return exponent === 0x7fff || high < 0x8000_0000 ? TAG.special : TAG.valid;
}
