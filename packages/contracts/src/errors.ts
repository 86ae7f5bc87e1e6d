/** Caller or host trouble; guest behaviour never becomes an error. Compare by `code`, not by `instanceof`. */
export class VmError extends Error {
  /** Stable identifier, listed in the README. */
  readonly code: string;
  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A range is not RAM. Code `BUS_RANGE`. */
export class BusError extends VmError {}
/** A host backend failed. Codes `BACKEND_*`. */
export class BackendError extends VmError {}
/** Options, kernel, initrd or image are not usable. Codes `CONFIG_*`. The message is one line fit for a terminal. */
export class ConfigError extends VmError {}
/** A snapshot is malformed or of another machine. Codes `SNAPSHOT_*`. */
export class SnapshotError extends VmError {}

/** Fails loudly when one of our own assumptions is wrong. */
export function invariant(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${why}`);
}
