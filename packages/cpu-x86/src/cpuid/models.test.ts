import { describe, expect, it } from "vitest";
import { CpuModelError } from "./model-error.ts";
import { CPU_MODEL_NAMES, parseCpuModel } from "./models.ts";

const refusal = (text: string): string => {
  try {
    parseCpuModel(text);
  } catch (error) {
    if (error instanceof CpuModelError) return error.message;
    throw error;
  }
  return "none";
};

describe("-cpu", () => {
  it.each(CPU_MODEL_NAMES)("%s is a model", (name) => {
    expect(parseCpuModel(name).features.has("fpu")).toBe(true);
  });

  it("adds and removes features in every spelling", () => {
    const { features } = parseCpuModel("qemu64,+popcnt,sse4_1=on,-cx16,nx=off");
    expect(["popcnt", "sse4.1", "ssse3", "cx16", "nx"].map((name) => features.has(name))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it("takes another make and another width of addresses", () => {
    const { vendor, physicalBits } = parseCpuModel("max,vendor=GenuineIntel,phys-bits=36,host-phys-bits=off");
    expect([vendor, physicalBits]).toEqual(["GenuineIntel", 36]);
    expect(parseCpuModel("max,host-phys-bits").physicalBits).toBe(40);
    expect(refusal("max,vendor=Cyrix")).toBe("-cpu: vendor is AuthenticAMD or GenuineIntel");
    expect(refusal("max,phys-bits=53")).toBe("-cpu: phys-bits is a number from 32 to 52");
    expect(refusal("max,host-phys-bits=maybe")).toBe("-cpu: host-phys-bits is on or off");
  });

  it("removes what cannot be without the removed", () => {
    const { features } = parseCpuModel("max,-sse2");
    expect(["sse", "sse2", "sse3", "sse4.2"].map((name) => features.has(name))).toEqual([true, false, false, false]);
    expect(parseCpuModel("max,-lm").features.has("pcid")).toBe(false);
    const wide = (text: string): string =>
      parseCpuModel(text)
        .features.names.filter((name) => name.startsWith("avx"))
        .toSorted()
        .join();
    const all = "avx,avx2,avx512bw,avx512cd,avx512dq,avx512f,avx512vl";
    expect([wide("max"), wide("max,-avx512f"), wide("x86-64-v3")]).toEqual([all, "avx,avx2", "avx,avx2"]);
  });

  it("has the KVM leaves on request only", () => {
    expect([parseCpuModel("max").kvm, parseCpuModel("max,kvm=on").kvm]).toEqual([false, true]);
    expect(parseCpuModel("max").features.has("kvmclock")).toBe(false);
    expect(parseCpuModel("max,kvm=on").features.has("kvmclock")).toBe(true);
  });

  it("names the nearest valid word", () => {
    expect(refusal("qemu65")).toBe('-cpu: no model "qemu65"; nearest is "qemu64"');
    expect(refusal("max,+popcn")).toBe('-cpu: no feature "popcn"; nearest is "popcnt"');
    expect(refusal("frobnicator")).toBe('-cpu: no model "frobnicator"; -cpu help lists them');
    expect(refusal("max,+frobnication")).toBe('-cpu: no feature "frobnication"; -cpu help lists them');
    expect(refusal("max,+amx-tile")).toBe('-cpu: feature "amx-tile" is not implemented');
    expect(refusal("max,popcnt")).toMatch(/cannot read "popcnt"/);
    expect(refusal("")).toMatch(/no model ""/);
    expect(refusal("max,-avx")).toBe("none");
    expect(refusal("__proto__")).toMatch(/no model/);
  });
});
