// Vectors whose elements are moved one by one: masked moves and gathers. SDM vol. 2C, VMASKMOV, VPMASKMOV, VGATHERDPS.
//
// Elements whose mask is clear are not accessed at all. A masked store either happens or faults, whole. A gather may fault
// in the middle: elements that are done are in the destination and their masks are clear, so that it goes on from there.
import { ACCESS_WRITE } from "@tsvm/mmu";
import { elementAddress } from "../segments/element-address.ts";
import { FLOAT_SLOT } from "../sse/float-helper.ts";
import { type Cpu, HELPER, type HelperResult } from "../state/cpu.ts";
import { AT } from "../state/layout.ts";

/** Arguments of masked moves: offset, segment, bitmap of the elements, bytes of an element. */
interface MaskedMove {
  readonly linear: readonly (bigint | undefined)[];
  readonly bytes: 4 | 8;
}

/** Where each chosen element is; undefined: an exception is pending. */
function locate(cpu: Cpu, access: "Read" | "Write"): MaskedMove | undefined {
  const [offset, segment, mask] = [cpu.arg64(0), cpu.arg32(1), cpu.arg32(2)];
  const bytes = cpu.arg32(3) as 4 | 8;
  const linear: (bigint | undefined)[] = [];
  for (let i = 0; mask >>> i !== 0; i++) {
    if (((mask >>> i) & 1) === 0) {
      linear.push(undefined);
      continue;
    }
    const at = elementAddress(cpu, segment, BigInt.asUintN(64, offset + BigInt(i * bytes)), bytes, access);
    if (at === undefined) return undefined;
    linear.push(at);
  }
  return { linear, bytes };
}

/** Loads the chosen elements into the result slot; the others are 0. */
export function maskedLoad(cpu: Cpu): HelperResult {
  const move = locate(cpu, "Read");
  if (move === undefined) return HELPER.fault;
  const result = AT.helperArgs + FLOAT_SLOT.result;
  cpu.u8.fill(0, result, result + 32);
  for (const [i, linear] of move.linear.entries()) {
    if (linear === undefined) continue;
    readElement(cpu, linear, move.bytes, result + i * move.bytes);
    if (cpu.faulted) return HELPER.fault;
  }
  return HELPER.next;
}

/** Stores the chosen elements of the first operand slot. */
export function maskedStore(cpu: Cpu): HelperResult {
  const move = locate(cpu, "Write");
  if (move === undefined) return HELPER.fault;
  const { bytes } = move;
  const access = cpu.explicitAccess;
  for (const linear of move.linear) {
    if (linear !== undefined && !cpu.linear.probe(linear, bytes, access | ACCESS_WRITE)) return HELPER.fault;
  }
  for (const [i, linear] of move.linear.entries()) {
    if (linear === undefined) continue;
    const from = AT.helperArgs + FLOAT_SLOT.x + i * bytes;
    if (bytes === 8) cpu.linear.write64(linear, cpu.view.getBigUint64(from, true), access);
    else cpu.linear.write(linear, 4, cpu.view.getUint32(from, true), access);
  }
  return HELPER.next;
}

function readElement(cpu: Cpu, linear: bigint, bytes: number, to: number): void {
  if (bytes === 8) {
    const value = cpu.linear.read64(linear, cpu.explicitAccess);
    if (!cpu.faulted) cpu.view.setBigUint64(to, value, true);
    return;
  }
  const value = cpu.linear.read(linear, 4, cpu.explicitAccess);
  if (!cpu.faulted) cpu.view.setUint32(to, value, true);
}

/** What a gather's second argument says: bytes of an index and of an element, how many elements, bits of an address. */
export const describeGather = (indexBytes: 4 | 8, bytes: 4 | 8, count: number, addressBits: 32 | 64): number =>
  indexBytes | (bytes << 8) | (count << 16) | (addressBits << 24);

/**
 * Gathers. Arguments: base and displacement, {@link describeGather}, segment, scale, then byte offsets of destination,
 * index and mask in the vector file. At a fault the masks of later elements are as they were, which is AMD's way; the
 * manual has them all ones or zeros by then.
 */
export function gather(cpu: Cpu): HelperResult {
  const description = cpu.arg32(1);
  const bytes = ((description >> 8) & 0xff) as 4 | 8;
  const count = (description >> 16) & 0xff;
  const [destination, index, mask] = [cpu.arg32(4), cpu.arg32(5), cpu.arg32(6)];
  if (destination === index || index === mask || destination === mask) return cpu.raise("UD");
  for (let i = 0; i < count; i++) {
    const maskAt = AT.zmm + mask + i * bytes;
    if ((cpu.u8[maskAt + bytes - 1] as number) >= 0x80) {
      const linear = gatherAddress(cpu, description, AT.zmm + index, i);
      if (linear === undefined) return HELPER.fault;
      readElement(cpu, linear, bytes, AT.zmm + destination + i * bytes);
      if (cpu.faulted) return HELPER.fault;
    }
    cpu.u8.fill(0, maskAt, maskAt + bytes);
  }
  cpu.u8.fill(0, AT.zmm + mask, AT.zmm + mask + 32);
  // Bits above the elements are cleared.
  cpu.u8.fill(0, AT.zmm + destination + count * bytes, AT.zmm + destination + 32);
  return HELPER.next;
}

function gatherAddress(cpu: Cpu, description: number, indices: number, i: number): bigint | undefined {
  const { view } = cpu;
  const wide = (description & 0xff) === 8;
  const index = wide ? view.getBigInt64(indices + i * 8, true) : BigInt(view.getInt32(indices + i * 4, true));
  const offset = BigInt.asUintN(description >>> 24, cpu.arg64(0) + (index << BigInt(cpu.arg32(3))));
  return elementAddress(cpu, cpu.arg32(2), offset, (description >> 8) & 0xff, "Read");
}
