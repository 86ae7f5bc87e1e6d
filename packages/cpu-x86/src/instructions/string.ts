// MOVS STOS LODS SCAS CMPS with REP, REPE and REPNE. SDM vol. 2, the instruction of each name. INS and OUTS: io.ts.
//
// Invariants:
// 1. One execution of a handler takes as many elements as lie in one page of each side and are reached through plain
//    host memory, at least one, and commits rSI, rDI and rCX for all of them at once; then it is executed again.
// 2. Whatever is not plain (devices, page-crossing elements, decoded code) goes one element at a time through guestLoad
//    and guestStore; so do the elements on which a segment limit or the end of the address space falls.
// 3. What MOVS and STOS count as does not tell whether memory was plain, so whether there is code depends on what was
//    translated: elements one at a time count when the last one of their pages is done.
import type { Val, Variable } from "@tsvm/tcg";
import type { Width, X86Builder } from "../emit/x86-builder.ts";
import { AT, SEGMENT } from "../state/layout.ts";
import { type Row, row, type Semantics } from "./row.ts";

const PAGE = 4096;
/** Position of RFLAGS.DF. */
const DF_SHIFT = 10;

/** One of the two places a string instruction works on: its first element. */
interface Side {
  readonly register: "rsi" | "rdi";
  readonly segment: Val;
  /** In the segment, at the address size. */
  readonly offset: Val;
  readonly linear: Val;
  readonly write: boolean;
}

/** The source may have another segment; the destination is always ES. */
function source(b: X86Builder, bytes: number): Side {
  return side(b, "rsi", b.fields.segment(), bytes, false);
}

function destination(b: X86Builder, bytes: number, write: boolean): Side {
  const flat = b.const32(SEGMENT.none);
  const extra = b.const32(SEGMENT.es);
  return side(b, "rdi", b.select(b.inCode64(), flat, extra), bytes, write);
}

function side(b: X86Builder, register: Side["register"], segment: Val, bytes: number, write: boolean): Side {
  const offset = b.zext(b.reg(64, register), b.shape.asize);
  const linear = b.segmentLinear(offset, segment, b.const(bytes), write);
  return { register, segment, offset, linear, write };
}

/** Distance from one element to the next: -bytes if DF is set. */
function stepOf(b: X86Builder, bytes: number): Val {
  const backwards = b.and(b.shr(b.state("rflags"), b.const(DF_SHIFT)), b.const(1));
  return b.sub(b.const(bytes), b.mul(backwards, b.const(2 * bytes)));
}

const isBackwards = (b: X86Builder, step: Val): Val => b.ltS(step, b.const(0));

/** Moves a pointer on by `elements`. Commits. */
function advance(b: X86Builder, { register, offset }: Side, elements: Val, step: Val): void {
  b.setReg(b.shape.asize, register, b.add(offset, b.mul(step, elements)));
}

// --- repetition ---

/** rCX; a repeated instruction with count 0 ends here, before any access. */
function countOf(b: X86Builder): Val {
  if (b.shape.rep === "none") return b.const(1);
  const count = b.zext(b.reg(64, "rcx"), b.shape.asize);
  b.when(b.eqz(count), () => b.exit("next"));
  return count;
}

/** What was done of as many elements as lie in one page of each side: all, or one. */
interface Progress {
  readonly done: Val;
  readonly batch: Val;
}

const whole = (batch: Val): Progress => ({ done: batch, batch });

/** Counts rCX down; as long as it is not 0 and `goOn` holds, the instruction is executed again. */
function repeat(b: X86Builder, count: Val, { done, batch }: Progress, goOn: Val = b.const32(1)): void {
  if (b.shape.rep === "none") return;
  const left = b.sub(count, done);
  b.setReg(b.shape.asize, "rcx", left);
  if (batch !== done) b.when(b.ltU(done, batch), () => b.exit("unfinished"));
  b.when(b.both(b.ne(left, b.const(0)), goOn), () => b.exit("again"));
}

/** Elements from `linear` on that lie in its page, in the direction of `step`; 0 if the first one crosses its end. */
function elementsInPage(b: X86Builder, linear: Val, bytes: number, step: Val): Val {
  const offset = b.and(linear, b.const(PAGE - 1));
  const shift = b.const(Math.log2(bytes));
  const upwards = b.shr(b.sub(b.const(PAGE), offset), shift);
  const downwards = b.add(b.shr(offset, shift), b.const(1));
  return b.select(isBackwards(b, step), downwards, upwards);
}

const smaller = (b: X86Builder, x: Val, y: Val): Val => b.select(b.ltU(x, y), x, y);

/** How many elements one execution may take from the page(s) of its sides. */
function batchOf(b: X86Builder, count: Val, sides: readonly Side[], bytes: number, step: Val): Val {
  return sides.reduce((batch, { linear }) => smaller(b, batch, elementsInPage(b, linear, bytes, step)), count);
}

/** Whether all of a batch has offsets that neither wrap around nor leave the segment. */
function batchFits(b: X86Builder, place: Side, batch: Val, bytes: number, step: Val): Val {
  const { asize } = b.shape;
  if (asize === 64) return b.const32(1);
  const span = b.mul(b.sub(batch, b.const(1)), step);
  const end = b.add(place.offset, span);
  const first = smaller(b, place.offset, end);
  const last = b.add(b.select(isBackwards(b, step), place.offset, end), b.const(bytes - 1));
  // A negative end is a large unsigned one: too far as well.
  const wraps = b.either(b.ltU(b.const((1n << BigInt(asize)) - 1n), last), b.ltS(end, b.const(0)));
  const fields = place.write
    ? (["segWriteFirst", "segWriteLast"] as const)
    : (["segReadFirst", "segReadLast"] as const);
  const below = b.ltU(first, b.stateAt(fields[0], place.segment));
  const above = b.ltU(b.stateAt(fields[1], place.segment), last);
  const outside = b.both(b.isFalse(b.inCode64()), b.either(below, above));
  return b.isFalse(b.either(wraps, outside));
}

/** A host address in guest RAM, rather than the bounce buffer of an access that is not plain. */
const isPlain = (b: X86Builder, host: Val): Val => b.op("i32.ne", host, b.const32(AT.bounce));

const hostAfter = (b: X86Builder, host: Val, elements: Val, step: Val): Val =>
  b.op("i32.add", host, b.wrap(b.mul(step, elements)));

/** Runs `body` for elements 0 .. batch - 1; there is at least one. */
function forEachElement(b: X86Builder, batch: Val, body: (index: Val) => void): void {
  const index = b.variable(b.const(0));
  b.loop((loop) => {
    body(b.get(index));
    b.set(index, b.add(b.get(index), b.const(1)));
    b.when(b.ltU(b.get(index), batch), loop.continue, loop.break);
  });
}

// --- MOVS ---

/** The source is read before anything is asked about the destination: so an AMD EPYC does where both would fault. */
const movs: Semantics = (b, dst) => {
  const width = dst!.width;
  const count = countOf(b);
  const from = source(b, width / 8);
  const step = stepOf(b, width / 8);
  const moved = b.shape.rep === "none" ? moveOne(b, width, from) : moveBatch(b, width, from, count, step);
  advance(b, from, moved.done, step);
  advance(b, moved.to, moved.done, step);
  repeat(b, count, moved);
};

/** Where elements went, and how many. */
interface Moved extends Progress {
  readonly to: Side;
}

function moveOne(b: X86Builder, width: Width, from: Side): Moved {
  const value = b.guestLoad(width, from.linear);
  const to = destination(b, width / 8, true);
  b.guestStore(width, to.linear, value);
  return { to, ...whole(b.const(1)) };
}

function moveBatch(b: X86Builder, width: Width, from: Side, count: Val, step: Val): Moved {
  const bytes = width / 8;
  const source = b.guestAddress(bytes, from.linear);
  const to = destination(b, bytes, true);
  const sides = [from, to];
  const batch = batchOf(b, count, sides, bytes, step);
  const fits = sides.map((place) => batchFits(b, place, batch, bytes, step)).reduce((x, y) => b.both(x, y));
  const { hit, host } = b.probeForWrite(width, to.linear);
  const plain = b.both(b.both(hit, isPlain(b, source)), fits);
  const done = b.variable(b.const(1));
  b.when(
    plain,
    () => {
      b.set(done, batch);
      copyBatch(b, width, source, host, batch, step);
    },
    () => b.guestStore(width, to.linear, b.hostLoad(width, source)),
  );
  return { to, done: b.get(done), batch };
}

/** Upwards in one piece, unless the destination starts inside the source: then elements copied before are copied again. */
function copyBatch(b: X86Builder, width: Width, source: Val, target: Val, batch: Val, step: Val): void {
  const length = b.op("i32.mul", b.wrap(batch), b.const32(width / 8));
  const overlaps = b.op("i32.lt_u", b.op("i32.sub", target, source), length);
  b.when(
    b.either(isBackwards(b, step), overlaps),
    () =>
      forEachElement(b, batch, (index) => {
        const value = b.hostLoad(width, hostAfter(b, source, index, step));
        b.hostStore(width, hostAfter(b, target, index, step), value);
      }),
    () => b.copyMemory(target, source, length),
  );
}

// --- STOS ---

const stos: Semantics = (b, dst) => {
  const width = dst!.width;
  const bytes = width / 8;
  const count = countOf(b);
  const to = destination(b, bytes, true);
  const step = stepOf(b, bytes);
  const value = b.reg(width, "rax");
  let stored = whole(b.const(1));
  if (b.shape.rep === "none") b.guestStore(width, to.linear, value);
  else stored = storeBatch(b, width, to, count, step, value);
  advance(b, to, stored.done, step);
  repeat(b, count, stored);
};

function storeBatch(b: X86Builder, width: Width, to: Side, count: Val, step: Val, value: Val): Progress {
  const bytes = width / 8;
  const batch = batchOf(b, count, [to], bytes, step);
  const fits = batchFits(b, to, batch, bytes, step);
  const { hit, host } = b.probeForWrite(width, to.linear);
  const done = b.variable(b.const(1));
  b.when(
    b.both(hit, fits),
    () => {
      b.set(done, batch);
      fillBatch(b, width, host, batch, step, value);
    },
    () => b.guestStore(width, to.linear, value),
  );
  return { done: b.get(done), batch };
}

/** Upwards in one piece if all bytes of the value are alike, as when clearing memory. */
function fillBatch(b: X86Builder, width: Width, target: Val, batch: Val, step: Val, value: Val): void {
  const length = b.op("i32.mul", b.wrap(batch), b.const32(width / 8));
  const alike = b.eq(b.op("i64.rotl", repeated(b, width, value), b.const(8)), repeated(b, width, value));
  b.when(
    b.both(alike, b.isFalse(isBackwards(b, step))),
    () => b.fillMemory(target, b.wrap(value), length),
    () => forEachElement(b, batch, (index) => b.hostStore(width, hostAfter(b, target, index, step), value)),
  );
}

/** The element again and again over 64 bits. */
function repeated(b: X86Builder, width: Width, value: Val): Val {
  const pattern = { 8: 0x0101_0101_0101_0101n, 16: 0x0001_0001_0001_0001n, 32: 0x0000_0001_0000_0001n, 64: 1n };
  return b.mul(value, b.const(pattern[width as keyof typeof pattern]));
}

// --- LODS ---

/** Nobody repeats it: one element at a time. */
const lods: Semantics = (b, dst) => {
  const width = dst!.width;
  const count = countOf(b);
  const from = source(b, width / 8);
  const step = stepOf(b, width / 8);
  const value = b.guestLoad(width, from.linear);
  b.setReg(width, "rax", value);
  advance(b, from, b.const(1), step);
  repeat(b, count, whole(b.const(1)));
};

// --- CMPS and SCAS ---

/** Where the elements of one side of a comparison come from. */
interface Compared {
  readonly value: Variable;
  /** Host address of the first element; undefined: the value is the same for all of them. */
  readonly host: Val | undefined;
}

function comparedMemory(b: X86Builder, width: Width, place: Side): Compared {
  const host = b.guestAddress(width / 8, place.linear);
  return { value: b.variable(b.hostLoad(width, host)), host };
}

const cmps: Semantics = (b, first) => {
  const { width } = first!;
  const count = countOf(b);
  const [from, to] = [source(b, width / 8), destination(b, width / 8, false)];
  // The second access may use the bounce buffer of the first, whose value is out of it by then.
  const sides = [comparedMemory(b, width, from), comparedMemory(b, width, to)] as const;
  compare(b, width, count, sides, [from, to]);
};

const scas: Semantics = (b, first) => {
  const { width } = first!;
  const count = countOf(b);
  const to = destination(b, width / 8, false);
  const accumulator = { value: b.variable(b.reg(width, "rax")), host: undefined };
  compare(b, width, count, [accumulator, comparedMemory(b, width, to)], [to]);
};

/** Compares on while elements are equal (REPE) or different (REPNE); flags are those of the last pair. */
function compare(b: X86Builder, width: Width, count: Val, pair: readonly [Compared, Compared], places: Side[]): void {
  const step = stepOf(b, width / 8);
  const [x, y] = pair;
  const done = b.variable(b.const(1));
  const goOn = (): Val => {
    const equal = b.eq(b.get(x.value), b.get(y.value));
    return b.shape.rep === "repnz" ? b.isFalse(equal) : equal;
  };
  if (b.shape.rep !== "none")
    compareBatch(b, width, batchToCompare(b, width, count, pair, places, step), pair, done, step, goOn);
  const again = goOn();
  for (const place of places) advance(b, place, b.get(done), step);
  b.flags.sub(width, b.get(x.value), b.get(y.value), b.sub(b.get(x.value), b.get(y.value)));
  repeat(b, count, whole(b.get(done)), again);
}

/** 1 unless all memory is plain and within its segment. */
function batchToCompare(
  b: X86Builder,
  width: Width,
  count: Val,
  pair: readonly Compared[],
  places: readonly Side[],
  step: Val,
): Val {
  const bytes = width / 8;
  const batch = batchOf(b, count, places, bytes, step);
  const conditions = places.map((place) => batchFits(b, place, batch, bytes, step));
  for (const { host } of pair) if (host !== undefined) conditions.push(isPlain(b, host));
  return b.select(
    conditions.reduce((all, one) => b.both(all, one)),
    batch,
    b.const(1),
  );
}

/** Goes on from the first pair, which is loaded already. */
function compareBatch(
  b: X86Builder,
  width: Width,
  batch: Val,
  pair: readonly Compared[],
  done: Variable,
  step: Val,
  goOn: () => Val,
): void {
  b.loop((loop) => {
    const index = b.get(done);
    b.when(b.isFalse(b.both(b.ltU(index, batch), goOn())), loop.break);
    for (const { host, value } of pair)
      if (host !== undefined) b.set(value, b.hostLoad(width, hostAfter(b, host, index, step)));
    b.set(done, b.add(b.get(done), b.const(1)));
    loop.continue();
  });
}

export const rows: readonly Row[] = [
  row("A4", "MOVS", ["Yb", "Xb"], movs, { rep: "rep", restartable: true }),
  row("A5", "MOVS", ["Yv", "Xv"], movs, { rep: "rep", restartable: true }),
  row("A6", "CMPS", ["Xb", "Yb"], cmps, { rep: "repz", restartable: true }),
  row("A7", "CMPS", ["Xv", "Yv"], cmps, { rep: "repz", restartable: true }),
  row("AA", "STOS", ["Yb", "AL"], stos, { rep: "rep", restartable: true }),
  row("AB", "STOS", ["Yv", "rAX"], stos, { rep: "rep", restartable: true }),
  row("AC", "LODS", ["AL", "Xb"], lods, { rep: "rep", restartable: true }),
  row("AD", "LODS", ["rAX", "Xv"], lods, { rep: "rep", restartable: true }),
  row("AE", "SCAS", ["AL", "Yb"], scas, { rep: "repz", restartable: true }),
  row("AF", "SCAS", ["rAX", "Yv"], scas, { rep: "repz", restartable: true }),
];
