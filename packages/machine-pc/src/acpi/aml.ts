import { invariant } from "@tsvm/contracts";
import { ascii, type Bytes, joined, u8, u16, u32 } from "../bytes/fields.ts";

/**
 * Encoders for the AML terms a DSDT of ours needs, each named after its ASL spelling.
 * ACPI Specification, "ACPI Machine Language (AML) Specification".
 */
export type Aml = Bytes;

/** NameString: segments of up to four characters joined by dots, with a leading backslash if absolute. */
export function name(path: string): Aml {
  const root = path.startsWith("\\");
  const segments = (root ? path.slice(1) : path).split(".");
  const prefix = root ? ascii("\\") : [];
  const [first = "", second = ""] = segments;
  if (segments.length === 1) return [...prefix, ...(first === "" ? [0] : nameSegment(first))];
  if (segments.length === 2) return [...prefix, 0x2e, ...nameSegment(first), ...nameSegment(second)];
  return [...prefix, 0x2f, segments.length, ...segments.flatMap(nameSegment)];
}

function nameSegment(segment: string): Aml {
  invariant(/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment), `AML name segment ${segment}`);
  return ascii(segment, 4, 0x5f);
}

/** Integer in its shortest form. */
export function integer(value: number): Aml {
  if (value === 0) return [0x00];
  if (value === 1) return [0x01];
  if (value <= 0xff) return [0x0a, ...u8(value)];
  if (value <= 0xffff) return [0x0b, ...u16(value)];
  invariant(value <= 0xffffffff, "AML integers here fit 32 bits");
  return joined(0x0c, u32(value));
}

/** String of ASCII characters. */
export const string = (text: string): Aml => [0x0d, ...ascii(text), 0];

export const defineName = (path: string, value: Aml): Aml => joined(0x08, name(path), value);

export const scope = (path: string, ...terms: readonly Aml[]): Aml => sized([0x10], name(path), ...terms);

export const device = (path: string, ...terms: readonly Aml[]): Aml => sized([0x5b, 0x82], name(path), ...terms);

/** Method without arguments serialised by nothing; `argumentCount` is 0 to 7. */
export const method = (path: string, argumentCount: number, ...terms: readonly Aml[]): Aml =>
  sized([0x14], name(path), argumentCount, ...terms);

export const packageOf = (...elements: readonly Aml[]): Aml => sized([0x12], elements.length, ...elements);

export const buffer = (bytes: Bytes): Aml => sized([0x11], integer(bytes.length), bytes);

/** Argument `index` of the method. */
export const arg = (index: number): Aml => [0x68 + index];

export const store = (source: Aml, target: Aml): Aml => joined(0x70, source, target);

export const returns = (value: Aml): Aml => joined(0xa4, value);

export const ifTrue = (condition: Aml, ...terms: readonly Aml[]): Aml => sized([0xa0], condition, ...terms);

/** EISA identifier such as "PNP0A03": three letters of 5 bits, four hex digits, big-endian. */
export function eisaId(id: string): Aml {
  invariant(/^[A-Z]{3}[0-9A-F]{4}$/.test(id), `EISA id ${id}`);
  const letter = (at: number): number => id.charCodeAt(at) - 0x40;
  const word = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(id.slice(3), 16);
  return [0x0c, word >> 8, word & 0xff, product >> 8, product & 0xff];
}

/** `opcode`, the PkgLength of what follows, and that. */
function sized(opcode: Bytes, ...parts: readonly (number | Bytes)[]): Aml {
  const body = joined(...parts);
  return joined(opcode, packageLength(body.length), body);
}

/** PkgLength of a body of `bytes`; it counts its own bytes too. */
function packageLength(bytes: number): Bytes {
  for (let extra = 0; extra < 4; extra++) {
    const length = bytes + 1 + extra;
    if (extra === 0 && length <= 0x3f) return [length];
    if (extra > 0 && length < 2 ** (4 + 8 * extra)) {
      const rest = Array.from({ length: extra }, (_, i) => (length >>> (4 + 8 * i)) & 0xff);
      return [(extra << 6) | (length & 0xf), ...rest];
    }
  }
  throw new Error("invariant broken: an AML package is shorter than 256 MiB");
}
