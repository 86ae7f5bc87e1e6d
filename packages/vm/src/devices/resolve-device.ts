import { MACHINE_BUSES } from "../catalog.ts";
import { suggest } from "../nearest.ts";
import type { DeviceOptions } from "../options.ts";
import { DEVICE_TYPES, type DeviceKind, type DeviceType, virtioSuffix } from "./device-types.ts";
import { invalid, type PropertyValue, readProperty } from "./property.ts";

/** A device whose properties are read and known to its driver; those without a default may be missing. */
export interface ResolvedDevice {
  readonly driver: string;
  readonly kind: DeviceKind;
  readonly properties: Readonly<Record<string, PropertyValue>>;
}

/**
 * The properties of a device of `machine`, defaults filled in. `virtio-blk` is short for the one that fits the board.
 * @throws ConfigError `CONFIG_DEVICE` naming the property and what it takes.
 */
export function resolveDevice(device: DeviceOptions, machine: string): ResolvedDevice {
  const { driver, type } = findType(device.driver, machine);
  const given = device.properties ?? {};
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(type.properties, name)) continue;
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
  return { driver, kind: type.kind, properties };
}

function findType(name: string, machine: string): { readonly driver: string; readonly type: DeviceType } {
  const bus = MACHINE_BUSES[machine];
  const long = name + virtioSuffix(bus);
  const driver = Object.hasOwn(DEVICE_TYPES, long) ? long : name;
  const type = Object.hasOwn(DEVICE_TYPES, driver) ? DEVICE_TYPES[driver] : undefined;
  if (type === undefined) throw invalid(`device '${name}' is unknown${suggest(name, Object.keys(DEVICE_TYPES))}`);
  if (type.bus === undefined || type.bus === bus) return { driver, type };
  const lacks = type.bus === "pci" ? "no PCI bus" : "PCI";
  throw invalid(`device ${driver}: the ${machine} board has ${lacks}; write ${type.kind}${virtioSuffix(bus)}`);
}

/**
 * Reads every device of `machine`.
 * @throws ConfigError `CONFIG_DEVICE`, also if two have one id.
 */
export function resolveDevices(devices: readonly DeviceOptions[], machine: string): readonly ResolvedDevice[] {
  const ids = new Set<PropertyValue>();
  return devices.map((options) => {
    const device = resolveDevice(options, machine);
    const { id } = device.properties;
    if (id !== undefined && ids.has(id))
      throw invalid(`device ${device.driver}: there are two devices with id '${id}'`);
    if (id !== undefined) ids.add(id);
    return device;
  });
}
