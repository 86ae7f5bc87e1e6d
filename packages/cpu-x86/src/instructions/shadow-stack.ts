// Shadow stacks: RDSSP, INCSSP, WRSS, WRUSS and the change from one to another. SDM vol. 2, the instruction of each name.
import { ENFORCED } from "../cet/controls.ts";
import { anyOf } from "../emit/flat-segments.ts";
import { type Row, row, type Semantics } from "./row.ts";

const SHADOW = { cpuid: "shstk", protectedOnly: true } as const;

/** NOP where there is no shadow stack; the row is for where control flow is enforced. */
const rdssp: Semantics = (b, dst) =>
  b.when(anyOf(b, b.state("enforcement"), ENFORCED.shadowStack), () => dst!.store(b.state("ssp")));

const incssp: Semantics = (b, count) => b.helper("incssp", count!.load(), b.const(b.shape.opsize));

/** On eight bytes of memory, which are read and written. */
const onToken =
  (name: "rstorssp" | "clrssbsy"): Semantics =>
  (b, token) => {
    b.noteOperandAccess(8, false);
    b.helper(name, token!.address(), b.fields.segment());
  };

const write =
  (name: "wrss" | "wruss"): Semantics =>
  (b, element, value) => {
    b.noteOperandAccess(b.shape.opsize / 8, true);
    b.helper(name, element!.address(), value!.load(), b.const(b.shape.opsize), b.fields.segment());
  };

export const rows: readonly Row[] = [
  row("F3 0F 1E /1", "RDSSP", ["Ry"], rdssp, { ...SHADOW, enforced: true }),
  row("F3 0F AE /5", "INCSSP", ["Ry"], incssp, SHADOW),
  row("F3 0F 01 EA", "SAVEPREVSSP", [], (b) => b.helper("saveprevssp"), SHADOW),
  row("F3 0F 01 /5", "RSTORSSP", ["Mq"], onToken("rstorssp"), SHADOW),
  row("F3 0F 01 E8", "SETSSBSY", [], (b) => b.helper("setssbsy"), SHADOW),
  row("F3 0F AE /6", "CLRSSBSY", ["Mq"], onToken("clrssbsy"), SHADOW),
  row("NP 0F 38 F6 /r", "WRSS", ["My", "Gy"], write("wrss"), { ...SHADOW, no66: true }),
  row("66 0F 38 F5 /r", "WRUSS", ["My", "Gy"], write("wruss"), SHADOW),
];
