// How the value of each option is read. Every function takes its value into the configuration or throws a ConfigError
// of one line that names the option, what is wrong, and the nearest valid form.

import { suggest } from "@tsvm/vm";
import type { CliConfig, Listing } from "./cli-config.ts";
import { parseKeyValues, splitAtCommas } from "./key-values.ts";
import { parseMemorySize } from "./memory-size.ts";
import { usageError } from "./usage-error.ts";

type Apply = (config: CliConfig, value: string, option: string) => void;

/** Shows something instead of running a machine; the first such option counts. */
export function listing(what: Listing): Apply {
  return (config) => {
    config.listing ??= what;
  };
}

/** `help` and `?` ask what the option takes. */
function asksHelp(config: CliConfig, value: string, what: Listing): boolean {
  const asks = value === "help" || value === "?";
  if (asks) config.listing ??= what;
  return asks;
}

export const machine: Apply = (config, value, option) => {
  if (asksHelp(config, value, "machine")) return;
  const values = parseKeyValues(value, { option, keys: ["type", "accel"], impliedKey: "type" });
  const type = values.get("type");
  const accel = values.get("accel");
  if (type !== undefined) config.machine = type;
  if (accel !== undefined) accelerator(config, accel, option);
};

export const accelerator: Apply = (config, value, option) => {
  if (asksHelp(config, value, "accel")) return;
  const keys = ["accel", "thread", "regions", "heat", "verify", "profile", "symbols"];
  const values = parseKeyValues(value, { option, keys, impliedKey: "accel" });
  const thread = values.get("thread") ?? "single";
  if (thread !== "single") throw usageError(`${option} ${value}`, "one thread is what there is; write thread=single");
  const name = values.get("accel");
  if (name !== undefined) config.accelerator = name;
  translation(config, values, `${option} ${value}`);
};

/**
 * `regions=off` leaves everything to the interpreter; `heat=N` says when a block is hot; `verify=on` checks regions;
 * `profile=on` has a report of what they did, in which `symbols=FILE` names addresses. */
function translation(config: CliConfig, values: ReadonlyMap<string, string>, where: string): void {
  const heat = values.get("heat");
  if (heat !== undefined && !/^\d{1,5}$/.test(heat)) throw usageError(where, "heat is a number, like heat=30000");
  const regions = isOn(values, "regions", where) ?? true;
  const verify = isOn(values, "verify", where) ?? false;
  if (heat !== undefined) config.heatLimit = Number(heat);
  if (!regions) config.heatLimit = 0;
  if (verify) config.verify = true;
  profiling(config, values, where);
}

function profiling(config: CliConfig, values: ReadonlyMap<string, string>, where: string): void {
  const symbols = values.get("symbols");
  if (isOn(values, "profile", where)) config.profile = true;
  else if (symbols !== undefined) throw usageError(where, "symbols are for the profile; write profile=on,symbols=FILE");
  if (symbols !== undefined) config.symbolsPath = symbols;
}

function isOn(values: ReadonlyMap<string, string>, key: string, where: string): boolean | undefined {
  const value = values.get(key);
  if (value !== undefined && value !== "on" && value !== "off") throw usageError(where, `${key} is on or off`);
  return value === undefined ? undefined : value === "on";
}

export const cpu: Apply = (config, value) => {
  if (!asksHelp(config, value, "cpu")) config.cpu = value;
};

export const smp: Apply = (_config, value, option) => {
  const keys = ["cpus", "maxcpus", "sockets", "dies", "cores", "threads"];
  for (const [key, count] of parseKeyValues(value, { option, keys, impliedKey: "cpus" })) {
    if (count !== "1") throw usageError(`${option} ${value}`, `one CPU is what there is; write ${key}=1`);
  }
};

export const memory: Apply = (config, value, option) => {
  const size = parseKeyValues(value, { option, keys: ["size"], impliedKey: "size" }).get("size") as string;
  config.memoryBytes = parseMemorySize(size, option);
};

export const name: Apply = (config, value, option) => {
  const values = parseKeyValues(value, { option, keys: ["guest", "process"], impliedKey: "guest" });
  config.name = values.get("guest") ?? values.get("process") ?? "";
};

export const uuid: Apply = (config, value) => {
  config.uuid = value;
};

export const kernel: Apply = (config, value) => {
  config.kernelPath = value;
};

export const bios: Apply = (config, value) => {
  config.firmwarePath = value;
};

export const initrd: Apply = (config, value) => {
  config.initrdPath = value;
};

export const append: Apply = (config, value) => {
  config.append = value;
};

export const device: Apply = (config, value, option) => {
  const [driver = "", ...properties] = splitAtCommas(value);
  if (asksHelp(config, driver, "device")) return;
  if (properties.includes("help")) {
    config.listing ??= { device: driver };
    return;
  }
  const pairs = properties.map((property): [string, string] => {
    const equals = property.indexOf("=");
    if (equals > 0) return [property.slice(0, equals), property.slice(equals + 1)];
    throw usageError(`${option} ${value}`, `'${property}' needs a value: '${property || "PROPERTY"}=...'`);
  });
  config.devices.push({ driver, properties: Object.fromEntries(pairs) });
};

export const nographic: Apply = (config) => {
  config.nographic = true;
};

export const display: Apply = (config, value, option) => {
  if (asksHelp(config, value, "display") || value === "none") return;
  throw usageError(`${option} ${value}`, "there is no such display; write -display none");
};

/** Hardware this machine does not have: a command line may say that it wants none. */
export const absent: Apply = (_config, value, option) => {
  if (value !== "none") throw usageError(`${option} ${value}`, `there is none to be had; write ${option} none`);
};

export const noDefaults: Apply = (config) => {
  config.noDefaults = true;
};

/** There are no configuration files. */
export const noUserConfig: Apply = () => {};

export const rtc: Apply = (config, value, option) => {
  const values = parseKeyValues(value, { option, keys: ["base", "clock", "driftfix"] });
  const clock = values.get("clock") ?? "host";
  const clocks = ["host", "rt", "vm"];
  if (!clocks.includes(clock)) {
    throw usageError(`${option} ${value}`, `unknown clock '${clock}'${suggest(clock, clocks)}`);
  }
  const base = values.get("base");
  if (base !== undefined) config.rtcBaseMs = parseRtcBase(base, `${option} ${value}`);
};

export const icount: Apply = (config, value, option) => {
  const shift = parseKeyValues(value, { option, keys: ["shift"], impliedKey: "shift" }).get("shift") as string;
  if (!/^(\d|10)$/.test(shift)) {
    throw usageError(`${option} ${value}`, "shift must be 0 to 10; write for example shift=2");
  }
  config.icountShift = Number(shift);
};

export const noReboot: Apply = (config) => {
  config.noReboot = true;
};

export const noShutdown: Apply = (config) => {
  config.noShutdown = true;
};

export const logCategories: Apply = (config, value) => {
  if (!asksHelp(config, value, "log")) config.logCategories = splitAtCommas(value);
};

export const logPath: Apply = (config, value) => {
  config.logPath = value;
};

/** `utc`, `localtime`, or a date and perhaps a time as the clock's own face shows them. */
function parseRtcBase(base: string, where: string): number {
  const now = Date.now();
  if (base === "utc") return now;
  if (base === "localtime") return now - new Date(now).getTimezoneOffset() * 60_000;
  const match = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d)?$/.test(base);
  const ms = match ? Date.parse(base.includes("T") ? `${base}Z` : base) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw usageError(where, `'${base}' is no date; write utc, localtime or 2006-06-17T16:01:21`);
  }
  return ms;
}
