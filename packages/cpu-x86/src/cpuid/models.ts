// CPU models, as `-cpu` names them: MODEL[,+feature][,-feature][,feature=on|off][,kvm=on|off]
// [,vendor=NAME][,phys-bits=N].

import { ABSENT_FEATURES, FEATURE, type FeatureName, Features, featureNamed } from "./features.ts";
import { CpuModelError } from "./model-error.ts";
import { type ModelProperties, parseProperty } from "./model-properties.ts";

/** What kind of processor the guest finds. */
export interface CpuModel {
  readonly name: string;
  /** Twelve characters of CPUID leaf 0. */
  readonly vendor: "AuthenticAMD" | "GenuineIntel";
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** Up to 47 characters. */
  readonly brand: string;
  readonly features: Features;
  /** Shows the KVM leaves and MSRs: the guest may use kvmclock. */
  readonly kvm: boolean;
  /** MAXPHYADDR. */
  readonly physicalBits: number;
}

const FEATURES_486: readonly FeatureName[] = ["fpu"];
const FEATURES_OPTERON_G1: readonly FeatureName[] = [
  "fpu",
  "de",
  "pse",
  "tsc",
  "msr",
  "pae",
  "mce",
  "cx8",
  "apic",
  "sep",
  "mtrr",
  "pge",
  "mca",
  "cmov",
  "pat",
  "pse36",
  "clflush",
  "mmx",
  "fxsr",
  "sse",
  "sse2",
  "sse3",
  "syscall",
  "nx",
  "lm",
];
const FEATURES_QEMU64: readonly FeatureName[] = [
  ...FEATURES_OPTERON_G1,
  "cx16",
  "hypervisor",
  "lahf-lm",
  "arat",
  "invtsc",
  "x2apic",
  "tsc-deadline",
  "tsc-adjust",
  "rdtscp",
  "null-sel-clr-base",
];
const FEATURES_V2: readonly FeatureName[] = [...FEATURES_QEMU64, "popcnt", "ssse3", "sse4.1", "sse4.2"];
const FEATURES_V3: readonly FeatureName[] = [
  ...FEATURES_V2,
  "xsave",
  "avx",
  "avx2",
  "bmi1",
  "bmi2",
  "f16c",
  "fma",
  "abm",
  "movbe",
];
const KVM_FEATURES: readonly FeatureName[] = ["kvmclock", "kvmclock-stable-bit"];
/** 5-level paging is slower and no default anywhere; it has to be asked for. */
const ON_REQUEST: ReadonlySet<FeatureName> = new Set(["la57", ...KVM_FEATURES]);

type Base = Omit<CpuModel, "name" | "features" | "kvm"> & {
  /** For `-cpu help`. */
  readonly help: string;
  readonly features: readonly FeatureName[];
};

// The vendor is AMD so that guests do not defend themselves against Meltdown, which we do not have.
const MODELS: Readonly<Record<string, Base>> = {
  max: {
    help: "everything tsvm has",
    vendor: "AuthenticAMD",
    family: 15,
    model: 107,
    stepping: 1,
    brand: "TSVM maximal processor",
    physicalBits: 40,
    features: (Object.keys(FEATURE) as FeatureName[]).filter((name) => !ON_REQUEST.has(name)),
  },
  qemu64: {
    help: "QEMU's default CPU: x86-64 with SSE3",
    vendor: "AuthenticAMD",
    family: 15,
    model: 107,
    stepping: 1,
    brand: "TSVM 64-bit processor",
    physicalBits: 40,
    features: FEATURES_QEMU64,
  },
  "x86-64-v2": {
    help: "x86-64 psABI level 2: SSE4.2, SSSE3, POPCNT, CMPXCHG16B",
    vendor: "AuthenticAMD",
    family: 15,
    model: 107,
    stepping: 1,
    brand: "TSVM x86-64-v2 processor",
    physicalBits: 40,
    features: FEATURES_V2,
  },
  "x86-64-v3": {
    help: "x86-64 psABI level 3: AVX2, BMI2, F16C, FMA, LZCNT, MOVBE",
    vendor: "AuthenticAMD",
    family: 15,
    model: 107,
    stepping: 1,
    brand: "TSVM x86-64-v3 processor",
    physicalBits: 40,
    features: FEATURES_V3,
  },
  Opteron_G1: {
    help: "QEMU's AMD Opteron 240: x86-64 with SSE3",
    vendor: "AuthenticAMD",
    family: 15,
    model: 6,
    stepping: 1,
    brand: "AMD Opteron 240 (Gen 1 Class Opteron)",
    physicalBits: 40,
    features: FEATURES_OPTERON_G1,
  },
  "486": {
    help: "Intel 80486: 32 bits, no MMX, no TSC",
    vendor: "GenuineIntel",
    family: 4,
    model: 8,
    stepping: 0,
    brand: "",
    physicalBits: 32,
    features: FEATURES_486,
  },
};

/** Names that `parseCpuModel` takes before the first comma. */
export const CPU_MODEL_NAMES: readonly string[] = Object.keys(MODELS);

/** What each model is, in a few words, by name. */
export const CPU_MODEL_HELP: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(MODELS).map(([name, { help }]) => [name, help]),
);

/** Names that `parseCpuModel` takes behind a comma. */
export const CPU_FEATURE_NAMES: readonly string[] = [...Object.keys(FEATURE), "kvm"].sort();

/** Reads a `-cpu` argument. @throws CpuModelError naming the nearest model or feature. */
export function parseCpuModel(text: string): CpuModel {
  const [name = "", ...options] = text.split(",").map((part) => part.trim());
  const base = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (base === undefined) {
    throw new CpuModelError(`-cpu: no model "${name}"; ${hint(name, CPU_MODEL_NAMES)}`);
  }
  const features = new Set<FeatureName>(base.features);
  let kvm = false;
  let properties: ModelProperties = {};
  for (const option of options) {
    const property = parseProperty(option);
    if (property !== undefined) {
      properties = { ...properties, ...property };
      continue;
    }
    const { feature, on } = parseOption(option);
    if (feature === "kvm") kvm = on;
    else if (feature !== undefined) setFeature(features, feature, on);
  }
  if (kvm) for (const feature of KVM_FEATURES) features.add(feature);
  else for (const feature of KVM_FEATURES) features.delete(feature);
  const { help: _, ...rest } = base;
  return { ...rest, ...properties, name: text, features: new Features(features), kvm };
}

/** `feature` undefined: something absent was switched off, which it is. */
function parseOption(option: string): { feature: FeatureName | "kvm" | undefined; on: boolean } {
  const match = /^(?:([+-])([\w.-]+)|([\w.-]+)=(on|off))$/i.exec(option);
  if (match === null) {
    throw new CpuModelError(`-cpu: cannot read "${option}"; write "+feature", "-feature" or "feature=on"`);
  }
  const name = (match[2] ?? match[3]) as string;
  const on = match[1] === "+" || match[4]?.toLowerCase() === "on";
  if (name.toLowerCase() === "kvm") return { feature: "kvm", on };
  const feature = featureNamed(name);
  if (feature === undefined) {
    const absent = ABSENT_FEATURES.includes(name.toLowerCase().replaceAll("_", "-"));
    if (absent && on) throw new CpuModelError(`-cpu: feature "${name}" is not implemented`);
    if (!absent) {
      throw new CpuModelError(`-cpu: no feature "${name}"; ${hint(name, CPU_FEATURE_NAMES)}`);
    }
  }
  return { feature, on };
}

/** What a feature cannot do without. */
const NEEDS: Readonly<Partial<Record<FeatureName, readonly FeatureName[]>>> = {
  sse: ["fxsr", "mmx"],
  sse2: ["sse"],
  sse3: ["sse2"],
  ssse3: ["sse3"],
  "sse4.1": ["ssse3"],
  "sse4.2": ["sse4.1"],
  xsaveopt: ["xsave"],
  xsavec: ["xsave"],
  xgetbv1: ["xsave"],
  xsaves: ["xsavec"],
  avx: ["xsave", "sse4.2"],
  avx2: ["avx"],
  fma: ["avx"],
  f16c: ["avx"],
  avx512f: ["avx2", "fma", "f16c"],
  avx512vl: ["avx512f"],
  avx512cd: ["avx512f"],
  avx512dq: ["avx512f"],
  avx512bw: ["avx512f"],
  aes: ["sse2"],
  pclmulqdq: ["sse2"],
  "sha-ni": ["sse2"],
  gfni: ["sse2"],
  vaes: ["aes", "avx"],
  vpclmulqdq: ["pclmulqdq", "avx"],
  xsave: ["fxsr"],
  lm: ["pae", "msr", "cx8", "syscall"],
  pcid: ["lm"],
  pdpe1gb: ["lm"],
  la57: ["lm"],
  x2apic: ["apic", "msr"],
  "tsc-deadline": ["apic", "tsc", "msr"],
  "tsc-adjust": ["tsc", "msr"],
  rdtscp: ["tsc"],
  mmx: ["fpu"],
  fxsr: ["fpu"],
  fsgsbase: ["lm"],
  pku: ["lm", "xsave"],
  pks: ["lm"],
  shstk: ["lm", "msr"],
  ibt: ["lm", "msr"],
  lam: ["lm"],
};

/** Adding a feature adds what it needs; removing one removes what needs it. */
function setFeature(features: Set<FeatureName>, feature: FeatureName, on: boolean): void {
  if (on) {
    features.add(feature);
    for (const need of NEEDS[feature] ?? []) setFeature(features, need, true);
    return;
  }
  features.delete(feature);
  for (const [other, needs] of Object.entries(NEEDS) as [FeatureName, readonly FeatureName[]][]) {
    if (needs.includes(feature) && features.has(other)) setFeature(features, other, false);
  }
}

/** The nearest candidate, unless more than a third of the letters would have to change: then where the list is. */
function hint(word: string, candidates: readonly string[]): string {
  let best = "";
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best === "" ? "-cpu help lists them" : `nearest is "${best}"`;
}

/** Insertions, deletions and replacements that turn one word into the other. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
