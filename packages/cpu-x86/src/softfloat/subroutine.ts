// Functions of generated code that other generated code calls by name: for what is too big to stand in every handler.
// Interpreter and translated blocks call the same ones.
import type { IrBuilder, Val } from "@tsvm/tcg";
import type { ValueType } from "@tsvm/wasm-emit";

/** One function; `body` gets its parameters and must leave by {@link giveBack} on every path. */
export interface Subroutine {
  /** Unique; also the name of the WebAssembly export. */
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly result: ValueType;
  readonly body: (b: IrBuilder, ...params: readonly Val[]) => void;
}

/** Ends a subroutine with its result. */
export function giveBack(b: IrBuilder, result: Val): void {
  b.exit("return", result);
}

/** Calls a subroutine. */
export function callSubroutine(b: IrBuilder, { name, params, result }: Subroutine, ...args: readonly Val[]): Val {
  if (args.length !== params.length) throw new Error(`${name} takes ${params.length} arguments, not ${args.length}`);
  return b.call(name, args, result);
}
