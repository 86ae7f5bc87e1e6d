// CPU features by the names QEMU gives them, and where CPUID shows them. SDM vol. 2A, "CPUID"; AMD APM vol. 3,
// "Obtaining Processor Information Via the CPUID Instruction".

/** Registers of CPUID leaves that hold features: leaf, subleaf and register are in the name. */
const WORDS = [
  "1.edx",
  "1.ecx",
  "7.ebx",
  "7.ecx",
  "7.edx",
  "7.1.eax",
  "d.1.eax",
  "6.eax",
  "80000001.edx",
  "80000001.ecx",
  "80000007.edx",
  "80000008.ebx",
  "80000021.eax",
  "40000001.eax",
] as const;
/** Name of a CPUID register that holds features. */
export type FeatureWord = (typeof WORDS)[number];

/**
 * Features that are implemented. Names and bits are QEMU's (`qemu -cpu help`) and Linux'; nothing may be listed that the
 * instruction tables do not have.
 */
export const FEATURE = {
  fpu: ["1.edx", 0],
  de: ["1.edx", 2],
  pse: ["1.edx", 3],
  tsc: ["1.edx", 4],
  msr: ["1.edx", 5],
  pae: ["1.edx", 6],
  mce: ["1.edx", 7],
  cx8: ["1.edx", 8],
  apic: ["1.edx", 9],
  sep: ["1.edx", 11],
  mtrr: ["1.edx", 12],
  pge: ["1.edx", 13],
  mca: ["1.edx", 14],
  cmov: ["1.edx", 15],
  pat: ["1.edx", 16],
  pse36: ["1.edx", 17],
  clflush: ["1.edx", 19],
  mmx: ["1.edx", 23],
  fxsr: ["1.edx", 24],
  sse: ["1.edx", 25],
  sse2: ["1.edx", 26],
  sse3: ["1.ecx", 0],
  pclmulqdq: ["1.ecx", 1],
  monitor: ["1.ecx", 3],
  ssse3: ["1.ecx", 9],
  fma: ["1.ecx", 12],
  cx16: ["1.ecx", 13],
  pcid: ["1.ecx", 17],
  "sse4.1": ["1.ecx", 19],
  "sse4.2": ["1.ecx", 20],
  x2apic: ["1.ecx", 21],
  movbe: ["1.ecx", 22],
  popcnt: ["1.ecx", 23],
  "tsc-deadline": ["1.ecx", 24],
  aes: ["1.ecx", 25],
  xsave: ["1.ecx", 26],
  avx: ["1.ecx", 28],
  f16c: ["1.ecx", 29],
  rdrand: ["1.ecx", 30],
  hypervisor: ["1.ecx", 31],
  arat: ["6.eax", 2],
  fsgsbase: ["7.ebx", 0],
  "tsc-adjust": ["7.ebx", 1],
  bmi1: ["7.ebx", 3],
  avx2: ["7.ebx", 5],
  smep: ["7.ebx", 7],
  bmi2: ["7.ebx", 8],
  erms: ["7.ebx", 9],
  invpcid: ["7.ebx", 10],
  avx512f: ["7.ebx", 16],
  avx512dq: ["7.ebx", 17],
  rdseed: ["7.ebx", 18],
  adx: ["7.ebx", 19],
  smap: ["7.ebx", 20],
  clflushopt: ["7.ebx", 23],
  clwb: ["7.ebx", 24],
  avx512cd: ["7.ebx", 28],
  "sha-ni": ["7.ebx", 29],
  avx512bw: ["7.ebx", 30],
  avx512vl: ["7.ebx", 31],
  umip: ["7.ecx", 2],
  pku: ["7.ecx", 3],
  shstk: ["7.ecx", 7],
  gfni: ["7.ecx", 8],
  vaes: ["7.ecx", 9],
  vpclmulqdq: ["7.ecx", 10],
  la57: ["7.ecx", 16],
  rdpid: ["7.ecx", 22],
  movdiri: ["7.ecx", 27],
  movdir64b: ["7.ecx", 28],
  pks: ["7.ecx", 31],
  fsrm: ["7.edx", 4],
  serialize: ["7.edx", 14],
  ibt: ["7.edx", 20],
  lam: ["7.1.eax", 26],
  xsaveopt: ["d.1.eax", 0],
  xsavec: ["d.1.eax", 1],
  xgetbv1: ["d.1.eax", 2],
  xsaves: ["d.1.eax", 3],
  syscall: ["80000001.edx", 11],
  nx: ["80000001.edx", 20],
  pdpe1gb: ["80000001.edx", 26],
  rdtscp: ["80000001.edx", 27],
  lm: ["80000001.edx", 29],
  "lahf-lm": ["80000001.ecx", 0],
  abm: ["80000001.ecx", 5],
  "3dnowprefetch": ["80000001.ecx", 8],
  invtsc: ["80000007.edx", 8],
  "null-sel-clr-base": ["80000021.eax", 6],
  "auto-ibrs": ["80000021.eax", 8],
  kvmclock: ["40000001.eax", 3],
  "kvmclock-stable-bit": ["40000001.eax", 24],
} as const satisfies Readonly<Record<string, readonly [FeatureWord, number]>>;

/** Name of a feature that exists. */
export type FeatureName = keyof typeof FEATURE;

/** Other spellings. */
const ALIASES: Readonly<Record<string, FeatureName>> = {
  "sse4-1": "sse4.1",
  sse4_1: "sse4.1",
  "sse4-2": "sse4.2",
  sse4_2: "sse4.2",
  pni: "sse3",
  lzcnt: "abm",
  tsc_adjust: "tsc-adjust",
  xd: "nx",
  lahf_lm: "lahf-lm",
  i64: "lm",
  cx8: "cx8",
  cmpxchg16b: "cx16",
};

/** Features that QEMU knows and this processor does not have: a request for one is refused by name. */
export const ABSENT_FEATURES: readonly string[] = [
  "3dnow",
  "3dnowext",
  "abm-intel",
  "acpi",
  "amx-tile",
  "arch-capabilities",
  "cldemote",
  "cmp-legacy",
  "cr8legacy",
  "dca",
  "ds",
  "ds-cpl",
  "dtes64",
  "est",
  "fma4",
  "fxsr-opt",
  "hle",
  "ht",
  "ia64",
  "misalignsse",
  "mmxext",
  "mpx",
  "nodeid-msr",
  "npt",
  "osvw",
  "pbe",
  "pdcm",
  "perfctr-core",
  "pn",
  "rtm",
  "skinit",
  "smx",
  "spec-ctrl",
  "ss",
  "sse4a",
  "ssbd",
  "stibp",
  "svm",
  "tbm",
  "tm",
  "tm2",
  "topoext",
  "vme",
  "vmx",
  "waitpkg",
  "wdt",
  "x2apic-ext",
  "xop",
  "xtpr",
];

/** The feature a name stands for, or undefined. */
export function featureNamed(name: string): FeatureName | undefined {
  const plain = name.toLowerCase();
  if (Object.hasOwn(FEATURE, plain)) return plain as FeatureName;
  if (Object.hasOwn(ALIASES, plain)) return ALIASES[plain];
  const dashed = plain.replaceAll("_", "-");
  return Object.hasOwn(FEATURE, dashed) ? (dashed as FeatureName) : undefined;
}

/** A set of features. */
export class Features {
  readonly #names: ReadonlySet<FeatureName>;
  readonly #words = new Map<FeatureWord, number>();

  constructor(names: Iterable<FeatureName>) {
    this.#names = new Set(names);
    for (const name of this.#names) {
      const [word, bit] = FEATURE[name];
      this.#words.set(word, this.word(word) | (1 << bit));
    }
  }

  /**
   * False for the absent ones too: instruction rows may be ahead of the models.
   * @throws Error for a name that is no feature: a mistake in our tables, not of a user.
   */
  has(name: string): boolean {
    const feature = featureNamed(name);
    if (feature !== undefined) return this.#names.has(feature);
    if (ABSENT_FEATURES.includes(name)) return false;
    throw new Error(`no CPU feature is named "${name}"`);
  }

  /** The value of one CPUID register. */
  word(word: FeatureWord): number {
    return (this.#words.get(word) ?? 0) >>> 0;
  }

  get names(): readonly FeatureName[] {
    return [...this.#names];
  }
}
