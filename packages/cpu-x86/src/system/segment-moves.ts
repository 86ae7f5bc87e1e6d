// MOV and POP to segment registers, LDS and its relatives. SDM vol. 2, "MOV-Move", "POP", "LDS/LES/LFS/LGS/LSS".
import { loadSegment } from "../segments/load.ts";
import { FLAG, SEG } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { GPR, SEGMENT } from "../state/layout.ts";

/** Value of `interruptShadow` after a load of SS by MOV or POP. */
const SHADOW_SS = 2;

/** MOV Sreg, r/m. Arguments: SEGMENT, selector. */
export function movToSegment(cpu: Cpu): HelperResult {
  const segment = cpu.arg32(0);
  if (segment === SEGMENT.cs || segment > SEGMENT.gs) return cpu.raise("UD");
  const mode = cpu.get32("mode");
  if (!loadSegment(cpu, segment, cpu.arg32(1) & 0xffff)) return HELPER.fault;
  return afterLoad(cpu, segment, mode);
}

/** POP Sreg. Arguments: SEGMENT, selector popped, bytes to add to the stack pointer. */
export function popSegment(cpu: Cpu): HelperResult {
  const [segment, bytes] = [cpu.arg32(0), cpu.arg64(2)];
  const mask = stackMask(cpu);
  const rsp = cpu.gpr64(GPR.rsp);
  const mode = cpu.get32("mode");
  if (!loadSegment(cpu, segment, cpu.arg32(1) & 0xffff)) return HELPER.fault;
  // The width of the stack pointer is the old stack's.
  const popped = (rsp + bytes) & mask;
  cpu.rsp = mask === 0xffffn ? (rsp & ~mask) | popped : popped;
  return afterLoad(cpu, segment, mode);
}

function stackMask(cpu: Cpu): bigint {
  if (cpu.code64) return 0xffff_ffff_ffff_ffffn;
  return (cpu.get32("segAttributes", SEGMENT.ss) & SEG.DB) !== 0 ? 0xffff_ffffn : 0xffffn;
}

/** LDS LES LFS LGS LSS. Arguments: SEGMENT, selector, byte offset of the register, offset, operand size in bits. */
export function loadFarPointer(cpu: Cpu): HelperResult {
  const [segment, register, offset] = [cpu.arg32(0), cpu.arg32(2) >> 3, cpu.arg64(3)];
  const mode = cpu.get32("mode");
  if (!loadSegment(cpu, segment, cpu.arg32(1) & 0xffff)) return HELPER.fault;
  const opsize = cpu.arg32(4);
  if (opsize === 16) cpu.setGpr64(register, (cpu.gpr64(register) & ~0xffffn) | (offset & 0xffffn));
  else cpu.setGpr64(register, opsize === 32 ? offset & 0xffff_ffffn : offset);
  return cpu.get32("mode") === mode ? HELPER.next : HELPER.jump;
}

/** The shadow of an SS load matters only if something could come in; the run loop then executes one instruction. */
function afterLoad(cpu: Cpu, segment: number, mode: number): HelperResult {
  if (segment === SEGMENT.ss && (cpu.get32("rflags") & (FLAG.IF | FLAG.TF)) !== 0) {
    cpu.set32("interruptShadow", SHADOW_SS);
    return HELPER.exit;
  }
  return cpu.get32("mode") === mode ? HELPER.next : HELPER.jump;
}
