// LAR LSL VERR VERW ARPL: questions about selectors, answered in ZF. SDM vol. 2, the instruction of each name.
import {
  type Descriptor,
  dplOf,
  isConforming,
  isNull,
  isReadable,
  isSegment,
  isWritableData,
  SYSTEM_TYPE,
} from "../segments/descriptor.ts";
import { fetchDescriptor } from "../segments/tables.ts";
import { FLAG } from "../state/bits.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";

const LEGACY_LSL: readonly number[] = [
  SYSTEM_TYPE.tss16Available,
  SYSTEM_TYPE.ldt,
  SYSTEM_TYPE.tss16Busy,
  SYSTEM_TYPE.tss32Available,
  SYSTEM_TYPE.tss32Busy,
];
const LONG_LSL: readonly number[] = [SYSTEM_TYPE.ldt, SYSTEM_TYPE.tss32Available, SYSTEM_TYPE.tss32Busy];
/** System descriptor types that LAR and LSL know. */
const LAR_TYPES = {
  legacy: [...LEGACY_LSL, SYSTEM_TYPE.callGate16, SYSTEM_TYPE.taskGate, SYSTEM_TYPE.callGate32] as readonly number[],
  long: [...LONG_LSL, SYSTEM_TYPE.callGate32] as readonly number[],
} as const;
const LSL_TYPES = { legacy: LEGACY_LSL, long: LONG_LSL } as const;

/** LAR. Arguments: selector, byte offset of the destination register, operand size in bits. */
export function lar(cpu: Cpu): HelperResult {
  return inspect(cpu, LAR_TYPES, ({ high }) => high & 0xf0_ff00);
}

/** LSL. Arguments as LAR. */
export function lsl(cpu: Cpu): HelperResult {
  return inspect(cpu, LSL_TYPES, ({ limit }) => limit);
}

type Types = { readonly legacy: readonly number[]; readonly long: readonly number[] };

function inspect(cpu: Cpu, types: Types, answer: (descriptor: Descriptor) => number): HelperResult {
  const [selector, register, opsize] = [cpu.arg32(0) & 0xffff, cpu.arg32(1) >> 3, cpu.arg32(2)];
  if (!cpu.protectedMode || cpu.vm86) return cpu.raise("UD");
  const descriptor = visibleDescriptor(cpu, selector, cpu.longMode ? types.long : types.legacy);
  if (cpu.faulted) return HELPER.fault;
  cpu.setFlag(FLAG.ZF, descriptor !== undefined);
  if (descriptor === undefined) return HELPER.next;
  const value = answer(descriptor);
  if (opsize === 16) cpu.setGpr64(register, (cpu.gpr64(register) & ~0xffffn) | BigInt(value & 0xffff));
  else cpu.setGpr32(register, value);
  return HELPER.next;
}

/** The descriptor if the program may know of it. Presence does not matter. */
function visibleDescriptor(cpu: Cpu, selector: number, types: readonly number[]): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  const descriptor = fetchDescriptor(cpu, selector, undefined);
  if (descriptor === undefined) return undefined;
  const { attributes } = descriptor;
  const known = isSegment(attributes) || types.includes(attributes & 0xf);
  return known && isWithinPrivilege(cpu, selector, attributes) ? descriptor : undefined;
}

function isWithinPrivilege(cpu: Cpu, selector: number, attributes: number): boolean {
  return isConforming(attributes) || dplOf(attributes) >= Math.max(cpu.cpl, selector & 3);
}

/** VERR. Argument: selector. */
export function verr(cpu: Cpu): HelperResult {
  return verify(cpu, isReadable);
}

/** VERW. Argument: selector. */
export function verw(cpu: Cpu): HelperResult {
  return verify(cpu, isWritableData);
}

function verify(cpu: Cpu, allows: (attributes: number) => boolean): HelperResult {
  if (!cpu.protectedMode || cpu.vm86) return cpu.raise("UD");
  const selector = cpu.arg32(0) & 0xffff;
  const descriptor = visibleDescriptor(cpu, selector, []);
  if (cpu.faulted) return HELPER.fault;
  cpu.setFlag(FLAG.ZF, descriptor !== undefined && allows(descriptor.attributes));
  return HELPER.next;
}
