import { suggest } from "@tsvm/vm";
import { type KeyValueSyntax, parseKeyValues } from "./key-values.ts";
import { usageError } from "./usage-error.ts";

/** The host's end of a character stream. */
export type ChardevSpec =
  | { readonly kind: "stdio" | "null" }
  | { readonly kind: "file"; readonly path: string; readonly append: boolean }
  | { readonly kind: "pipe"; readonly path: string }
  | { readonly kind: "pty"; readonly link?: string }
  | SocketSpec;

export interface SocketSpec {
  readonly kind: "socket";
  readonly address: { readonly path: string } | { readonly host?: string; readonly port: number };
  readonly server: boolean;
  /** The machine starts when somebody has connected. */
  readonly wait: boolean;
}

/** One `-chardev`. */
export interface ChardevConfig {
  readonly id: string;
  readonly spec: ChardevSpec;
  /** Several lines may share it; the escape key goes from one to the next. */
  readonly mux: boolean;
}

/** Backends by name, for messages and `-chardev help`. */
export const CHARDEV_BACKENDS: Readonly<Record<string, string>> = {
  file: "path=FILE[,append=on]: output only",
  null: "output is discarded, and there is no input",
  pipe: "path=NAME: the named pipes NAME.in and NAME.out, or NAME for both ways",
  pty: "[path=LINK]: a pseudo terminal, and a symbolic link to it",
  socket: "path=NAME, or [host=HOST,]port=N; [server=on[,wait=off]]: a Unix or TCP socket",
  stdio: "standard input and output",
};

const SWITCH = ["on", "off"];
/** QEMU's older spelling of switches. */
const BARE_WORDS: Readonly<Record<string, string>> = {
  server: "server=on",
  wait: "wait=on",
  nowait: "wait=off",
  append: "append=on",
};

/** What each backend takes beside `backend`, `id` and `mux`. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  file: ["path", "append"],
  null: [],
  pipe: ["path"],
  pty: ["path"],
  socket: ["path", "host", "port", "server", "wait"],
  stdio: [],
};

/**
 * Reads the value of `-chardev`: `BACKEND,id=ID[,PROPERTY=VALUE]`.
 * @throws ConfigError `CONFIG_USAGE`
 */
export function parseChardev(value: string, option: string): ChardevConfig {
  const where = `${option} ${value}`;
  const [backend = ""] = value.split(",");
  const keys = KEYS[backend];
  if (keys === undefined) throw usageError(where, `unknown backend '${backend}'${suggest(backend, Object.keys(KEYS))}`);
  const syntax: KeyValueSyntax = { option, keys: ["id", "mux", ...keys], impliedKey: "backend", bareWords: BARE_WORDS };
  const values = parseKeyValues(value, syntax);
  const id = values.get("id");
  if (id === undefined || id === "") throw usageError(where, "needs a name: write id=NAME");
  return { id, spec: specOf(backend, values, where), mux: readSwitch(values, "mux", where, false) };
}

/**
 * Reads the older one-word form of `-serial` and its like: `stdio`, `file:PATH`, `unix:PATH,server,nowait`...
 * @throws ConfigError `CONFIG_USAGE`
 */
export function parseChardevWord(value: string, option: string, known: readonly string[]): ChardevSpec {
  const [, kind = value, rest] = /^([a-z]+):(.*)$/s.exec(value) ?? [];
  const where = `${option} ${value}`;
  switch (kind) {
    case "stdio":
    case "null":
    case "none":
      if (rest === undefined) return { kind: kind === "stdio" ? "stdio" : "null" };
      break;
    case "file":
    case "pipe":
      if (rest) return specOf(kind, new Map([["path", rest]]), where);
      break;
    case "pty":
      if (rest !== "") return { kind: "pty", ...(rest !== undefined && { link: rest }) };
      break;
    case "unix":
    case "tcp":
      if (rest) return socketWord(kind, rest, option, where);
      break;
  }
  throw usageError(where, `not a character device${suggest(value, known)}`);
}

function socketWord(kind: "unix" | "tcp", rest: string, option: string, where: string): SocketSpec {
  const syntax = { option, keys: ["server", "wait"], impliedKey: "address", bareWords: BARE_WORDS };
  const values = new Map(parseKeyValues(rest, syntax));
  const address = values.get("address") ?? "";
  if (kind === "unix") return socketSpec(values.set("path", address), where);
  const [, host = "", port = address] = /^(.*):([^:]*)$/.exec(address) ?? [];
  if (host !== "") values.set("host", host);
  return socketSpec(values.set("port", port), where);
}

function specOf(backend: string, values: ReadonlyMap<string, string>, where: string): ChardevSpec {
  const path = values.get("path");
  const needPath = (): string => {
    if (path !== undefined && path !== "") return path;
    throw usageError(where, "needs a path: write path=...");
  };
  switch (backend) {
    case "file":
      return { kind: "file", path: needPath(), append: readSwitch(values, "append", where, false) };
    case "pipe":
      return { kind: "pipe", path: needPath() };
    case "pty":
      return { kind: "pty", ...(path !== undefined && { link: path }) };
    case "socket":
      return socketSpec(values, where);
    default:
      return { kind: backend === "stdio" ? "stdio" : "null" };
  }
}

function socketSpec(values: ReadonlyMap<string, string>, where: string): SocketSpec {
  const [path, host, port] = [values.get("path"), values.get("host"), values.get("port")];
  if ((path === undefined) === (port === undefined) || path === "") {
    throw usageError(where, "needs one address: write path=NAME, or port=N and perhaps host=HOST");
  }
  const server = readSwitch(values, "server", where, false);
  const wait = readSwitch(values, "wait", where, server);
  if (values.has("wait") && !server) throw usageError(where, "only a server waits; write server=on, or leave out wait");
  if (path !== undefined) return { kind: "socket", address: { path }, server, wait };
  const number = Number(port);
  if (!/^\d+$/.test(port as string) || number > 65_535 || (number === 0 && !server)) {
    throw usageError(where, `port '${port}' must be a number from ${server ? 0 : 1} to 65535`);
  }
  return { kind: "socket", address: { port: number, ...(host !== undefined && { host }) }, server, wait };
}

function readSwitch(values: ReadonlyMap<string, string>, key: string, where: string, fallback: boolean): boolean {
  const value = values.get(key);
  if (value === undefined) return fallback;
  if (SWITCH.includes(value)) return value === "on";
  throw usageError(where, `unknown ${key} '${value}'${suggest(value, SWITCH)}`);
}
