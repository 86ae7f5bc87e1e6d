/** A program written by hand. */
import { ENVIRONMENTS, INT3 } from "../environment.ts";
import { CODE_BYTES, GUARDED_STACK_TOP, type Program } from "./program.ts";

/** 64-bit code, in hexadecimal, from the first slot on; it ends behind that. */
export function writtenProgram(hex: string): Program {
  const code = new Uint8Array(CODE_BYTES).fill(INT3);
  code.set(Buffer.from(hex, "hex"));
  return {
    environment: ENVIRONMENTS.long,
    seed: 1,
    flavour: "integer",
    code,
    pieces: [],
    patches: [],
    stackTop: GUARDED_STACK_TOP,
  };
}
