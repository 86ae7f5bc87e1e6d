export { ByteBuffer } from "./byte-buffer.ts";
export { type BlockType, CodeWriter } from "./code-writer.ts";
export { type FunctionType, ModuleBuilder } from "./module-builder.ts";
export {
  type LaneOp,
  type LoadOp,
  type PlainOp,
  type StoreOp,
  VALUE_TYPE,
  type ValueType,
} from "./opcodes.ts";
