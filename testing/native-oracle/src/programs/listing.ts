/** Guest code as it is written down here: bytes in hex, two spaces, and what they mean, perhaps behind a label. */

const LINE = /^\s*((?:(?:[0-9a-f]{2})+ )+)\s*(?:([a-z]+):)?/;

/** The bytes of a listing. */
export function listingBytes(listing: string): Uint8Array {
  const bytes = listing.split("\n").map((line) => LINE.exec(line)?.[1] ?? "");
  return Uint8Array.from(Buffer.from(bytes.join("").replaceAll(" ", ""), "hex"));
}

/** Offset of the line with `label`. @throws Error when there is none. */
export function listingOffset(listing: string, label: string): number {
  const lines = listing.split("\n");
  const at = lines.findIndex((line) => LINE.exec(line)?.[2] === label);
  if (at < 0) throw new Error(`no label ${label}`);
  return listingBytes(lines.slice(0, at).join("\n")).length;
}
