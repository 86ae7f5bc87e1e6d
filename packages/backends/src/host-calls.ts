import { BackendError } from "@tsvm/contracts";

/** A built-in module of Node, found at run time: importing it would keep the whole package out of browsers. */
export function findNodeModule<T>(id: string): T | undefined {
  const host = (globalThis as { process?: { getBuiltinModule?(id: string): unknown } }).process;
  return host?.getBuiltinModule?.(id) as T | undefined;
}

/**
 * The same where there is no doing without.
 * @throws BackendError `BACKEND_UNAVAILABLE` where there is none.
 */
export function nodeModule<T>(id: string): T {
  const module = findNodeModule<T>(id);
  if (module === undefined) throw new BackendError("BACKEND_UNAVAILABLE", "this host has no files");
  return module;
}

/** One line: what failed and the host's own word for why. */
export function hostFailure(code: string, what: string, cause: unknown): BackendError {
  const { code: word, name } = cause as { readonly code?: unknown; readonly name?: unknown };
  // Node says it by `code`. A DOMException has an old number there, and says it by its name.
  const why = typeof word === "number" ? name : word;
  return new BackendError(code, typeof why === "string" ? `${what}: ${why}` : what, { cause });
}
