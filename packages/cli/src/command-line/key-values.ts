import { suggest } from "@tsvm/vm";
import { usageError } from "./usage-error.ts";

/** QEMU's `first,key=value,...` values, checked against the keys an option takes. */
export interface KeyValueSyntax {
  /** As typed, for messages: `-rtc`. */
  readonly option: string;
  /** What may stand before `=`. */
  readonly keys: readonly string[];
  /** The key that the first part has when it has none: `512` of `-m 512` is its `size`. */
  readonly impliedKey?: string;
  /** Words that may stand alone, and what they are short for. */
  readonly bareWords?: Readonly<Record<string, string>>;
}

/**
 * Parses `text`; a comma in a value is written twice. A key given twice has the last value, as in QEMU.
 * @throws ConfigError naming the part that is wrong and the nearest valid one.
 */
export function parseKeyValues(text: string, syntax: KeyValueSyntax): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [index, word] of splitAtCommas(text).entries()) {
    const short = index > 0 && syntax.bareWords !== undefined && Object.hasOwn(syntax.bareWords, word);
    const part = short ? (syntax.bareWords?.[word] as string) : word;
    const equals = part.indexOf("=");
    if (equals < 0 && index === 0 && syntax.impliedKey !== undefined) {
      values.set(syntax.impliedKey, part);
      continue;
    }
    const key = equals < 0 ? part : part.slice(0, equals);
    if (!syntax.keys.includes(key)) {
      throw usageError(`${syntax.option} ${text}`, `unknown property '${key}'${suggest(key, syntax.keys)}`);
    }
    if (equals < 0) throw usageError(`${syntax.option} ${text}`, `'${key}' needs a value: '${key}=...'`);
    values.set(key, part.slice(equals + 1));
  }
  return values;
}

/** `a,,b,c` is `a,b` and `c`: read from the left, two commas are one character. */
export function splitAtCommas(text: string): string[] {
  return (text.match(/,,|,|[^,]+/g) ?? []).reduce<string[]>(
    (parts, token) => {
      if (token === ",") parts.push("");
      else parts[parts.length - 1] += token === ",," ? "," : token;
      return parts;
    },
    [""],
  );
}
