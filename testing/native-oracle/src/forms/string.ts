import { FLAGS } from "../cpu-state.ts";
import { type Draft, setFlag } from "../generate/draft.ts";
import { chooseStrings } from "../generate/implicit-operands.ts";
import { type Form, type FormOptions, form } from "./form.ts";

function prepareStrings(draft: Draft): void {
  const backwards = draft.random.oneIn(3);
  setFlag(draft, FLAGS.DF, backwards);
  const byte = draft.form.operands.some((code) => /^[XY]b$/.test(code));
  chooseStrings(draft, byte ? 1 : draft.operandBits / 8, backwards);
}

const REP: FormOptions = { repeat: "rep", prepare: prepareStrings };
const REPE: FormOptions = { repeat: "repe", prepare: prepareStrings };

/** String instructions with their repeat prefixes. */
export const string: readonly Form[] = [
  form("A4", "MOVS Yb,Xb", REP),
  form("A5", "MOVS Yv,Xv", REP),
  form("A6", "CMPS Xb,Yb", REPE),
  form("A7", "CMPS Xv,Yv", REPE),
  form("AA", "STOS Yb,AL", REP),
  form("AB", "STOS Yv,rAX", REP),
  form("AC", "LODS AL,Xb", REP),
  form("AD", "LODS rAX,Xv", REP),
  form("AE", "SCAS AL,Yb", REPE),
  form("AF", "SCAS rAX,Yv", REPE),
];
