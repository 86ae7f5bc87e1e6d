// Puts the subroutines of generated code into a module.
import { IrBuilder, LocalPool, lowerNodes } from "@tsvm/tcg";
import { CodeWriter, type FunctionType, type ModuleBuilder } from "@tsvm/wasm-emit";
import { CRYPTO_SUBROUTINES } from "../crypto/subroutines.ts";
import { loadUsualSegment } from "../emit/data-segments.ts";
import { reachGuest } from "../memory/tlb-probe.ts";
import type { Subroutine } from "../softfloat/subroutine.ts";
import { X87_SUBROUTINES } from "../softfloat/subroutines.ts";
import { fusedDoubles, fusedSingles } from "../sse/fused-multiply.ts";

/** All subroutines that handlers may call. */
export const SUBROUTINES: readonly Subroutine[] = [
  ...X87_SUBROUTINES,
  fusedDoubles,
  fusedSingles,
  ...CRYPTO_SUBROUTINES,
  reachGuest,
  loadUsualSegment,
];

/** The WebAssembly type of a subroutine. */
export const subroutineType = ({ params, result }: Subroutine): FunctionType => ({ params, results: [result] });

/**
 * Defines all subroutines, exported by their names for other modules, and adds them to `functionIndex`, which `indexOf`
 * looks in. All imports must have been declared.
 */
export function defineSubroutines(
  module: ModuleBuilder,
  functionIndex: Map<string, number>,
  indexOf: (name: string) => number,
): void {
  for (const { name } of SUBROUTINES) functionIndex.set(name, module.declareFunction());
  for (const subroutine of SUBROUTINES) defineSubroutine(module, subroutine, indexOf);
}

function defineSubroutine(module: ModuleBuilder, subroutine: Subroutine, indexOf: (name: string) => number): void {
  const b = new IrBuilder();
  const params = subroutine.params.map((type, i) => b.get({ type, variable: -i - 1 }));
  subroutine.body(b, ...params);
  const writer = new CodeWriter();
  const locals = new LocalPool(subroutine.params.length);
  lowerNodes(b.take(), writer, locals, { functionIndex: indexOf, writeExit: (_exit, out) => out.return() });
  writer.unreachable();
  const type = subroutineType(subroutine);
  module.defineFunction(indexOf(subroutine.name), type, locals.types, writer, subroutine.name);
}
