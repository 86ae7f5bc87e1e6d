// MOV and POP to segment registers, LDS and its relatives. SDM vol. 2, "MOV-Move", "POP", "LDS/LES/LFS/LGS/LSS".
import { loadSegment } from "../segments/load.ts";
import { releaseStack } from "../segments/stack.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT, SEGMENT } from "../state/layout.ts";

/** Value of `interruptShadow` after a load of SS by MOV or POP. */
const SHADOW_SS = 2;

/** MOV Sreg, r/m. Arguments: SEGMENT, selector. */
export function movToSegment(cpu: Cpu): HelperResult {
  const segment = cpu.arg32(0);
  const mode = cpu.get32(AT.mode);
  if (!loadSegment(cpu, segment, cpu.arg32(1) & 0xffff)) return HELPER.fault;
  return afterLoad(cpu, segment, mode);
}

/** POP Sreg. Arguments: SEGMENT, selector on the stack, bytes to add to the stack pointer. */
export function popSegment(cpu: Cpu): HelperResult {
  const segment = cpu.arg32(0);
  const mode = cpu.get32(AT.mode);
  const rsp = cpu.rsp;
  // The width of the stack pointer is that of the old stack.
  releaseStack(cpu, cpu.arg32(2));
  if (!loadSegment(cpu, segment, cpu.arg32(1) & 0xffff)) {
    cpu.rsp = rsp;
    return HELPER.fault;
  }
  return afterLoad(cpu, segment, mode);
}

/** LDS LES LFS LGS LSS. Arguments: SEGMENT, selector, byte offset of the register, offset, operand size in bits. */
export function loadFarPointer(cpu: Cpu): HelperResult {
  const [segment, register, offset] = [cpu.arg32(0), cpu.arg32(2) >> 3, cpu.arg64(3)];
  const mode = cpu.get32(AT.mode);
  if (!loadSegment(cpu, segment, cpu.arg32(1) & 0xffff)) return HELPER.fault;
  const opsize = cpu.arg32(4);
  if (opsize === 16) cpu.setGpr64(register, (cpu.gpr64(register) & ~0xffffn) | (offset & 0xffffn));
  else cpu.setGpr64(register, opsize === 32 ? offset & 0xffff_ffffn : offset);
  return cpu.get32(AT.mode) === mode ? HELPER.next : HELPER.jump;
}

/** Nothing may come in between a load of SS and the next instruction, which the run loop executes by itself. */
function afterLoad(cpu: Cpu, segment: number, mode: number): HelperResult {
  if (segment === SEGMENT.ss) {
    cpu.set32(AT.interruptShadow, SHADOW_SS);
    return HELPER.exit;
  }
  return cpu.get32(AT.mode) === mode ? HELPER.next : HELPER.jump;
}
