import { generationKey, INTERPRETER_KEY, INTERPRETER_WASM } from "@tsvm/cpu-x86";

/** The functions the interpreter calls; see IMPORTS in cpu-x86's interpreter/generate.ts. */
export interface InterpreterImports {
  readMiss(low: number, high: number, size: number, record: number): number;
  modifyMiss(low: number, high: number, size: number, record: number): number;
  writeMiss(low: number, high: number, size: number, record: number): number;
  helper(number: number, record: number): number;
  resolve(): number;
  resolveNear(record: number): number;
  hot(record: number): void;
  /** Nanoseconds; `fuel` is what is left when the clock is read. */
  clock(fuel: number): number;
}

/** A running interpreter. */
export interface Interpreter {
  readonly run: (record: number) => number;
  /** Subroutines of its own that regions call. */
  readonly subroutines: WebAssembly.Exports;
}

let compiled: WebAssembly.Module | undefined;

/** Instantiates interpreter.wasm over the machine's memory; the module is compiled once. */
export function instantiateInterpreter(
  memory: { readonly buffer: ArrayBufferLike },
  imports: InterpreterImports,
  regions: WebAssembly.Table,
): Interpreter {
  compiled ??= compile();
  const env = { ...imports, memory: memory as WebAssembly.Memory, regions };
  const { exports } = new WebAssembly.Instance(compiled, { env });
  return { run: exports["run"] as (record: number) => number, subroutines: exports };
}

function compile(): WebAssembly.Module {
  if (INTERPRETER_KEY !== generationKey())
    throw new Error("the generated interpreter is older than its sources: run `pnpm run generate`");
  return new WebAssembly.Module(decodeBase64(INTERPRETER_WASM));
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** `atob` and Buffer belong to hosts; this room knows neither. */
function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const values = new Uint8Array(128);
  for (let i = 0; i < 64; i++) values[ALPHABET.charCodeAt(i)] = i;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  const at = (i: number): number => values[text.charCodeAt(i)] as number;
  for (let i = 0, out = 0; i < text.length; i += 4) {
    const group = (at(i) << 18) | (at(i + 1) << 12) | (at(i + 2) << 6) | at(i + 3);
    bytes[out++] = group >> 16;
    if (out < bytes.length) bytes[out++] = group >> 8;
    if (out < bytes.length) bytes[out++] = group;
  }
  return bytes;
}
