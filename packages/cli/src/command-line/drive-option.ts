import { suggest } from "@tsvm/vm";
import type { CliConfig } from "./cli-config.ts";
import { parseKeyValues } from "./key-values.ts";
import { usageError } from "./usage-error.ts";

const KEYS = ["file", "if", "format", "readonly", "snapshot", "cache", "serial", "media", "index", "id"];
const CACHES = ["writeback", "none", "unsafe"];
/** A virtio disk has room for this much. */
const SERIAL_LENGTH = 20;

/** `-drive file=FILE,if=virtio,...`, QEMU's properties as far as there is something to choose. */
export function drive(config: CliConfig, value: string, option: string): void {
  const values = parseKeyValues(value, { option, keys: KEYS });
  const where = `${option} ${value}`;
  const path = values.get("file");
  if (path === undefined || path === "") throw usageError(where, "which image? write file=FILE");
  const choose = (key: string, choices: readonly string[], fallback: string): string => {
    const chosen = values.get(key) ?? fallback;
    if (choices.includes(chosen)) return chosen;
    throw usageError(where, `unknown ${key} '${chosen}'${suggest(chosen, choices)}`);
  };
  // QEMU's default is an IDE disk, which there is not: a drive must say what it is.
  const isNamed = choose("if", ["virtio", "none"], "ide") === "none";
  const id = values.get("id");
  if (isNamed && !id) throw usageError(where, "if=none is for a device to name: write id=NAME");
  if (id !== undefined && config.drives.some((other) => other.id === id)) {
    throw usageError(where, `there are two drives of id '${id}'`);
  }
  choose("format", ["raw"], "raw");
  choose("media", ["disk"], "disk");
  const cache = choose("cache", CACHES, "writeback");
  const serial = values.get("serial");
  if (serial !== undefined && !/^[\x20-\x7e]{0,20}$/.test(serial)) {
    throw usageError(where, `serial '${serial}' must be at most ${SERIAL_LENGTH} ASCII characters`);
  }
  const onOff = ["on", "off"];
  config.drives.push({
    ...(isNamed && id !== undefined && { id }),
    path,
    isRaw: values.has("format"),
    readOnly: choose("readonly", onOff, "off") === "on",
    snapshot: choose("snapshot", onOff, "off") === "on",
    unsafeFlush: cache === "unsafe",
    direct: cache === "none",
    ...(serial !== undefined && { serial }),
  });
}

export function snapshot(config: CliConfig): void {
  config.snapshot = true;
}
