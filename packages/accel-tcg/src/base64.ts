type Base64Decoder = (text: string) => Uint8Array<ArrayBuffer>;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** In Node 25 and browsers since 2025; four times as fast. */
const { fromBase64 } = Uint8Array as { readonly fromBase64?: Base64Decoder };

/** The bytes that padded base64 stands for: by the engine where it can. */
export const bytesOfBase64: Base64Decoder = fromBase64?.bind(Uint8Array) ?? decodeBase64;

/** The same without help: `atob` and Buffer belong to hosts, and this room knows neither. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const values = new Uint8Array(128);
  for (let i = 0; i < 64; i++) values[ALPHABET.charCodeAt(i)] = i;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  const at = (i: number): number => values[text.charCodeAt(i)] as number;
  for (let i = 0, out = 0; i < text.length; i += 4) {
    const group = (at(i) << 18) | (at(i + 1) << 12) | (at(i + 2) << 6) | at(i + 3);
    bytes[out++] = group >> 16;
    if (out < bytes.length) bytes[out++] = group >> 8;
    if (out < bytes.length) bytes[out++] = group;
  }
  return bytes;
}
