/** MMX instructions behind VEX without a prefix of its own, which are none: an AMD EPYC has #UD, and so has SDM vol. 2 for want of an encoding. */
import { opcodeIndex } from "../prefixes.ts";

const range = (first: number, last: number): readonly number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
const [VEX2, VEX3] = [0xc5, 0xc4] as const;
const PP = 3;
/** By VEX.mmmmm: 0F, 0F38, 0F3A. */
const MMX: Readonly<Record<number, ReadonlySet<number>>> = {
  1: new Set([
    ...[...range(0x60, 0x6b), 0x6e, 0x6f, ...range(0x70, 0x76), 0x7e, 0x7f, 0xc4, 0xc5],
    ...[...range(0xd1, 0xd5), ...range(0xd7, 0xe5), ...range(0xe7, 0xef), ...range(0xf1, 0xfe)],
  ]),
  2: new Set([...range(0x00, 0x0b), ...range(0x1c, 0x1e)]),
  3: new Set([0x0f]),
};

/** @param isLong whether VEX needs no look at what LDS and LES have for ModRM. */
export function isMmxWithVex(bytes: Uint8Array, isLong: boolean): boolean {
  const at = opcodeIndex(bytes, isLong);
  if (at < 0) return false;
  const [lead = 0, first = 0, second = 0, third = 0] = bytes.subarray(at);
  if ((lead !== VEX2 && lead !== VEX3) || (!isLong && first < 0xc0)) return false;
  const [map, pp, opcode] = lead === VEX2 ? [1, first & PP, second] : [first & 0x1f, second & PP, third];
  return pp === 0 && MMX[map]?.has(opcode) === true;
}
