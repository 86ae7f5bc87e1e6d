// Puts subroutines of generated code into a module.
import { IrBuilder, LocalPool, lowerNodes } from "@tsvm/tcg";
import { CodeWriter, type FunctionType, type ModuleBuilder } from "@tsvm/wasm-emit";
import type { Subroutine } from "../softfloat/subroutine.ts";

/** The WebAssembly type of a subroutine. */
export const subroutineType = ({ params, result }: Subroutine): FunctionType => ({ params, results: [result] });

/**
 * Defines subroutines, exported by their names for other modules, and adds them to `functionIndex`, where they find each
 * other. All imports must have been declared.
 */
export function defineSubroutines(
  module: ModuleBuilder,
  subroutines: readonly Subroutine[],
  functionIndex: Map<string, number>,
): void {
  for (const { name } of subroutines) functionIndex.set(name, module.declareFunction());
  for (const subroutine of subroutines) defineSubroutine(module, subroutine, functionIndex);
}

function defineSubroutine(
  module: ModuleBuilder,
  subroutine: Subroutine,
  functionIndex: ReadonlyMap<string, number>,
): void {
  const b = new IrBuilder();
  const params = subroutine.params.map((type, i) => b.get({ type, variable: -i - 1 }));
  subroutine.body(b, ...params);
  const indexOf = (name: string): number => {
    const index = functionIndex.get(name);
    if (index === undefined) throw new Error(`${subroutine.name} calls ${name}, which is not there`);
    return index;
  };
  const writer = new CodeWriter();
  const locals = new LocalPool(subroutine.params.length);
  lowerNodes(b.take(), writer, locals, { functionIndex: indexOf, writeExit: (_exit, out) => out.return() });
  writer.unreachable();
  const type = subroutineType(subroutine);
  module.defineFunction(indexOf(subroutine.name), type, locals.types, writer, subroutine.name);
}
