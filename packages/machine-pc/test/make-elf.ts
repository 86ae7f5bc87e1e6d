/** Small ELF executables for tests: header, program headers, then the contents in order. */
export interface ElfShape {
  readonly bits: 32 | 64;
  readonly entry: number;
  readonly load: readonly { readonly paddr: number; readonly bytes: Uint8Array; readonly memoryBytes: number }[];
  readonly notes?: readonly { readonly name: string; readonly type: number; readonly descriptor: Uint8Array }[];
}

export function makeElf(shape: ElfShape): Uint8Array {
  const { bits, entry, load, notes = [] } = shape;
  const is64 = bits === 64;
  const headerBytes = is64 ? 64 : 52;
  const entryBytes = is64 ? 56 : 32;
  const noteBytes = Uint8Array.from(notes.flatMap(encodeNote));
  const parts = [
    ...load.map((l) => ({ type: 1, ...l })),
    ...(notes.length > 0 ? [{ type: 4, paddr: 0, bytes: noteBytes, memoryBytes: noteBytes.length }] : []),
  ];
  let offset = headerBytes + entryBytes * parts.length;
  const file = new Uint8Array(offset + parts.reduce((sum, part) => sum + part.bytes.length, 0));
  const view = new DataView(file.buffer);
  const word = (at: number, value: number): void =>
    is64 ? view.setBigUint64(at, BigInt(value), true) : view.setUint32(at, value, true);
  file.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1]);
  view.setUint16(0x12, is64 ? 62 : 3, true);
  word(0x18, entry);
  word(is64 ? 0x20 : 0x1c, headerBytes);
  view.setUint16(is64 ? 0x36 : 0x2a, entryBytes, true);
  view.setUint16(is64 ? 0x38 : 0x2c, parts.length, true);
  for (const [i, part] of parts.entries()) {
    const at = headerBytes + i * entryBytes;
    view.setUint32(at, part.type, true);
    word(at + (is64 ? 0x08 : 0x04), offset);
    word(at + (is64 ? 0x18 : 0x0c), part.paddr);
    word(at + (is64 ? 0x20 : 0x10), part.bytes.length);
    word(at + (is64 ? 0x28 : 0x14), part.memoryBytes);
    file.set(part.bytes, offset);
    offset += part.bytes.length;
  }
  return file;
}

function encodeNote(note: { readonly name: string; readonly type: number; readonly descriptor: Uint8Array }): number[] {
  const padded = (bytes: readonly number[]): number[] => [...bytes, ...new Array<number>(-bytes.length & 3).fill(0)];
  const name = [...note.name].map((c) => c.charCodeAt(0)).concat(0);
  const header = Uint32Array.of(name.length, note.descriptor.length, note.type);
  return [...new Uint8Array(header.buffer), ...padded(name), ...padded([...note.descriptor])];
}
