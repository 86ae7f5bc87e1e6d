import type { Shape } from "./shape.ts";

/** Mnemonics whose common shapes stand inline in the interpreter's main loop; from profiles of Linux boots and the guest suite. */
const HOT: ReadonlySet<string> = new Set([
  "ADD", "OR", "AND", "SUB", "XOR", "CMP", "TEST", "INC", "DEC", "NEG", "NOT", "ADC", "SBB",
  "MOV", "MOVZX", "MOVSX", "MOVSXD", "LEA", "PUSH", "POP", "CALL", "RET", "JMP", "LEAVE",
  "SHL", "SHR", "SAR", "ROL", "ROR", "IMUL", "CBW", "CWD", "NOP", "ADDRESS", "LINK",
  "JO", "JNO", "JB", "JNB", "JZ", "JNZ", "JBE", "JNBE", "JS", "JNS", "JL", "JNL", "JLE", "JNLE",
  "CMOVZ", "CMOVNZ", "CMOVB", "CMOVNB", "CMOVL", "CMOVNL", "CMOVLE", "CMOVNLE", "CMOVBE", "CMOVNBE", "CMOVS", "CMOVNS",
  "SETZ", "SETNZ", "SETB", "SETNB", "SETL", "SETNL", "SETLE", "SETNLE", "SETBE", "SETNBE",
]);

/** Whether a shape's handler stands inline. 16-bit operations and segmented stacks do not; byte operations do. */
export function isHot(shape: Shape): boolean {
  if (!HOT.has(shape.row.mnemonic)) return false;
  if (shape.stack === "s16" || shape.stack === "s32") return false;
  if (shape.asize === 16) return false;
  if (shape.row.operands.some((code) => /^(A|S)[a-z]|^[ECSDFG]S$/.test(code))) return false;
  if (shape.opsize === 16) return shape.row.mnemonic === "MOV" && shape.form !== "reg";
  return !(shape.form === "mea" && shape.row.mnemonic !== "MOV" && shape.row.mnemonic !== "ADD" && shape.row.mnemonic !== "CMP");
}
