// VMASKMOVPS VMASKMOVPD VPMASKMOVD VPMASKMOVQ and the gathers. SDM vol. 2C. They move element by element, in
// system/vector-memory.ts.
import type { Val } from "@tsvm/tcg";
import type { Operand } from "../emit/operands.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { FLOAT_SLOT } from "../sse/float-helper.ts";
import { describeGather } from "../system/vector-memory.ts";
import { putSlow, slowResult } from "./float-lanes.ts";
import { type Row, type RowOptions, row, type Semantics } from "./row.ts";
import { LANE_BITS } from "./vector-lanes.ts";

type Elements = "i32x4" | "i64x2";

/** One bit an element, its sign. */
function signs(b: X86Builder, lanes: Elements, mask: Operand): Val {
  const [low, high] = mask.loadLanes().map((lane) => b.bool(b.op(`${lanes}.bitmask`, lane)));
  return high === undefined ? (low as Val) : b.or(low as Val, b.shl(high, b.const(128 / LANE_BITS[lanes])));
}

const bytesOf = (b: X86Builder, lanes: Elements): Val => b.const(LANE_BITS[lanes] / 8);

const load =
  (lanes: Elements): Semantics =>
  (b, dst, mask, memory) => {
    b.helper("maskedLoad", memory!.address(), b.fields.segment(), signs(b, lanes, mask!), bytesOf(b, lanes));
    dst!.storeLanes(slowResult(b, dst!.lanes));
  };

const store =
  (lanes: Elements): Semantics =>
  (b, memory, mask, src) => {
    putSlow(b, FLOAT_SLOT.x, src!.loadLanes());
    b.helper("maskedStore", memory!.address(), b.fields.segment(), signs(b, lanes, mask!), bytesOf(b, lanes));
  };

const AVX: RowOptions = { fpu: "avx", cpuid: "avx", protectedOnly: true, offsetOnly: true };
const AVX2: RowOptions = { ...AVX, cpuid: "avx2" };

function maskedMoves(into: string, from: string, w: 0 | 1, name: string, lanes: Elements, options: RowOptions): Row[] {
  return ([128, 256] as const).flatMap((length) => [
    row(`VEX.${length}.66.0F38.W${w} ${into} /r`, name, ["Vx", "Hx", "Mx"], load(lanes), options),
    row(`VEX.${length}.66.0F38.W${w} ${from} /r`, name, ["Mx", "Hx", "Vx"], store(lanes), options),
  ]);
}

/** The index is a vector register: there is no 16-bit address form of it. */
const gather =
  (indexBytes: 4 | 8, bytes: 4 | 8, count: number): Semantics =>
  (b, dst, memory, mask) => {
    const { asize } = b.shape;
    if (asize === 16) return b.raise("UD");
    const { fields } = b;
    const origin = b.add(b.gpr(64, fields.base()), fields.displacement());
    const description = b.const(describeGather(indexBytes, bytes, count, asize));
    void memory;
    const registers = [dst!.register(), fields.index(), mask!.register()];
    b.helper("gather", origin, description, fields.segment(), fields.scale(), ...registers);
  };

/** As many elements as indices and places are there for. */
function gathers(opcode: string, w: 0 | 1, name: string, indexBytes: 4 | 8): Row[] {
  const bytes = w === 0 ? 4 : 8;
  return ([128, 256] as const).map((length) => {
    const count = length / 8 / Math.max(indexBytes, bytes);
    return row(
      `VEX.${length}.66.0F38.W${w} ${opcode} /r`,
      name,
      ["Vx", w === 0 ? "Md" : "Mq", "Hx"],
      gather(indexBytes, bytes, count),
      { fpu: "avx", cpuid: "avx2", protectedOnly: true, vsib: true, asize: true },
    );
  });
}

export const rows: readonly Row[] = [
  ...maskedMoves("2C", "2E", 0, "VMASKMOVPS", "i32x4", AVX),
  ...maskedMoves("2D", "2F", 0, "VMASKMOVPD", "i64x2", AVX),
  ...maskedMoves("8C", "8E", 0, "VPMASKMOVD", "i32x4", AVX2),
  ...maskedMoves("8C", "8E", 1, "VPMASKMOVQ", "i64x2", AVX2),
  ...gathers("90", 0, "VPGATHERDD", 4),
  ...gathers("90", 1, "VPGATHERDQ", 4),
  ...gathers("91", 0, "VPGATHERQD", 8),
  ...gathers("91", 1, "VPGATHERQQ", 8),
  ...gathers("92", 0, "VGATHERDPS", 4),
  ...gathers("92", 1, "VGATHERDPD", 4),
  ...gathers("93", 0, "VGATHERQPS", 8),
  ...gathers("93", 1, "VGATHERQPD", 8),
];
