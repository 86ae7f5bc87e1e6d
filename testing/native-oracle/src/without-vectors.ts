import { allRows } from "@tsvm/cpu-x86";

/** Instructions on mask registers. */
const opmask = [...new Set(allRows.filter(({ wideVectors }) => wideVectors).map(({ mnemonic }) => mnemonic))];

/** Instructions that have no vectors, and why: everything else that user code can run must have a form. */
export const WITHOUT_VECTORS: readonly { readonly mnemonics: readonly string[]; readonly reason: string }[] = [
  {
    mnemonics: ["CPUID", "RDTSC", "RDTSCP", "RDPID", "RDPMC", "RDRAND", "RDSEED"],
    reason: "the result is the host's own: its identity, its clock, its chance",
  },
  {
    mnemonics: ["SYSCALL", "SYSENTER", "SYSEXIT", "INT1", "MONITOR", "MWAIT"],
    reason: "it ends in the host's kernel, which answers instead of the CPU",
  },
  {
    mnemonics: ["SLDT", "STR", "SGDT", "SIDT", "SMSW"],
    reason: "the host has UMIP on, and its kernel makes up results",
  },
  {
    mnemonics: ["RDPKRU", "WRPKRU"],
    reason: "the harness lives behind the same protection keys",
  },
  {
    mnemonics: ["MOVDIRI", "MOVDIR64B", "SERIALIZE"],
    reason: "no processor that has it was at hand; unit tests compare with the manual's Operation section",
  },
  {
    mnemonics: opmask,
    reason: "recorded as hashes, as all that has EVEX is",
  },
  {
    mnemonics: [
      "ENDBR32",
      "ENDBR64",
      "RDSSP",
      "INCSSP",
      "SAVEPREVSSP",
      "RSTORSSP",
      "SETSSBSY",
      "CLRSSBSY",
      "WRSS",
      "WRUSS",
    ],
    reason:
      "the host's kernel gives programs neither shadow stacks nor tracked branches; unit tests have the manual's Operation section",
  },
  {
    mnemonics: ["RCPPS", "RCPSS", "RSQRTPS", "RSQRTSS", "F2XM1", "FYL2X", "FYL2XP1", "FPTAN", "FPATAN"],
    reason: "the last bits of the result are the maker's",
  },
  { mnemonics: ["FSIN", "FCOS", "FSINCOS"], reason: "the last bits of the result are the maker's" },
  {
    mnemonics: ["FNSTENV", "FNSAVE"],
    reason: "the instruction pointers they store differ between makers",
  },
  { mnemonics: ["UD0"], reason: "makers disagree about its length" },
  {
    mnemonics: ["NOP", "PREFETCH", "PREFETCHW", "LFENCE", "MFENCE", "SFENCE"],
    reason: "hints and fences: forms of some of their encodings show that nothing happens",
  },
];
