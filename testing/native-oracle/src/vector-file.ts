/**
 * The vector file: gzip over
 *
 *   "TSVMVEC1"
 *   number of forms, then per form: encoding, mnemonic, operand count, operands (texts), number of vectors, vectors
 *
 * and per vector, all numbers as in byte-stream.ts:
 *
 *   environment | flavour << 3            see environment.ts, cpu-state.ts
 *   seed                                  the initial state is a function of environment, seed and flavour
 *   code address - 0x8000, length, bytes
 *   override count, (register index, value)*
 *   patch count, (address, length, bytes)*
 *   exception vector + 1, or 0            then error code, and CR2 when the vector is 14
 *   rip - address of the next instruction (zigzag)
 *   changed registers mask, (final xor initial)*
 *   changed status mask                   see STATUS_FIELDS, (final xor initial)*
 *   changed ST mask, 10 bytes each; changed XMM mask with the upper halves of YMM from bit 16 up, 16 bytes each
 *   write count, (address, length, bytes)*
 *
 * Differences keep the file small and make most of it repeat, which is what gzip wants.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { type ByteReader, type ByteWriter, createByteReader, createByteWriter } from "./byte-stream.ts";
import { type CpuState, FLAVOURS, FXSAVE } from "./cpu-state.ts";
import { CODE, environmentById } from "./environment.ts";
import {
  type Bytes,
  type FormName,
  initialStateOf,
  type Vector,
  type VectorException,
  type VectorInput,
  type VectorOutcome,
} from "./vector.ts";

const MAGIC = "TSVMVEC1";
const PAGE_FAULT = 14;
const ST_BYTES = 10;
const XMM_BYTES = 16;

/** Everything but registers proper, in mask order. */
interface StatusField {
  get(state: CpuState): bigint;
  set(state: CpuState, value: bigint): void;
}

const STATUS_FIELDS: readonly StatusField[] = [
  {
    get: (state) => BigInt(state.rflags),
    set(state, value) {
      state.rflags = Number(value);
    },
  },
  fxsaveField(FXSAVE.mxcsr, 4),
  fxsaveField(FXSAVE.fcw, 2),
  fxsaveField(FXSAVE.fsw, 2),
  fxsaveField(FXSAVE.ftw, 1),
  ...[0, 1, 2, 3, 4, 5].map(selectorField),
  {
    get: (state) => state.fsBase,
    set(state, value) {
      state.fsBase = value;
    },
  },
  {
    get: (state) => state.gsBase,
    set(state, value) {
      state.gsBase = value;
    },
  },
];

function fxsaveField(offset: number, length: number): StatusField {
  return {
    get({ fxsave }) {
      let value = 0;
      for (let i = length - 1; i >= 0; i--) value = value * 256 + (fxsave[offset + i] ?? 0);
      return BigInt(value);
    },
    set({ fxsave }, value) {
      for (let i = 0; i < length; i++) fxsave[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    },
  };
}

function selectorField(index: number): StatusField {
  return {
    get: ({ selectors }) => BigInt(selectors[index] ?? 0),
    set({ selectors }, value) {
      selectors[index] = Number(value);
    },
  };
}

/** A form with its vectors, as a file holds them. */
export interface VectorGroup {
  readonly form: FormName;
  readonly vectors: readonly Vector[];
}

/** A vector as the recorder has it. */
export interface RecordedVector {
  readonly input: VectorInput;
  readonly outcome: VectorOutcome;
}

/** The bytes of a vector file; the same groups give the same bytes. */
export function writeVectorFile(
  groups: readonly { readonly form: FormName; readonly recorded: readonly RecordedVector[] }[],
): Uint8Array {
  const writer = createByteWriter();
  writer.bytes(new TextEncoder().encode(MAGIC));
  writer.uint(groups.length);
  for (const { form, recorded } of groups) {
    writer.text(form.encoding);
    writer.text(form.mnemonic);
    writer.uint(form.operands.length);
    for (const operand of form.operands) writer.text(operand);
    writer.uint(recorded.length);
    for (const { input, outcome } of recorded) {
      writeInput(writer, input);
      writeOutcome(writer, input, outcome);
    }
  }
  return gzipSync(writer.finish(), { level: 9 });
}

function writeInput(writer: ByteWriter, input: VectorInput): void {
  writer.uint(input.environment.id | (FLAVOURS.indexOf(input.flavour) << 3));
  writer.uint(input.seed);
  writer.uint(input.codeAddress - CODE.address);
  writer.uint(input.code.length);
  writer.bytes(input.code);
  writer.uint(input.overrides.size);
  for (const [index, value] of input.overrides) {
    writer.uint(index);
    writer.uint(value);
  }
  writeRuns(writer, input.patches);
}

function writeRuns(writer: ByteWriter, runs: readonly Bytes[]): void {
  writer.uint(runs.length);
  for (const { address, bytes } of runs) {
    writer.uint(address);
    writer.uint(bytes.length);
    writer.bytes(bytes);
  }
}

function writeOutcome(writer: ByteWriter, input: VectorInput, { exception, state, writes }: VectorOutcome): void {
  const initial = initialStateOf(input);
  writer.uint(exception ? exception.vector + 1 : 0);
  if (exception) writer.uint(exception.errorCode);
  if (exception?.vector === PAGE_FAULT) writer.uint(exception.cr2);
  writer.int(state.rip - initial.rip - BigInt(input.code.length));
  writeChanged(
    writer,
    Array.from(state.gpr, (value, i) => value ^ (initial.gpr[i] ?? 0n)),
  );
  writeChanged(
    writer,
    STATUS_FIELDS.map((field) => field.get(state) ^ field.get(initial)),
  );
  writeChangedBytes(writer, initial.fxsave, state.fxsave, FXSAVE.st, 8, ST_BYTES);
  writeChangedBytes(writer, initial.fxsave, state.fxsave, FXSAVE.xmm, 32, XMM_BYTES);
  writeRuns(writer, writes);
}

function writeChanged(writer: ByteWriter, differences: readonly bigint[]): void {
  writer.uint(differences.reduce((mask, difference, i) => (difference ? mask | (1 << i) : mask), 0));
  for (const difference of differences) if (difference) writer.uint(difference);
}

function writeChangedBytes(
  writer: ByteWriter,
  before: Uint8Array,
  after: Uint8Array,
  start: number,
  count: number,
  length: number,
): void {
  const changed: Uint8Array[] = [];
  let mask = 0;
  for (let i = 0; i < count; i++) {
    const at = start + i * 16;
    const now = after.subarray(at, at + length);
    if (now.every((byte, j) => byte === before[at + j])) continue;
    mask |= 1 << i;
    changed.push(now);
  }
  writer.uint(mask >>> 0);
  for (const bytes of changed) writer.bytes(bytes);
}

/** Reads a whole vector file. @throws RangeError when it is not one, or damaged. */
export function readVectorFile(file: Uint8Array): readonly VectorGroup[] {
  const content = gunzipSync(file);
  // Node's Buffer is a Uint8Array with habits of its own; vectors get plain views.
  const reader = createByteReader(new Uint8Array(content.buffer, content.byteOffset, content.length));
  if (new TextDecoder().decode(reader.bytes(MAGIC.length)) !== MAGIC) throw new RangeError("not a vector file");
  const groups = Array.from({ length: reader.uint() }, () => readGroup(reader));
  if (!reader.atEnd) throw new RangeError("vector file goes on after its end");
  return groups;
}

function readGroup(reader: ByteReader): VectorGroup {
  const encoding = reader.text();
  const mnemonic = reader.text();
  const operands = Array.from({ length: reader.uint() }, () => reader.text());
  const form = { encoding, mnemonic, operands };
  return { form, vectors: Array.from({ length: reader.uint() }, () => readVector(reader, form)) };
}

function readVector(reader: ByteReader, form: FormName): Vector {
  const kind = reader.uint();
  const environment = environmentById(kind & 7);
  const flavour = FLAVOURS[kind >> 3];
  if (!environment || !flavour) throw new RangeError("vector file names an unknown environment");
  const seed = reader.uint();
  const codeAddress = CODE.address + reader.uint();
  const code = reader.bytes(reader.uint());
  const overrides = new Map<number, bigint>();
  for (let count = reader.uint(); count > 0; count--) overrides.set(reader.uint(), reader.bigUint());
  const input: VectorInput = {
    form,
    environment,
    codeAddress,
    code,
    seed,
    flavour,
    overrides,
    patches: readRuns(reader),
  };
  const difference = readDifference(reader);
  return { ...input, expected: () => applyDifference(input, difference) };
}

function readRuns(reader: ByteReader): readonly Bytes[] {
  return Array.from({ length: reader.uint() }, () => {
    const address = reader.uint();
    return { address, bytes: reader.bytes(reader.uint()) };
  });
}

interface Difference {
  readonly exception: VectorException | undefined;
  readonly rip: bigint;
  readonly registers: ReadonlyMap<number, bigint>;
  readonly status: ReadonlyMap<number, bigint>;
  readonly st: ReadonlyMap<number, Uint8Array>;
  readonly xmm: ReadonlyMap<number, Uint8Array>;
  readonly writes: readonly Bytes[];
}

function readDifference(reader: ByteReader): Difference {
  const vector = reader.uint() - 1;
  const errorCode = vector < 0 ? 0 : reader.uint();
  const cr2 = vector === PAGE_FAULT ? reader.bigUint() : 0n;
  return {
    exception: vector < 0 ? undefined : { vector, errorCode, cr2 },
    rip: reader.int(),
    registers: readChanged(reader, () => reader.bigUint()),
    status: readChanged(reader, () => reader.bigUint()),
    st: readChanged(reader, () => reader.bytes(ST_BYTES)),
    xmm: readChanged(reader, () => reader.bytes(XMM_BYTES)),
    writes: readRuns(reader),
  };
}

function readChanged<T>(reader: ByteReader, read: () => T): ReadonlyMap<number, T> {
  const changed = new Map<number, T>();
  const mask = reader.uint();
  for (let i = 0; i < 32; i++) if ((mask >>> i) & 1) changed.set(i, read());
  return changed;
}

function applyDifference(input: VectorInput, difference: Difference): VectorOutcome {
  const state = initialStateOf(input);
  state.rip += BigInt(input.code.length) + difference.rip;
  for (const [i, value] of difference.registers) state.gpr[i] = (state.gpr[i] ?? 0n) ^ value;
  for (const [i, value] of difference.status) {
    const field = STATUS_FIELDS[i];
    if (!field) throw new RangeError("vector file changes an unknown field");
    field.set(state, field.get(state) ^ value);
  }
  for (const [i, bytes] of difference.st) state.fxsave.set(bytes, FXSAVE.st + i * 16);
  for (const [i, bytes] of difference.xmm) state.fxsave.set(bytes, FXSAVE.xmm + i * 16);
  return { exception: difference.exception, state, writes: difference.writes };
}
