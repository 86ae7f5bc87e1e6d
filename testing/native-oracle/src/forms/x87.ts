import { createInitialState, FXSAVE } from "../cpu-state.ts";
import type { ContentType } from "../environment.ts";
import { type Draft, patch } from "../generate/draft.ts";
import { type Form, type FormOptions, form } from "./form.ts";

const X87: FormOptions = { flavour: "x87" };
const memory = (content: ContentType): FormOptions => ({ flavour: "x87", content });
const SINGLE = memory("single");
const DOUBLE = memory("double");
const INTEGER = memory("integer");

/** In digit order of D8, DC, DA and DE. */
const ARITHMETIC = ["FADD", "FMUL", "FCOM", "FCOMP", "FSUB", "FSUBR", "FDIV", "FDIVR"] as const;

function hex(value: number): string {
  return value.toString(16).toUpperCase();
}

/** DC and DE count from the other operand: their subtractions and divisions are swapped. */
const SWAPPED = ["FADD", "FMUL", "FCOM", "FCOMP", "FSUBR", "FSUB", "FDIVR", "FDIV"] as const;

const arithmetic: readonly Form[] = ARITHMETIC.flatMap((name, digit) => {
  const integerName = name.replace("F", "FI");
  const register = hex(0xc0 + digit * 8);
  return [
    form(`D8 /${digit}`, `${name} Md`, SINGLE),
    form(`DC /${digit}`, `${name} Mq`, DOUBLE),
    form(`DA /${digit}`, `${integerName} Md`, INTEGER),
    form(`DE /${digit}`, `${integerName} Mw`, INTEGER),
    form(`D8 ${register}+i`, `${name} ST0,STi`, X87),
    form(`DC ${register}+i`, `${SWAPPED[digit]} STi,ST0`, X87),
    ...(digit === 2 || digit === 3 ? [] : [form(`DE ${register}+i`, `${SWAPPED[digit]}P STi,ST0`, X87)]),
  ];
});

/** FLDCW and FLDENV must not leave an unmasked exception pending: it would hit the recorder's next x87 instruction. */
function chooseControlWord(draft: Draft): void {
  if (draft.memoryAddress === undefined) return;
  patch(draft, draft.memoryAddress, BigInt((draft.random.u32() & 0xfff) | 0x7f), 2);
}

/** Environment as FLDENV reads it, in operand-size words, all exceptions masked. SDM vol. 1, "x87 FPU State". */
function environmentImage({ random, operandBits }: Draft): Uint8Array {
  const word = operandBits === 16 ? 2 : 4;
  const image = new Uint8Array(7 * word);
  const view = new DataView(image.buffer);
  view.setUint16(0, (random.u32() & 0xf40) | 0x7f, true);
  // Neither ES nor B: with everything masked nothing is pending.
  view.setUint16(word, random.u32() & 0x7f7f, true);
  view.setUint16(2 * word, random.u32() & 0xffff, true);
  return image;
}

function chooseEnvironment(draft: Draft): void {
  if (draft.memoryAddress === undefined) return;
  draft.patches.push({ address: draft.memoryAddress, bytes: environmentImage(draft) });
}

/** FRSTOR's image: environment, then ST(0) to ST(7) of ten bytes. */
function chooseSavedState(draft: Draft): void {
  if (draft.memoryAddress === undefined) return;
  const { fxsave } = createInitialState(draft.environment, draft.random.below(1 << 14), "x87");
  const registers = Array.from({ length: 8 }, (_, i) => fxsave.subarray(FXSAVE.st + i * 16, FXSAVE.st + i * 16 + 10));
  const bytes = Uint8Array.from([...environmentImage(draft), ...registers.flatMap((register) => [...register])]);
  draft.patches.push({ address: draft.memoryAddress, bytes });
}

/** FXRSTOR's image is another seed's state; now and then its MXCSR has a reserved bit. */
function chooseFxsaveImage(draft: Draft): void {
  const { random, memoryAddress, environment } = draft;
  if (memoryAddress === undefined) return;
  const { fxsave } = createInitialState(environment, random.below(1 << 14), random.pick(["x87", "single", "mmx"]));
  if (random.oneIn(8)) new DataView(fxsave.buffer).setUint32(FXSAVE.mxcsr, 0x1_1f80, true);
  draft.patches.push({ address: memoryAddress, bytes: fxsave });
}

/** Moves and conversions. */
const moves: readonly Form[] = [
  form("D9 /0", "FLD Md", SINGLE),
  form("DD /0", "FLD Mq", DOUBLE),
  form("DB /5", "FLD Mt", memory("extended")),
  form("D9 C0+i", "FLD STi", X87),
  form("D9 /2", "FST Md", X87),
  form("D9 /3", "FSTP Md", X87),
  form("DD /2", "FST Mq", X87),
  form("DD /3", "FSTP Mq", X87),
  form("DB /7", "FSTP Mt", X87),
  form("DD D0+i", "FST STi", X87),
  form("DD D8+i", "FSTP STi", X87),
  form("DF /0", "FILD Mw", INTEGER),
  form("DB /0", "FILD Md", INTEGER),
  form("DF /5", "FILD Mq", INTEGER),
  form("DF /2", "FIST Mw", X87),
  form("DF /3", "FISTP Mw", X87),
  form("DB /2", "FIST Md", X87),
  form("DB /3", "FISTP Md", X87),
  form("DF /7", "FISTP Mq", X87),
  form("DF /1", "FISTTP Mw", X87),
  form("DB /1", "FISTTP Md", X87),
  form("DD /1", "FISTTP Mq", X87),
  form("DF /4", "FBLD Mt", memory("decimal")),
  form("DF /6", "FBSTP Mt", X87),
  form("D9 C8+i", "FXCH STi", X87),
  form("DD C0+i", "FFREE STi", X87),
  form("D9 E8", "FLD1", X87),
  form("D9 E9", "FLDL2T", X87),
  form("D9 EA", "FLDL2E", X87),
  form("D9 EB", "FLDPI", X87),
  form("D9 EC", "FLDLG2", X87),
  form("D9 ED", "FLDLN2", X87),
  form("D9 EE", "FLDZ", X87),
];

const CONDITIONAL = [
  "DA C0 FCMOVB",
  "DA C8 FCMOVE",
  "DA D0 FCMOVBE",
  "DA D8 FCMOVU",
  "DB C0 FCMOVNB",
  "DB C8 FCMOVNE",
  "DB D0 FCMOVNBE",
  "DB D8 FCMOVNU",
];

const comparison: readonly Form[] = [
  ...CONDITIONAL.map((line) => form(`${line.slice(0, 5)}+i`, `${line.slice(6)} ST0,STi`, X87)),
  form("DE D9", "FCOMPP", X87),
  form("DA E9", "FUCOMPP", X87),
  form("DD E0+i", "FUCOM STi", X87),
  form("DD E8+i", "FUCOMP STi", X87),
  form("DB F0+i", "FCOMI ST0,STi", X87),
  form("DF F0+i", "FCOMIP ST0,STi", X87),
  form("DB E8+i", "FUCOMI ST0,STi", X87),
  form("DF E8+i", "FUCOMIP ST0,STi", X87),
  form("D9 E4", "FTST", X87),
  form("D9 E5", "FXAM", X87),
];

/** Transcendental functions are absent: their last bits are the maker's. */
const unary: readonly Form[] = [
  form("D9 E0", "FCHS", X87),
  form("D9 E1", "FABS", X87),
  form("D9 FA", "FSQRT", X87),
  form("D9 FC", "FRNDINT", X87),
  form("D9 F4", "FXTRACT", X87),
  form("D9 FD", "FSCALE", X87),
  form("D9 F8", "FPREM", X87),
  form("D9 F5", "FPREM1", X87),
];

const control: readonly Form[] = [
  form("D9 /5", "FLDCW Mw", { ...X87, prepare: chooseControlWord }),
  form("D9 /4", "FLDENV M", { ...X87, sized: true, noRexW: true, prepare: chooseEnvironment }),
  form("DD /4", "FRSTOR M", { ...X87, sized: true, noRexW: true, prepare: chooseSavedState }),
  form("0F AE /1", "FXRSTOR Mdq", { ...X87, prepare: chooseFxsaveImage }),
  form("D9 /7", "FNSTCW Mw", X87),
  form("DD /7", "FNSTSW Mw", X87),
  form("DF E0", "FNSTSW AX", X87),
  form("DB E2", "FNCLEX", X87),
  form("DB E3", "FNINIT", X87),
  form("D9 D0", "FNOP", X87),
  form("D9 F6", "FDECSTP", X87),
  form("D9 F7", "FINCSTP", X87),
  form("9B", "FWAIT", X87),
  form("DB E0", "FNENI", X87),
  form("DB E1", "FNDISI", X87),
  form("DB E4", "FNSETPM", X87),
];

/** Other encodings of the same, which no assembler writes. */
const aliases: readonly Form[] = [
  form("DC D0+i", "FCOM STi", X87),
  form("DC D8+i", "FCOMP STi", X87),
  form("DE D0+i", "FCOMP STi", X87),
  form("D9 D8+i", "FSTP STi", X87),
  form("DF D0+i", "FSTP STi", X87),
  form("DF D8+i", "FSTP STi", X87),
  form("DD C8+i", "FXCH STi", X87),
  form("DF C8+i", "FXCH STi", X87),
  form("DF C0+i", "FFREEP STi", X87),
];

/** x87, without what depends on the maker: transcendental functions and saved instruction pointers. */
export const x87: readonly Form[] = [...arithmetic, ...moves, ...comparison, ...unary, ...control, ...aliases];
