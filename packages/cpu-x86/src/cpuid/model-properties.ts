// What `-cpu` may say of a processor beside its features.
import { CpuModelError } from "./model-error.ts";
import type { CpuModel } from "./models.ts";

/** What of a model a property replaces. */
export type ModelProperties = Partial<Pick<CpuModel, "vendor" | "physicalBits">>;

const VENDORS: readonly CpuModel["vendor"][] = ["AuthenticAMD", "GenuineIntel"];
const PHYSICAL_BITS_MIN = 32;
const PHYSICAL_BITS_MAX = 52;

/** What `NAME=VALUE` replaces, or undefined if `option` is a feature. @throws CpuModelError naming what it takes. */
export function parseProperty(option: string): ModelProperties | undefined {
  const [name, value = ""] = option.toLowerCase().split("=", 2);
  switch (name) {
    case "vendor":
      return { vendor: parseVendor(value) };
    case "phys-bits":
      return { physicalBits: parsePhysicalBits(value) };
    case "host-phys-bits":
      return parseHostBits(value);
    default:
      return undefined;
  }
}

function parseVendor(value: string): CpuModel["vendor"] {
  const vendor = VENDORS.find((name) => name.toLowerCase() === value);
  if (vendor === undefined) throw new CpuModelError(`-cpu: vendor is ${VENDORS.join(" or ")}`);
  return vendor;
}

function parsePhysicalBits(value: string): number {
  const bits = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (bits >= PHYSICAL_BITS_MIN && bits <= PHYSICAL_BITS_MAX) return bits;
  throw new CpuModelError(`-cpu: phys-bits is a number from ${PHYSICAL_BITS_MIN} to ${PHYSICAL_BITS_MAX}`);
}

/** QEMU takes the host's width for it under KVM and nothing otherwise, nor is there a host processor here. */
function parseHostBits(value: string): ModelProperties {
  if (!["", "on", "off"].includes(value)) throw new CpuModelError("-cpu: host-phys-bits is on or off");
  return {};
}
