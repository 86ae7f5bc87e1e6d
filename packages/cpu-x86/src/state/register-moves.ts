// Moves of equal pieces of consecutive registers, 16 bytes at a time, in WebAssembly: a third of the time of a guest's signals
// was such moves in TypeScript, four bytes at a time.
import { CodeWriter, type FunctionType, ModuleBuilder } from "@tsvm/wasm-emit";

/** What is moved at a time. */
const CHUNK = 16;

/**
 * Over the WebAssembly memory. Places are byte offsets; steps, from one piece to the next, may be longer than the pieces;
 * `length`, of each piece, is a multiple of 16 and not 0. No count is too small: of 0 pieces nothing is touched.
 */
export interface RegisterMoves {
  copy(from: number, fromStep: number, to: number, toStep: number, length: number, count: number): void;
  clear(at: number, step: number, length: number, count: number): void;
  /** 1 if all bytes of all pieces are 0, else 0. */
  areZero(at: number, step: number, length: number, count: number): number;
}

let compiled: WebAssembly.Module | undefined;

/** The moves over one memory, which is not shared. */
export function createRegisterMoves(memory: { readonly buffer: ArrayBufferLike }): RegisterMoves {
  compiled ??= new WebAssembly.Module(writeMoves());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory: memory as WebAssembly.Memory } });
  return exports as unknown as RegisterMoves;
}

function writeMoves(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder({ minPages: 1 });
  defineCopy(module);
  defineClear(module);
  defineAreZero(module);
  return module.build();
}

/** Parameters are i32 all of them; the locals behind them: where in a piece, and what the function gathers. */
function define(
  module: ModuleBuilder,
  name: string,
  params: number,
  result: "i32" | undefined,
  body: CodeWriter,
): void {
  const type: FunctionType = { params: new Array(params).fill("i32"), results: result === undefined ? [] : [result] };
  module.defineFunction(module.declareFunction(), type, ["i32", "v128"], body, name);
}

/** Runs `chunk` for each 16 bytes of each piece, with local `within` at 0, 16, ... and the places at the piece. */
function forEachChunk(
  w: CodeWriter,
  {
    places,
    length,
    count,
    within,
  }: { places: readonly [at: number, step: number][]; length: number; count: number; within: number },
  chunk: () => void,
): void {
  w.block();
  w.loop();
  w.localGet(count);
  w.op("i32.eqz");
  w.brIf(1);
  w.i32Const(0);
  w.localSet(within);
  w.loop();
  chunk();
  addTo(w, within, () => w.i32Const(CHUNK));
  w.localGet(within);
  w.localGet(length);
  w.op("i32.lt_u");
  w.brIf(0);
  w.end();
  for (const [at, step] of places) addTo(w, at, () => w.localGet(step));
  addTo(w, count, () => w.i32Const(-1));
  w.br(0);
  w.end();
  w.end();
}

function addTo(w: CodeWriter, local: number, writeTerm: () => void): void {
  w.localGet(local);
  writeTerm();
  w.op("i32.add");
  w.localSet(local);
}

/** Leaves the host address of the chunk. */
function writePlace(w: CodeWriter, at: number, within: number): void {
  w.localGet(at);
  w.localGet(within);
  w.op("i32.add");
}

function defineCopy(module: ModuleBuilder): void {
  const w = new CodeWriter();
  const [from, fromStep, to, toStep, length, count, within] = [0, 1, 2, 3, 4, 5, 6];
  forEachChunk(
    w,
    {
      places: [
        [from, fromStep],
        [to, toStep],
      ],
      length,
      count,
      within,
    },
    () => {
      writePlace(w, to, within);
      writePlace(w, from, within);
      w.memory("v128.load", 0);
      w.memory("v128.store", 0);
    },
  );
  define(module, "copy", 6, undefined, w);
}

function defineClear(module: ModuleBuilder): void {
  const w = new CodeWriter();
  const [at, step, length, count, within, zero] = [0, 1, 2, 3, 4, 5];
  forEachChunk(w, { places: [[at, step]], length, count, within }, () => {
    writePlace(w, at, within);
    w.localGet(zero);
    w.memory("v128.store", 0);
  });
  define(module, "clear", 4, undefined, w);
}

function defineAreZero(module: ModuleBuilder): void {
  const w = new CodeWriter();
  const [at, step, length, count, within, seen] = [0, 1, 2, 3, 4, 5];
  forEachChunk(w, { places: [[at, step]], length, count, within }, () => {
    writePlace(w, at, within);
    w.memory("v128.load", 0);
    w.localGet(seen);
    w.op("v128.or");
    w.localSet(seen);
  });
  w.localGet(seen);
  w.op("v128.any_true");
  w.op("i32.eqz");
  define(module, "areZero", 4, "i32", w);
}
