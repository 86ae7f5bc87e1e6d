// Generates the interpreter from the instruction rows: at build time, once for all CPU models.
//
// One function holds the hot handlers inline behind a br_table over the record's handler number; the others are
// functions in a table. Both are the same semantics with fields taken from the record.
import { LocalPool, type LoweringTarget, lowerNodes } from "@tsvm/tcg";
import { CodeWriter, type FunctionType, ModuleBuilder } from "@tsvm/wasm-emit";
import { numbering } from "../decode/decoder.ts";
import { emitHandler } from "../emit/emit-insn.ts";
import type { Shape } from "../emit/shape.ts";
import type { X86Exit } from "../emit/x86-builder.ts";
import { defineSubroutines } from "./define-subroutines.ts";
import { EXIT_CODE } from "./exits.ts";
import { writeMainLoop } from "./main-loop.ts";
import { defineRegionDispatch } from "./region-dispatch.ts";
import { SUBROUTINES } from "./subroutines.ts";

const I32 = (count: number): FunctionType => ({ params: new Array(count).fill("i32"), results: ["i32"] });

/** Functions the interpreter imports from module "env"; see run-time imports in accel-tcg. */
export const IMPORTS = {
  readMiss: I32(4),
  modifyMiss: I32(4),
  writeMiss: I32(4),
  helper: I32(2),
  resolve: I32(0),
  resolveNear: I32(1),
  hot: { params: ["i32"], results: [] },
  clock: { params: ["i32"], results: ["f64"] },
} as const satisfies Readonly<Record<string, FunctionType>>;

/** A handler of its own: (record) -> exit code. */
const HANDLER_TYPE = I32(1);

/** What was generated, for the build's report. */
export interface GeneratedInterpreter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly shapes: number;
  readonly inline: number;
}

/** Generates interpreter.wasm; exports `run(record)`. */
export function generateInterpreter(): GeneratedInterpreter {
  const module = new ModuleBuilder({ minPages: 1 });
  const functionIndex = new Map<string, number>();
  for (const [name, type] of Object.entries(IMPORTS)) functionIndex.set(name, module.importFunction("env", name, type));
  const regionTable = module.importTable("env", "regions");
  const target = {
    functionIndex: (name: string): number => {
      const index = functionIndex.get(name);
      if (index === undefined) throw new Error(`the interpreter has no function ${name}`);
      return index;
    },
  };
  defineSubroutines(module, SUBROUTINES, functionIndex);
  const handlers = numbering.outOfLine.map((shape) => {
    const index = module.declareFunction();
    writeHandler(module, index, shape, target);
    return index;
  });
  const handlerTable = module.setTable(handlers);
  const functionType = module.typeOf(["i32"], ["i32"]);
  const regionDispatch = defineRegionDispatch(module, functionType, regionTable);
  writeMainLoop(module, numbering.inline, { ...target, regionDispatch, handlerTable, functionType });
  return {
    bytes: module.build(),
    shapes: numbering.inline.length + numbering.outOfLine.length,
    inline: numbering.inline.length,
  };
}

function writeHandler(
  module: ModuleBuilder,
  index: number,
  shape: Shape,
  target: Pick<LoweringTarget, "functionIndex">,
): void {
  const writer = new CodeWriter();
  const locals = new LocalPool(1);
  lowerNodes(emitHandler(shape), writer, locals, {
    ...target,
    writeExit: (exit, out) => {
      out.i32Const(EXIT_CODE[exit as X86Exit]);
      out.return();
    },
  });
  writer.i32Const(EXIT_CODE.next);
  module.defineFunction(index, HANDLER_TYPE, locals.types, writer);
}
