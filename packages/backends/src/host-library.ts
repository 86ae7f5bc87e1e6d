import { findNodeModule } from "./host-calls.ts";

/** A function of the C library: numbers, addresses as buffers, 64-bit numbers as bigints; gives an `int`. */
export type HostFunction = (...args: readonly (number | bigint | Uint8Array)[]) => number;

/** What is used of `node:ffi`. */
interface ForeignCalls {
  dlopen(
    path: null,
    definitions: Readonly<Record<string, { readonly arguments: readonly string[]; readonly return: "i32" }>>,
  ): { readonly functions: Readonly<Record<string, HostFunction>> };
}

/**
 * Functions of the C library that Node has no call for, by name with their arguments' types (`i32`, `i64`, `pointer`).
 * Undefined unless all of them are there: Linux, in a Node with `node:ffi` (26 or newer), whose interface may still change.
 */
export function findHostFunctions<Name extends string>(
  signatures: Readonly<Record<Name, readonly string[]>>,
): Readonly<Record<Name, HostFunction>> | undefined {
  const ffi = findNodeModule<ForeignCalls>("node:ffi");
  if (ffi === undefined || hostPlatform() !== "linux") return undefined;
  const definitions = Object.entries<readonly string[]>(signatures).map(
    ([name, types]) => [name, { arguments: types, return: "i32" }] as const,
  );
  try {
    return ffi.dlopen(null, Object.fromEntries(definitions)).functions as Readonly<Record<Name, HostFunction>>;
  } catch {
    return undefined;
  }
}

/** As `process.platform` has it; undefined in a browser. */
export function hostPlatform(): string | undefined {
  return (globalThis as { process?: { readonly platform?: string } }).process?.platform;
}
