import { ConfigError } from "@tsvm/contracts";
import type { PciAddress } from "@tsvm/machine-pc";

/** A property of a device: what it may be. `default` undefined: the device goes without. */
export type DeviceProperty = { readonly help: string } & (
  | { readonly type: "number"; readonly default?: number; readonly min: number; readonly max: number }
  | { readonly type: "text" }
  /** The name of an entry of the options `drives` or `chardevs`. */
  | { readonly type: "drive" | "chardev" }
  | { readonly type: "switch"; readonly default: boolean }
  /** Device and function number on the PCI bus in hexadecimal: `05`, `5.0`. */
  | { readonly type: "address" }
);

/** A property's value, read. */
export type PropertyValue = number | string | boolean | PciAddress;

/**
 * Reads one value; `where` names device and property for messages.
 * @throws ConfigError `CONFIG_DEVICE` saying what it takes.
 */
export function readProperty(where: string, property: DeviceProperty, given: number | string): PropertyValue {
  switch (property.type) {
    case "number":
      return readNumber(where, property, given);
    case "switch":
      return readSwitch(where, String(given));
    case "address":
      return readAddress(where, String(given));
    default:
      return String(given);
  }
}

function readNumber(
  where: string,
  { min, max, default: usual = min }: { readonly min: number; readonly max: number; readonly default?: number },
  given: number | string,
): number {
  const value = typeof given === "number" ? given : parseNumber(given);
  if (value !== undefined && Number.isInteger(value) && value >= min && value <= max) return value;
  const range = `0x${min.toString(16)} to 0x${max.toString(16)}`;
  throw invalid(`${where} '${given}': must be a number from ${range}, for example 0x${usual.toString(16)}`);
}

/** Decimal, or hexadecimal with 0x. */
function parseNumber(text: string): number | undefined {
  return /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : undefined;
}

/** As QEMU has them. */
function readSwitch(where: string, text: string): boolean {
  if (["on", "true", "yes"].includes(text)) return true;
  if (["off", "false", "no"].includes(text)) return false;
  throw invalid(`${where} '${text}': must be on or off`);
}

function readAddress(where: string, text: string): PciAddress {
  const [, slot, fn] = /^(?:0x)?([0-9a-f]{1,2})(?:\.([0-7]))?$/i.exec(text) ?? [];
  if (slot === undefined) throw invalid(`${where} '${text}': must be a PCI slot and perhaps a function, as 5 or 05.0`);
  return { slot: Number.parseInt(slot, 16), ...(fn !== undefined && { fn: Number(fn) }) };
}

/** A device that cannot be. Code `CONFIG_DEVICE`. */
export const invalid = (message: string): ConfigError => new ConfigError("CONFIG_DEVICE", message);
