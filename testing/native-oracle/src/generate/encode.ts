import type { Draft } from "./draft.ts";

const REX = 0x40;
/** Longest legal instruction. SDM vol. 2A, "Instruction Prefixes". */
export const MAX_INSTRUCTION_BYTES = 15;

/** The instruction's bytes; RIP-relative displacements are fixed up to the draft's code address. */
export function encode(draft: Draft): Uint8Array {
  const head = [...draft.prefixes, ...(draft.vex ? vexPrefix(draft) : rexPrefix(draft)), ...draft.opcode];
  if (draft.modrm) head.push((draft.modrm.mod << 6) | (draft.modrm.reg << 3) | draft.modrm.rm);
  if (draft.sib) head.push((draft.sib.scale << 6) | (draft.sib.index << 3) | draft.sib.base);
  const fields = draft.displacement ? [draft.displacement, ...draft.immediates] : draft.immediates;
  const length = head.length + fields.reduce((sum, field) => sum + field.bytes, 0);
  if (draft.displacement && draft.ripTarget !== undefined) {
    draft.displacement.value = draft.ripTarget - BigInt(draft.codeAddress + length);
  }
  const tail = fields.flatMap(({ bytes, value }) =>
    Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn)),
  );
  return Uint8Array.from([...head, ...tail]);
}

function rexPrefix({ rex }: Draft): readonly number[] {
  const bits = (rex.w ? 8 : 0) | (rex.r ? 4 : 0) | (rex.x ? 2 : 0) | (rex.b ? 1 : 0);
  return bits !== 0 || rex.forced ? [REX | bits] : [];
}

/** R, X, B and vvvv are inverted. SDM vol. 2A, "VEX Prefix". */
function vexPrefix({ vex, rex }: Draft): readonly number[] {
  const { l, pp, map, register, short } = vex as NonNullable<Draft["vex"]>;
  const rest = ((~register & 15) << 3) | (l << 2) | pp;
  const r = rex.r ? 0 : 0x80;
  if (short && map === 1 && !rex.x && !rex.b && !rex.w) return [0xc5, r | rest];
  return [0xc4, r | (rex.x ? 0 : 0x40) | (rex.b ? 0 : 0x20) | map, (rex.w ? 0x80 : 0) | rest];
}

/** Bytes the draft will encode to. */
export function encodedLength(draft: Draft): number {
  return encode(draft).length;
}
