import { suggest } from "../nearest.ts";
import type { DeviceOptions } from "../options.ts";
import { DEVICE_ALIASES, DEVICE_TYPES, type DeviceType, type DriverName } from "./device-types.ts";
import { invalid, type PropertyValue, readProperty } from "./property.ts";

/** A device whose properties are read and known to its driver; those without a default may be missing. */
export interface ResolvedDevice {
  readonly driver: DriverName;
  readonly properties: Readonly<Record<string, PropertyValue>>;
}

/**
 * The properties of a device, defaults filled in.
 * @throws ConfigError `CONFIG_DEVICE` naming the property and what it takes.
 */
export function resolveDevice(device: DeviceOptions): ResolvedDevice {
  const driver = DEVICE_ALIASES[device.driver] ?? (device.driver as DriverName);
  const type: DeviceType | undefined = DEVICE_TYPES[driver];
  if (type === undefined) {
    throw invalid(`device '${device.driver}' is unknown${suggest(device.driver, Object.keys(DEVICE_TYPES))}`);
  }
  const given = device.properties ?? {};
  for (const name of Object.keys(given)) {
    if (type.properties[name] !== undefined) continue;
    throw invalid(`device ${driver}: no property '${name}'${suggest(name, Object.keys(type.properties))}`);
  }
  for (const name of type.required ?? []) {
    if (given[name] === undefined) throw invalid(`device ${driver}: needs ${name}=...`);
  }
  const properties: Record<string, PropertyValue> = {};
  for (const [name, property] of Object.entries(type.properties)) {
    const text = given[name];
    if (text !== undefined) properties[name] = readProperty(`device ${driver}: ${name}`, property, text);
    else if ("default" in property && property.default !== undefined) properties[name] = property.default;
  }
  return { driver, properties };
}

/**
 * Reads every device.
 * @throws ConfigError `CONFIG_DEVICE`, also if two have one id.
 */
export function resolveDevices(devices: readonly DeviceOptions[]): readonly ResolvedDevice[] {
  const ids = new Set<PropertyValue>();
  return devices.map((options) => {
    const device = resolveDevice(options);
    const { id } = device.properties;
    if (id !== undefined && ids.has(id))
      throw invalid(`device ${device.driver}: there are two devices with id '${id}'`);
    if (id !== undefined) ids.add(id);
    return device;
  });
}
