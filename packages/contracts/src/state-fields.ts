import { SnapshotError } from "./errors.ts";

/**
 * Reads one value of saved state, which is untrusted: a fresh typed copy, or a refusal naming `path`. Because the
 * answer never shares arrays with the value, the same field also serves `save`: it copies live state out.
 * @throws SnapshotError `SNAPSHOT_FIELD`
 */
export type StateField<T> = (value: unknown, path: string) => T;

/** @throws SnapshotError `SNAPSHOT_FIELD`, always */
function refuse(path: string, expected: string): never {
  throw new SnapshotError("SNAPSHOT_FIELD", `saved state: ${path} is not ${expected}`);
}

/** A whole number from `min` to `max`, both included. */
export function integerField(min: number, max: number): StateField<number> {
  return (value, path) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? (value as number)
      : refuse(path, `a whole number from ${min} to ${max}`);
}

export const u8Field: StateField<number> = integerField(0, 0xff);
export const u16Field: StateField<number> = integerField(0, 0xffff);
export const u32Field: StateField<number> = integerField(0, 0xffff_ffff);

/**
 * A double no farther from zero than 2^53: times in nanoseconds and counts of ticks, fractions allowed. The bound keeps
 * sums and products of such numbers finite and fine-grained.
 */
export const finiteField: StateField<number> = (value, path) =>
  typeof value === "number" && Math.abs(value) <= Number.MAX_SAFE_INTEGER
    ? value
    : refuse(path, "a number between -2^53 and 2^53");

export const booleanField: StateField<boolean> = (value, path) =>
  typeof value === "boolean" ? value : refuse(path, "true or false");

/** One of the strings or numbers given. */
export function choiceField<const T extends string | number>(...choices: readonly T[]): StateField<T> {
  return (value, path) => (choices.includes(value as T) ? (value as T) : refuse(path, `one of ${choices.join(", ")}`));
}

/** `item` or undefined. */
export function optionalField<T>(item: StateField<T>): StateField<T | undefined> {
  return (value, path) => (value === undefined ? undefined : item(value, path));
}

/** Bytes: `minLength` to `maxLength` of them; exactly `minLength` when one number is given. */
export function bytesField(minLength: number, maxLength: number = minLength): StateField<Uint8Array> {
  return (value, path) =>
    value instanceof Uint8Array && value.length >= minLength && value.length <= maxLength
      ? Uint8Array.from(value)
      : refuse(path, `a Uint8Array of ${minLength} to ${maxLength} bytes`);
}

/** An array of `minLength` to `maxLength` items; exactly `minLength` when one length is given. */
export function listField<T>(item: StateField<T>, minLength: number, maxLength: number = minLength): StateField<T[]> {
  return (value, path) =>
    Array.isArray(value) && value.length >= minLength && value.length <= maxLength
      ? Array.from(value, (entry, i) => item(entry, `${path}[${i}]`))
      : refuse(path, `a list of ${minLength} to ${maxLength} items`);
}

/** An object with exactly these fields; unknown ones are refused: they belong to another version or device. */
export function recordField<T extends object>(fields: { readonly [K in keyof T]-?: StateField<T[K]> }): StateField<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  return (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(path, "an object");
    for (const key of Object.keys(value)) if (!Object.hasOwn(fields, key)) refuse(`${path}.${key}`, "known here");
    const copy = {} as T;
    for (const name of names) copy[name] = fields[name]((value as T)[name], `${path}.${name}`);
    return copy;
  };
}
