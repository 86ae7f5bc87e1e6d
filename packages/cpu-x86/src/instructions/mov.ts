// MOV MOVZX MOVSX MOVSXD LEA XCHG BSWAP CMOVcc CBW CWD XLAT MOVBE. SDM vol. 2, the instruction of each name.
import { loadUsualSegment } from "../emit/data-segments.ts";
import { effectiveAddress } from "../emit/operands.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { CONDITION_NAMES } from "./condition-names.ts";
import { type Row, row, type Semantics } from "./row.ts";

const mov: Semantics = (_b, dst, src) => dst!.store(src!.load());

/** An immediate narrower than the destination is sign-extended. */
const movImmediate: Semantics = (b, dst, src) => dst!.store(b.sext(src!.load(), src!.width));

const movsx: Semantics = (b, dst, src) => dst!.store(b.sext(src!.load(), src!.width));

/** The offset part of the address: no segment, no access. */
const lea: Semantics = (b, dst) => {
  const address = b.shape.form === "mea" ? b.state("effectiveAddress") : effectiveAddress(b);
  dst!.store(b.shape.form === "m32" ? b.zext(address, 32) : address);
};

/** With memory always locked. */
const xchg: Semantics = (_b, dst, src) => {
  const x = dst!.modify();
  const y = src!.load();
  dst!.store(y);
  src!.store(x);
};

/** With 16-bit operands the manual leaves the result undefined; processors give 0. */
const bswap: Semantics = (b, dst) => {
  if (b.shape.opsize === 16) b.setGpr(16, dst!.register(), b.const(0));
  else dst!.store(reverse(b, dst!.load(), b.shape.opsize));
};

const swapBytes =
  (width: 16 | 32 | 64): Semantics =>
  (b, dst, src) =>
    dst!.store(reverse(b, src!.load(), width));

/** The `width` / 8 low bytes in reverse order, by swapping ever larger halves. */
function reverse(b: Parameters<Semantics>[0], value: ReturnType<Parameters<Semantics>[0]["const"]>, width: number) {
  const swap = (v: typeof value, shift: number, mask: bigint): typeof value =>
    b.or(b.and(b.shr(v, b.const(shift)), b.const(mask)), b.shl(b.and(v, b.const(mask)), b.const(shift)));
  let v = swap(value, 8, 0x00ff00ff00ff00ffn);
  v = swap(v, 16, 0x0000ffff0000ffffn);
  v = b.op("i64.rotl", v, b.const(32));
  return b.shr(v, b.const(64 - width));
}

const cmov =
  (condition: number): Semantics =>
  (b, dst, src) => {
    // The source is read, and may fault, whether or not the condition holds; a 32-bit destination is cut either way.
    const value = src!.load();
    dst!.store(b.select(b.condition(condition), value, dst!.load()));
  };

/** CBW CWDE CDQE: the lower half of rAX sign-extended into the whole. */
const cbw: Semantics = (b) => {
  const { opsize } = b.shape;
  const half = opsize === 16 ? 8 : opsize === 32 ? 16 : 32;
  b.setReg(opsize, "rax", b.sext(b.reg(half, "rax"), half));
};

/** CWD CDQ CQO: the sign of rAX all over rDX. */
const cwd: Semantics = (b) => {
  const { opsize } = b.shape;
  b.setReg(opsize, "rdx", b.sar(b.sext(b.reg(opsize, "rax"), opsize), b.const(63)));
};

/** AL <- byte at (rBX + AL) in the segment. */
const xlat: Semantics = (b) => {
  const { asize } = b.shape;
  const offset = b.zext(b.add(b.reg(64, "rbx"), b.reg(8, "rax")), asize);
  const linear = b.segmentLinear(offset, b.fields.segment(), b.const(1), false);
  b.setReg(8, "rax", b.guestLoad(8, linear));
};

/** Segment register to general register or memory: 16 bits to memory, zero-extended to the operand size otherwise. */
const movFromSegment: Semantics = (b, dst, src) => dst!.store(b.stateAt("segSelector", src!.register()));

/** Loading SS holds interrupts off for one instruction; the helper sees to that. What is no destination does not get past the decoder. */
const movToSegment: Semantics = (b, dst, src) => {
  const [segment, selector] = [dst!.register(), b.zext(src!.load(), 16)];
  const loaded = callSubroutine(b, loadUsualSegment, segment, selector);
  b.whenRarely(b.isFalse(loaded), () => b.helper("movToSegment", segment, selector));
};

export const rows: readonly Row[] = [
  row("88 /r", "MOV", ["Eb", "Gb"], mov),
  row("89 /r", "MOV", ["Ev", "Gv"], mov),
  row("8A /r", "MOV", ["Gb", "Eb"], mov),
  row("8B /r", "MOV", ["Gv", "Ev"], mov),
  row("8C /r", "MOV", ["Mw", "Sw"], movFromSegment),
  row("8C /r", "MOV", ["Rv", "Sw"], movFromSegment),
  row("8E /r", "MOV", ["Sw", "Ew"], movToSegment),
  row("A0", "MOV", ["AL", "Ob"], mov),
  row("A1", "MOV", ["rAX", "Ov"], mov),
  row("A2", "MOV", ["Ob", "AL"], mov),
  row("A3", "MOV", ["Ov", "rAX"], mov),
  row("B0 +r ib", "MOV", ["Zb", "Ib"], mov),
  row("B8 +r iv", "MOV", ["Zv", "Iv"], mov),
  row("C6 /0 ib", "MOV", ["Eb", "Ib"], mov),
  row("C7 /0 iz", "MOV", ["Ev", "Iz"], movImmediate),
  row("0F B6 /r", "MOVZX", ["Gv", "Eb"], mov),
  row("0F B7 /r", "MOVZX", ["Gv", "Ew"], mov),
  row("0F BE /r", "MOVSX", ["Gv", "Eb"], movsx),
  row("0F BF /r", "MOVSX", ["Gv", "Ew"], movsx),
  row("63 /r", "MOVSXD", ["Gv", "Ed"], movsx, { o64: true }),
  row("8D /r", "LEA", ["Gv", "M"], lea, { offsetOnly: true }),
  row("86 /r", "XCHG", ["Eb", "Gb"], xchg, { lock: true }),
  row("87 /r", "XCHG", ["Ev", "Gv"], xchg, { lock: true }),
  row("90 +r", "XCHG", ["Zv", "rAX"], xchg),
  row("0F C8 +r", "BSWAP", ["Zy"], bswap),
  ...CONDITION_NAMES.map((name, i) =>
    row(`0F ${(0x40 + i).toString(16).toUpperCase()} /r`, `CMOV${name}`, ["Gv", "Ev"], cmov(i), { cpuid: "cmov" }),
  ),
  row("98", "CBW", [], cbw, { opsize: true }),
  row("99", "CWD", [], cwd, { opsize: true }),
  row("D7", "XLAT", [], xlat, { asize: true }),
  row("NP 0F 38 F0 /r", "MOVBE", ["Gv", "Mv"], (b, dst, src) => swapBytes(b.shape.opsize)(b, dst!, src!), {
    cpuid: "movbe",
  }),
  row("NP 0F 38 F1 /r", "MOVBE", ["Mv", "Gv"], (b, dst, src) => swapBytes(b.shape.opsize)(b, dst!, src!), {
    cpuid: "movbe",
  }),
];
