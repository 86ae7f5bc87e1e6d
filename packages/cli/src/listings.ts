import {
  ACCELERATORS,
  CPU_FEATURES,
  CPU_MODELS,
  DEVICE_TYPES,
  type DeviceProperty,
  type DeviceType,
  LOG_CATEGORIES,
  MACHINES,
  suggest,
  virtioSuffix,
} from "@tsvm/vm";
import { CHARDEV_BACKENDS } from "./command-line/chardev-spec.ts";
import type { Listing } from "./command-line/cli-config.ts";
import { OPTIONS } from "./command-line/option-table.ts";
import { usageError } from "./command-line/usage-error.ts";

/**
 * The text that `-help`, `-version`, `-cpu help` and the like print.
 * @throws ConfigError if help is wanted for a device that there is not.
 */
export function listingText(listing: Listing, version: string): string {
  if (typeof listing === "object") return deviceText(listing.device);
  switch (listing) {
    case "help":
      return helpText(version);
    case "version":
      return `tsvm version ${version}\n`;
    case "cpu":
      return `Available CPU models:\n${rows(CPU_MODELS)}\nFeatures, as +NAME or -NAME:\n${wrapped(CPU_FEATURES)}`;
    case "machine":
      return `Supported machines:\n${rows(MACHINES)}`;
    case "accel":
      return `Accelerators supported:\n${rows(ACCELERATORS)}`;
    case "device":
      return devicesText();
    case "log":
      return `Log items (comma separated):\n${rows(LOG_CATEGORIES)}`;
    case "chardev":
      return `Character device backends (-chardev BACKEND,id=ID,...):\n${rows(CHARDEV_BACKENDS)}`;
    case "display":
      return `Available displays:\n${rows({ none: "no display" })}`;
  }
}

function helpText(version: string): string {
  const options = OPTIONS.map(({ name, value, help }) => {
    const usage = value === undefined ? `-${name}` : `-${name} ${value}`;
    // A usage wider than its column has a line of its own.
    return usage.length < 24 ? `${usage.padEnd(24)} ${help}` : `${usage}\n${" ".repeat(25)}${help}`;
  });
  return `tsvm ${version}: runs x86 operating systems in JavaScript
usage: tsvm [options]

${options.join("\n")}

With mon:stdio on the terminal:
C-a h    help
C-a x    exit
C-a b    send break (SysRq to Linux)
C-a c    switch between console and monitor
C-a C-a  send C-a
`;
}

function devicesText(): string {
  const names = Object.entries(DEVICE_TYPES).map(([name, { help }]) => [name, help]);
  return `Devices (-device NAME,help lists the properties of one):\n${rows(Object.fromEntries(names))}
A virtio device without -pci and -device is the one that fits the board.\n`;
}

const VALUE_FORMS: Readonly<Record<DeviceProperty["type"], string>> = {
  number: "<number>",
  text: "<str>",
  switch: "<on|off>",
  drive: "<drive id>",
  chardev: "<chardev id>",
  address: "<slot[.function]>",
};

/** The properties of one device, which must be known. */
function deviceText(name: string): string {
  const driver = Object.hasOwn(DEVICE_TYPES, name) ? name : name + virtioSuffix("pci");
  const type: DeviceType | undefined = DEVICE_TYPES[driver];
  if (type === undefined) {
    throw usageError(`-device ${name}`, `unknown device${suggest(name, Object.keys(DEVICE_TYPES))}`);
  }
  const properties = Object.entries(type.properties).map(([property, row]) => {
    const usual = "default" in row && row.default !== undefined ? ` (default ${defaultText(row.default)})` : "";
    const form = `${property}=${VALUE_FORMS[row.type]}`;
    return `  ${form.padEnd(32)} ${row.help}${usual}${type.required?.includes(property) ? " (required)" : ""}\n`;
  });
  return `${driver}: ${type.help}\n${properties.join("")}`;
}

function defaultText(value: number | boolean): string {
  return typeof value === "number" ? String(value) : value ? "on" : "off";
}

function rows(table: Readonly<Record<string, string>>): string {
  return Object.entries(table)
    .map(([name, help]) => `  ${name.padEnd(22)} ${help}\n`)
    .join("");
}

/** Words in lines of at most 78 columns. */
function wrapped(words: readonly string[]): string {
  const lines: string[] = [];
  let line = " ";
  for (const word of words) {
    if (line.length + 1 + word.length > 78) {
      lines.push(line);
      line = " ";
    }
    line += ` ${word}`;
  }
  return [...lines, line].map((text) => `${text}\n`).join("");
}
