import { ConfigError } from "@tsvm/contracts";

/** "Not present, and not settable" would be all ones; all zero says only that there is none. */
export const UUID_NONE: Uint8Array = new Uint8Array(16);

/**
 * A UUID in its usual spelling as the sixteen bytes of SMBIOS 2.6 and later: the first three fields are little-endian.
 * DMTF DSP0134, "System — UUID".
 * @throws ConfigError `CONFIG_OPTION`
 */
export function parseUuid(text: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    const form = "must be like 550e8400-e29b-41d4-a716-446655440000";
    throw new ConfigError("CONFIG_OPTION", `uuid '${text}': ${form}`);
  }
  const bytes = Array.from(text.replaceAll("-", "").matchAll(/../g), ([digits]) => Number.parseInt(digits, 16));
  const field = (from: number, end: number): number[] => bytes.slice(from, end).reverse();
  return Uint8Array.from([...field(0, 4), ...field(4, 6), ...field(6, 8), ...bytes.slice(8)]);
}
