/** Which instructions programs are made of, and how often each kind comes. */
import { FAMILIES } from "../forms/all-forms.ts";
import type { Form } from "../forms/form.ts";
import type { Random } from "../random.ts";
import { mayLeaveUndefinedFlags } from "../undefined-results.ts";

/**
 * 'defined': what is the same on every processor, for comparisons with the host's; 'all' for comparisons of our engines, which
 * agree on undefined results too; 'system' for programs at any privilege, whose system instructions are not drawn but built.
 */
export type Vocabulary = "defined" | "all" | "system";

/** Chances of families in a hundred. Branches are not drawn but built, far transfers leave the code window. */
const WEIGHTS: Readonly<Record<string, number>> = {
  alu: 22,
  "data-movement": 16,
  shift: 8,
  bit: 5,
  string: 4,
  stack: 7,
  sse: 13,
  avx: 7,
  x87: 8,
  mmx: 3,
  bmi: 3,
  fma: 2,
  crypto: 1,
  system: 1,
};

const HUNDRED: readonly string[] = Object.entries(WEIGHTS).flatMap(([family, weight]) => Array(weight).fill(family));

/**
 * Where makers differ, or where more than an instruction is at work: the host's kernel saves x87 and AVX state between the
 * faults of a program, POPF may set TF, and INT may be answered by the kernel.
 */
const NOT_DEFINED =
  /^(LAR|FNSTSW|FNSTENV|FNSAVE|FLDENV|FRSTOR|FXSAVE|FXRSTOR|XSAVE|XRSTOR|XGETBV|CMPS |POPF|ENTER|MOV Sw)/;
/** After one of these nothing else of a program can be reached. */
const DISRUPTIVE = /^(HLT|POPF|INT|IRET|SYS|LDS|LES|LSS|LFS|LGS|POP (ES|SS|DS|FS|GS)|WRFSBASE|WRGSBASE|MOV Sw)/;

/** With privilege these do something, to everything: HLT stops, and descriptor tables and control registers are not random. */
const NOT_FOR_KERNELS =
  /^(HLT|INVD|WBINVD|WRMSR|RDMSR|LLDT|LTR|LGDT|LIDT|LMSW|MOV (Cd|Dd|Sw)|SYSRET|XSETBV|SWAPGS|RSM|CLTS|INVPCID|IN |OUT |INS |OUTS )/;

const label = ({ mnemonic, operands }: Form): string => `${mnemonic} ${operands.join(",")}`;

/** A form by weight. Disruptive ones are rare. */
export function pickForm(random: Random, vocabulary: Vocabulary): Form {
  for (;;) {
    const form = random.pick(FAMILIES[random.pick(HUNDRED)] as readonly Form[]);
    if (vocabulary === "defined" && NOT_DEFINED.test(label(form))) continue;
    if (vocabulary === "system" && NOT_FOR_KERNELS.test(label(form))) continue;
    if (DISRUPTIVE.test(label(form)) && !random.oneIn(24)) continue;
    return form;
  }
}

/** Whether an instruction that sets all flags has to follow before anybody looks at them. */
export function needsDefinedFlags({ mnemonic }: Form, vocabulary: Vocabulary): boolean {
  return vocabulary === "defined" && mayLeaveUndefinedFlags(mnemonic);
}
