// PUSH POP PUSHA POPA ENTER LEAVE. SDM vol. 2, the instruction of each name.
import { loadUsualSegment } from "../emit/data-segments.ts";
import { callSubroutine } from "../softfloat/subroutine.ts";
import { SEGMENT } from "../state/layout.ts";
import { type Row, row, type Semantics } from "./row.ts";

/** Immediates are sign-extended to the operand size. */
const push: Semantics = (b, src) => {
  const { opsize } = b.shape;
  const value = src!.code[0] === "I" ? b.sext(src!.load(), src!.width) : src!.load();
  b.stackStore(opsize, value);
  b.adjustStack(b.const(-opsize / 8));
};

/** A selector is pushed zero-extended. */
const pushSegment =
  (segment: number): Semantics =>
  (b) => {
    const { opsize } = b.shape;
    b.stackStore(opsize, b.state("segSelector", segment));
    b.adjustStack(b.const(-opsize / 8));
  };

/** With an rSP-based memory destination the address is computed after the increment; the decoder sees to that. */
const pop: Semantics = (b, dst) => {
  const { opsize } = b.shape;
  const value = b.stackLoad(opsize);
  if (dst!.memory) dst!.store(value);
  // POP rSP: the increment is overwritten.
  b.adjustStack(b.const(opsize / 8));
  if (!dst!.memory) dst!.store(value);
};

const popSegment =
  (segment: number): Semantics =>
  (b) => {
    const selector = b.zext(b.stackLoad(b.shape.opsize), 16);
    const bytes = b.shape.opsize / 8;
    const loaded = callSubroutine(b, loadUsualSegment, b.const32(segment), selector);
    b.when(
      b.isFalse(loaded),
      () => b.helper("popSegment", b.const32(segment), selector, b.const32(bytes)),
      () => b.adjustStack(b.const(bytes)),
    );
  };

const PUSHA_ORDER = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] as const;

const pusha: Semantics = (b) => {
  const size = b.shape.opsize === 16 ? 2 : 4;
  PUSHA_ORDER.forEach((name, i) => {
    b.stackStore(b.shape.opsize, b.reg(64, name), size * (i + 1));
  });
  b.adjustStack(b.const(-8 * size));
};

/** The saved stack pointer is skipped. */
const popa: Semantics = (b) => {
  const { opsize } = b.shape;
  const size = opsize === 16 ? 2 : 4;
  const names = [...PUSHA_ORDER].reverse();
  const values = names.map((_, i) => b.stackLoad(opsize, b.const(i * size)));
  names.forEach((name, i) => {
    if (name !== "rsp") b.setReg(opsize, name, values[i]!);
  });
  b.adjustStack(b.const(8 * size));
};

/** rSP <- rBP, then rBP <- pop. */
const leave: Semantics = (b) => {
  const { opsize } = b.shape;
  const frame = b.reg(64, "rbp");
  const saved = b.guestLoad(opsize, b.stackLinear(frame, opsize / 8, false));
  b.setStack(b.add(frame, b.const(opsize / 8)));
  b.setReg(opsize, "rbp", saved);
};

/** Allocates a frame; copies `level` - 1 outer frame pointers. Immediates: size in bits 15:0, level in 20:16. */
const enter: Semantics = (b) => {
  const { opsize } = b.shape;
  const size = opsize / 8;
  const level = b.and(b.shr(b.fields.immediate(), b.const(16)), b.const(31));
  const frame = b.reg(64, "rbp");
  const stack = b.reg(64, "rsp");
  const at = (below: ReturnType<typeof b.const>, write: boolean) => b.stackLinear(b.sub(stack, below), size, write);
  b.guestStore(opsize, at(b.const(size), true), frame);
  // A 16-bit stack wraps in SP; the bits above, which EBP gets as well, stay.
  const below = b.sub(stack, b.const(size));
  const top = b.shape.stack === "s16" ? b.or(b.and(stack, b.const(~0xffff)), b.and(below, b.const(0xffff))) : below;
  const pushed = b.variable(b.const(size));
  b.when(b.ne(level, b.const(0)), () => {
    const i = b.variable(b.const(1));
    b.loop(({ break: leaveLoop, continue: again }) => {
      b.when(b.isFalse(b.ltU(b.get(i), level)), leaveLoop);
      const from = b.sub(frame, b.mul(b.get(i), b.const(size)));
      const outer = b.guestLoad(opsize, b.stackLinear(from, size, false));
      b.set(pushed, b.add(b.get(pushed), b.const(size)));
      b.guestStore(opsize, at(b.get(pushed), true), outer);
      b.set(i, b.add(b.get(i), b.const(1)));
      again();
    });
    b.set(pushed, b.add(b.get(pushed), b.const(size)));
    b.guestStore(opsize, at(b.get(pushed), true), top);
  });
  const local = b.and(b.fields.immediate(), b.const(0xffff));
  const newStack = b.sub(b.sub(stack, b.get(pushed)), local);
  // A push to the new top must be possible before anything is committed.
  b.guestModify(opsize, b.stackLinear(newStack, size, true));
  b.setReg(b.shape.stack === "s64" && opsize === 64 ? 64 : opsize, "rbp", top);
  b.setStack(newStack);
};

const segments = [
  ["06", "07", "ES", SEGMENT.es],
  ["16", "17", "SS", SEGMENT.ss],
  ["1E", "1F", "DS", SEGMENT.ds],
] as const;

export const rows: readonly Row[] = [
  row("50 +r", "PUSH", ["Zv"], push, { d64: true, stack: true }),
  row("58 +r", "POP", ["Zv"], pop, { d64: true, stack: true }),
  row("68 iz", "PUSH", ["Iz"], push, { d64: true, stack: true, opsize: true }),
  row("6A ib", "PUSH", ["Ib"], push, { d64: true, stack: true, opsize: true }),
  row("FF /6", "PUSH", ["Ev"], push, { d64: true, stack: true }),
  row("8F /0", "POP", ["Ev"], pop, { d64: true, stack: true }),
  ...segments.flatMap(([pushOpcode, popOpcode, name, segment]) => [
    row(pushOpcode, "PUSH", [name], pushSegment(segment), { i64: true, stack: true, opsize: true }),
    row(popOpcode, "POP", [name], popSegment(segment), { i64: true, stack: true, opsize: true }),
  ]),
  row("0E", "PUSH", ["CS"], pushSegment(SEGMENT.cs), { i64: true, stack: true, opsize: true }),
  row("0F A0", "PUSH", ["FS"], pushSegment(SEGMENT.fs), { d64: true, stack: true, opsize: true }),
  row("0F A1", "POP", ["FS"], popSegment(SEGMENT.fs), { d64: true, stack: true, opsize: true }),
  row("0F A8", "PUSH", ["GS"], pushSegment(SEGMENT.gs), { d64: true, stack: true, opsize: true }),
  row("0F A9", "POP", ["GS"], popSegment(SEGMENT.gs), { d64: true, stack: true, opsize: true }),
  row("60", "PUSHA", [], pusha, { i64: true, stack: true, opsize: true }),
  row("61", "POPA", [], popa, { i64: true, stack: true, opsize: true }),
  row("C8 iw ib", "ENTER", ["Iw"], enter, { d64: true, stack: true, opsize: true }),
  row("C9", "LEAVE", [], leave, { d64: true, stack: true, opsize: true }),
];
