/** Which instructions programs are made of, and how often each kind comes. */
import { FAMILIES } from "../forms/all-forms.ts";
import type { Form } from "../forms/form.ts";
import type { Random } from "../random.ts";
import { mayLeaveUndefinedFlags } from "../undefined-results.ts";

/**
 * 'defined': what is the same on every processor, for comparisons with the host's; 'all' for comparisons of our engines, which
 * agree on undefined results too; 'system' for programs at any privilege, whose system instructions are not drawn but built;
 * 'machine' for such programs on other emulators: integer instructions, no devices, no clocks.
 */
export type Vocabulary = "defined" | "all" | "system" | "machine";

/** Whether programs are also the kernel. */
export const isPrivileged = (vocabulary: Vocabulary): boolean => vocabulary === "system" || vocabulary === "machine";

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
  galois: 1,
  system: 1,
};

const HUNDRED: readonly string[] = Object.entries(WEIGHTS).flatMap(([family, weight]) => Array(weight).fill(family));
/** Emulators differ in floating point more than in what programs with privilege are for. */
const INTEGERS: ReadonlySet<string> = new Set(["alu", "data-movement", "shift", "bit", "string", "stack", "bmi"]);
const INTEGER_HUNDRED: readonly string[] = HUNDRED.filter((family) => INTEGERS.has(family));

/**
 * Where makers differ, or where more than an instruction is at work: the host's kernel saves x87 and AVX state between the
 * faults of a program, POPF may set TF, and INT may be answered by the kernel. AMD's CVTPI2PS and CVTPI2PD of memory do not report what is pending
 * of the x87; the manual's does. AMD's POPA keeps what it popped before a fault, which it pops again when it is restarted; by the manual
 * the state is that before the instruction (SDM vol. 3A, "Program or Task Restart"). Loops of PUSHA run the stack into the code, and random bytes are of all
 * these kinds; QEMU's pushes from the lowest address on. And GFNI, which many hosts lack.
 */
const NOT_DEFINED =
  /^(LAR|FNSTSW|FNSTENV|FNSAVE|FLDENV|FRSTOR|FXSAVE|FXRSTOR|XSAVE|XRSTOR|XGETBV|CMPS |POPF|ENTER|MOV Sw|CVTPI2P[SD]|POPA|PUSHA|V?GF2P8)/;
/** After one of these nothing else of a program can be reached. */
const DISRUPTIVE = /^(HLT|POPF|INT|IRET|SYS|LDS|LES|LSS|LFS|LGS|POP (ES|SS|DS|FS|GS)|WRFSBASE|WRGSBASE|MOV Sw)/;

/** With privilege these do something, to everything: HLT stops, and descriptor tables and control registers are not random. */
const NOT_FOR_KERNELS =
  /^(HLT|INVD|WBINVD|WRMSR|RDMSR|LLDT|LTR|LGDT|LIDT|LMSW|MOV (Cd|Dd|Sw)|SYSRET|XSETBV|SWAPGS|RSM|CLTS|INVPCID|IN |OUT |INS |OUTS )/;

/** Whether processors that are not ours run the programs, too. */
const isComparedWithOthers = (vocabulary: Vocabulary): boolean => vocabulary === "defined" || vocabulary === "machine";

/**
 * Where QEMU 7.2 is wrong: flags before CMPXCHG8B and CMPXCHG16B, of which only ZF may change, get lost; ADCX and ADOX leave bits of
 * their result in RFLAGS; F6 /1 and F7 /1 are #UD, not the TEST that processors have there (APM vol. 3, "Opcode Maps").
 */
const NOT_IN_QEMU = /^(CMPXCHG(8|16)B|BS[FR]$|AD[CO]X|F[67] \/1)/;

const label = ({ mnemonic, operands }: Form): string => `${mnemonic} ${operands.join(",")}`;

/** A form by weight. Disruptive ones are rare. */
export function pickForm(random: Random, vocabulary: Vocabulary): Form {
  for (;;) {
    const families = vocabulary === "machine" ? INTEGER_HUNDRED : HUNDRED;
    const form = random.pick(FAMILIES[random.pick(families)] as readonly Form[]);
    if (isComparedWithOthers(vocabulary) && NOT_DEFINED.test(label(form))) continue;
    if (vocabulary === "machine" && (NOT_IN_QEMU.test(form.mnemonic) || NOT_IN_QEMU.test(form.encoding))) continue;
    if (isPrivileged(vocabulary) && NOT_FOR_KERNELS.test(label(form))) continue;
    if (DISRUPTIVE.test(label(form)) && !random.oneIn(24)) continue;
    return form;
  }
}

/** Whether an instruction that sets all flags has to follow before anybody looks at them. */
export function needsDefinedFlags({ mnemonic }: Form, vocabulary: Vocabulary): boolean {
  return isComparedWithOthers(vocabulary) && mayLeaveUndefinedFlags(mnemonic);
}
