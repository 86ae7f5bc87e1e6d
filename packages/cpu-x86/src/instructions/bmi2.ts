// BMI2 and ADX: bit fields, shifts and multiplications that leave flags alone, additions with two carries. SDM vol. 2, the
// instruction of each name.
import type { Val } from "@tsvm/tcg";
import { multiplyHigh } from "../emit/wide-multiply.ts";
import type { X86Builder } from "../emit/x86-builder.ts";
import { type OperandCode, type Row, type RowOptions, row, type Semantics } from "./row.ts";

const BMI2: RowOptions = { cpuid: "bmi2", protectedOnly: true };
const ADX: RowOptions = { cpuid: "adx" };

/** Bits of SRC from number SRC2[7:0] up are cleared; CF tells whether that is beyond the operand. */
const bzhi: Semantics = (b, dst, src, control) => {
  const { width } = dst!;
  const x = src!.load();
  const index = b.and(control!.load(), b.const(0xff));
  const inside = b.ltU(index, b.const(width));
  const mask = b.sub(b.shl(b.const(1), index), b.const(1));
  const result = b.select(inside, b.and(x, mask), x);
  dst!.store(result);
  b.flags.result(width, result, b.isFalse(inside), b.const32(0));
};

/** High and low half of rDX * SRC; the high one stands if both destinations are one register. */
const mulx: Semantics = (b, high, low, src) => {
  const { width } = src!;
  const y = src!.load();
  const x = b.reg(width, "rdx");
  const product = b.mul(x, y);
  const upper = width === 64 ? multiplyHigh(b, x, y) : b.shr(product, b.const(32));
  low!.store(product);
  high!.store(upper);
};

/** Goes through the set bits of a mask from the lowest up; `step` is told each, alone, and its number. */
function eachSetBit(b: X86Builder, mask: Val, step: (bit: Val, number: Val) => void): void {
  const left = b.variable(mask);
  const number = b.variable(b.const(0));
  b.when(b.ne(mask, b.const(0)), () =>
    b.loop((loop) => {
      const rest = b.get(left);
      step(b.and(rest, b.sub(b.const(0), rest)), b.get(number));
      b.set(number, b.add(b.get(number), b.const(1)));
      b.set(left, b.and(rest, b.sub(rest, b.const(1))));
      b.when(b.ne(b.get(left), b.const(0)), loop.continue, loop.break);
    }),
  );
}

/** Low bits of SRC1 to the places of the mask's bits. */
const pdep: Semantics = (b, dst, src, mask) => {
  const places = mask!.load();
  const x = src!.load();
  const result = b.variable(b.const(0));
  eachSetBit(b, places, (bit, number) => {
    const wanted = b.and(b.shr(x, number), b.const(1));
    b.set(result, b.or(b.get(result), b.and(bit, b.sub(b.const(0), wanted))));
  });
  dst!.store(b.get(result));
};

/** Bits of SRC1 at the places of the mask's bits, side by side. */
const pext: Semantics = (b, dst, src, mask) => {
  const places = mask!.load();
  const x = src!.load();
  const result = b.variable(b.const(0));
  eachSetBit(b, places, (bit, number) => {
    const found = b.bool(b.ne(b.and(x, bit), b.const(0)));
    b.set(result, b.or(b.get(result), b.shl(found, number)));
  });
  dst!.store(b.get(result));
};

const rorx: Semantics = (b, dst, src, immediate) => {
  const { width } = dst!;
  const x = src!.load();
  const count = b.and(immediate!.load(), b.const(width - 1));
  const up = b.and(b.sub(b.const(width), count), b.const(width - 1));
  dst!.store(b.or(b.shr(x, count), b.shl(x, up)));
};

const shiftWithoutFlags =
  (op: "shl" | "shr" | "sar"): Semantics =>
  (b, dst, src, counts) => {
    const { width } = dst!;
    const x = src!.load();
    const count = b.and(counts!.load(), b.const(width - 1));
    dst!.store(b[op](op === "sar" ? b.sext(x, width) : x, count));
  };

/** DEST <- DEST + SRC + CF or OF, which takes the carry; other flags stay. */
const addWith =
  (flag: "carry" | "overflow"): Semantics =>
  (b, dst, src) => {
    const { width } = dst!;
    const y = src!.load();
    const x = dst!.load();
    const [carry, overflow] = [b.flags.carry(), b.flags.overflow()];
    const partial = b.add(x, y);
    const sum = b.add(partial, b.bool(flag === "carry" ? carry : overflow));
    const out =
      width === 64
        ? b.either(b.ltU(partial, x), b.ltU(sum, partial))
        : b.wrap(b.and(b.shr(sum, b.const(32)), b.const(1)));
    dst!.store(sum);
    if (flag === "carry") b.flags.carryOverflow(out, overflow);
    else b.flags.carryOverflow(carry, out);
  };

const vex = (encoding: string, name: string, operands: readonly OperandCode[], semantics: Semantics): Row =>
  row(`VEX.LZ.${encoding}`, name, operands, semantics, BMI2);

export const rows: readonly Row[] = [
  vex("NP.0F38 F5 /r", "BZHI", ["Gy", "Ey", "By"], bzhi),
  vex("F2.0F38 F6 /r", "MULX", ["Gy", "By", "Ey"], mulx),
  vex("F2.0F38 F5 /r", "PDEP", ["Gy", "By", "Ey"], pdep),
  vex("F3.0F38 F5 /r", "PEXT", ["Gy", "By", "Ey"], pext),
  vex("F2.0F3A F0 /r ib", "RORX", ["Gy", "Ey", "Ib"], rorx),
  vex("F3.0F38 F7 /r", "SARX", ["Gy", "Ey", "By"], shiftWithoutFlags("sar")),
  vex("66.0F38 F7 /r", "SHLX", ["Gy", "Ey", "By"], shiftWithoutFlags("shl")),
  vex("F2.0F38 F7 /r", "SHRX", ["Gy", "Ey", "By"], shiftWithoutFlags("shr")),
  row("66 0F 38 F6 /r", "ADCX", ["Gy", "Ey"], addWith("carry"), ADX),
  row("F3 0F 38 F6 /r", "ADOX", ["Gy", "Ey"], addWith("overflow"), ADX),
];
