/** What a forged snapshot might hold where a device expects something else. */
const HOSTILE: readonly unknown[] = [
  undefined,
  null,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1,
  0.5,
  2 ** 60,
  "1",
  "__proto__",
  true,
  7n,
  {},
  [],
  { length: 2 ** 32 },
  new Uint8Array(3),
];

/** Every copy of `state` in which one value, at any depth, was replaced by a hostile one; with the place it stands. */
export function* hostileVariants(state: unknown, path = "state"): Generator<readonly [string, unknown]> {
  for (const value of HOSTILE) yield [`${path} = ${describe(value)}`, value];
  if (typeof state !== "object" || state === null || ArrayBuffer.isView(state)) return;
  for (const key of Object.keys(state)) {
    const inner = (state as Record<string, unknown>)[key];
    for (const [where, value] of hostileVariants(inner, `${path}.${key}`)) {
      const copy = Array.isArray(state) ? [...state] : { ...state };
      (copy as Record<string, unknown>)[key] = value;
      yield [where, copy];
    }
  }
}

function describe(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "object" ? (JSON.stringify(value) ?? "null") : String(value);
}
