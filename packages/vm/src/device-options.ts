import { ConfigError } from "@tsvm/contracts";
import { DEVICE_TYPES, type DeviceProperty } from "./catalog.ts";
import { suggest } from "./nearest.ts";
import type { DeviceOptions } from "./options.ts";

/**
 * The properties of a device, defaults filled in.
 * @throws ConfigError `CONFIG_DEVICE` naming the property and what it takes.
 */
export function resolveDevice(device: DeviceOptions): Readonly<Record<string, number>> {
  const type = DEVICE_TYPES[device.driver];
  if (type === undefined) {
    throw invalid(`device '${device.driver}' is unknown${suggest(device.driver, Object.keys(DEVICE_TYPES))}`);
  }
  const given = device.properties ?? {};
  for (const name of Object.keys(given)) {
    if (type.properties[name] !== undefined) continue;
    const hint = suggest(name, Object.keys(type.properties));
    throw invalid(`device ${device.driver}: no property '${name}'${hint}`);
  }
  return Object.fromEntries(
    Object.entries(type.properties).map(([name, property]) => [
      name,
      resolveProperty(`device ${device.driver}: ${name}`, property, given[name]),
    ]),
  );
}

function resolveProperty(where: string, property: DeviceProperty, given: number | string | undefined): number {
  if (given === undefined) return property.default;
  const value = typeof given === "number" ? given : parseNumber(given);
  if (value !== undefined && Number.isInteger(value) && value >= property.min && value <= property.max) return value;
  const range = `0x${property.min.toString(16)} to 0x${property.max.toString(16)}`;
  throw invalid(`${where} '${given}': must be a number from ${range}, for example 0x${property.default.toString(16)}`);
}

/** Decimal, or hexadecimal with 0x. */
function parseNumber(text: string): number | undefined {
  return /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : undefined;
}

const invalid = (message: string): ConfigError => new ConfigError("CONFIG_DEVICE", message);
