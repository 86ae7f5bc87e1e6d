// x87 control: FNINIT FNCLEX FLDCW FNSTCW FNSTSW FWAIT FNOP. SDM vol. 2A, the instruction of each name.
import { AT } from "../state/layout.ts";
import { type Row, row, type Semantics } from "./row.ts";

/** Control word after FNINIT: all exceptions masked, 64-bit precision, round to nearest. */
const INITIAL_CONTROL = 0x37f;
/** FSW: exception flags, ES, SF and B. */
const EXCEPTION_BITS = 0x80ff;

const fninit: Semantics = (b) => {
  b.setState("fpuControl", b.const(INITIAL_CONTROL));
  b.setState("fpuStatus", b.const(0));
  b.setState("fpuTag", b.const(0));
  b.setState("fpuOpcode", b.const(0));
  b.setState("fpuIp", b.const(0));
  b.setState("fpuDp", b.const(0));
  b.setState("fpuCs", b.const(0));
  b.setState("fpuDs", b.const(0));
};

const fnclex: Semantics = (b) => b.setState("fpuStatus", b.and(b.state("fpuStatus"), b.const(~EXCEPTION_BITS)));


/** Pushes an integer, exactly. */
const fild: Semantics = (b, src) => {
  const value = b.sext(src!.load(), src!.width);
  const negative = b.ltS(value, b.const(0));
  const magnitude = b.select(negative, b.sub(b.const(0), value), value);
  const shift = b.op("i64.clz", magnitude);
  const exponent = b.select(b.eqz(magnitude), b.const(0), b.sub(b.const(16383 + 63), shift));
  const status = b.state("fpuStatus");
  const top = b.and(b.sub(b.shr(status, b.const(11)), b.const(1)), b.const(7));
  const at = b.wrap(b.shl(top, b.const(4)));
  b.setState("fpuStatus", b.or(b.and(status, b.const(~0x3800)), b.shl(top, b.const(11))));
  b.setState("fpuTag", b.or(b.state("fpuTag"), b.shl(b.const(1), top)));
  b.store("i64.store", at, AT.fpr, b.shl(magnitude, shift));
  b.store("i64.store", at, AT.fpr + 8, b.or(exponent, b.shl(b.bool(negative), b.const(15))));
};

export const rows: readonly Row[] = [
  row("DB E3", "FNINIT", [], fninit, { fpu: "x87" }),
  row("DB E2", "FNCLEX", [], fnclex, { fpu: "x87" }),
  row("D9 /5", "FLDCW", ["Mw"], (b, src) => b.setState("fpuControl", src!.load()), { fpu: "x87" }),
  row("D9 /7", "FNSTCW", ["Mw"], (b, dst) => dst!.store(b.state("fpuControl")), { fpu: "x87" }),
  row("DD /7", "FNSTSW", ["Mw"], (b, dst) => dst!.store(b.state("fpuStatus")), { fpu: "x87" }),
  row("DF E0", "FNSTSW", ["AX"], (b, dst) => dst!.store(b.state("fpuStatus")), { fpu: "x87" }),
  row("DB /0", "FILD", ["Md"], fild, { fpu: "x87" }),
  row("9B", "FWAIT", [], () => {}, { fpu: "wait" }),
];
