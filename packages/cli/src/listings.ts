import { ACCELERATORS, CPU_FEATURES, CPU_MODELS, DEVICE_TYPES, LOG_CATEGORIES, MACHINES } from "@tsvm/vm";
import type { Listing } from "./command-line/cli-config.ts";
import { OPTIONS } from "./command-line/option-table.ts";

/** The text that `-help`, `-version`, `-cpu help` and the like print. */
export function listingText(listing: Listing, version: string): string {
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
      return Object.keys(DEVICE_TYPES).map(deviceText).join("\n");
    case "log":
      return `Log items (comma separated):\n${rows(LOG_CATEGORIES)}`;
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

function deviceText(name: string): string {
  const type = DEVICE_TYPES[name];
  const properties = Object.entries(type?.properties ?? {}).map(
    ([property, { help, default: value }]) => `  ${property}=<number>  ${help} (default 0x${value.toString(16)})\n`,
  );
  return `name "${name}": ${type?.help}\n${properties.join("")}`;
}

function rows(table: Readonly<Record<string, string>>): string {
  return Object.entries(table)
    .map(([name, help]) => `  ${name.padEnd(16)} ${help}\n`)
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
