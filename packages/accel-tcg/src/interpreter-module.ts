import { generationKey, INTERPRETER_KEY, INTERPRETER_WASM } from "@tsvm/cpu-x86";
import { bytesOfBase64 } from "./base64.ts";

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
  return new WebAssembly.Module(bytesOfBase64(INTERPRETER_WASM));
}
