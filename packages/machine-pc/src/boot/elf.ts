import { ConfigError, type Gpa } from "@tsvm/contracts";
import type { BootSegment } from "./boot-image.ts";

/** What a loader needs of an ELF executable. System V ABI, "Object Files", "Program Loading". */
export interface ElfImage {
  /** e_entry: a virtual address, in kernels often not the physical one. */
  readonly entry: number;
  /** PT_LOAD segments, placed by p_paddr. */
  readonly segments: readonly BootSegment[];
  readonly notes: readonly ElfNote[];
}

export interface ElfNote {
  /** Owner, without the terminating zero. */
  readonly name: string;
  readonly type: number;
  readonly descriptor: Uint8Array;
}

const PT_LOAD = 1;
const PT_NOTE = 4;
const EM_386 = 3;
const EM_X86_64 = 62;

/** True when `bytes` begin with the mark of an ELF file. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** @throws ConfigError `CONFIG_KERNEL_TRUNCATED`, `CONFIG_KERNEL_UNSUPPORTED` */
export function parseElf(bytes: Uint8Array): ElfImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  requireBytes(bytes, 0, 52);
  const is64 = checkIdentity(view);
  requireBytes(bytes, 0, is64 ? 64 : 52);
  const tableOffset = is64 ? offset64(view, 0x20) : view.getUint32(0x1c, true);
  const entryBytes = view.getUint16(is64 ? 0x36 : 0x2a, true);
  const entryCount = view.getUint16(is64 ? 0x38 : 0x2c, true);
  if (entryBytes < (is64 ? 56 : 32)) throw unsupported("has no program headers");
  requireBytes(bytes, tableOffset, entryBytes * entryCount);
  const headers = Array.from({ length: entryCount }, (_, i) => programHeader(view, tableOffset + i * entryBytes, is64));
  const loaded = headers.filter((h) => h.type === PT_LOAD && h.memoryBytes > 0);
  if (loaded.length === 0) throw unsupported("has nothing to load");
  return {
    entry: is64 ? offset64(view, 0x18) : view.getUint32(0x18, true),
    segments: loaded.map((h) => toSegment(bytes, h)),
    notes: headers.filter((h) => h.type === PT_NOTE).flatMap((h) => parseNotes(slice(bytes, h))),
  };
}

/** True for ELFCLASS64. */
function checkIdentity(view: DataView): boolean {
  const elfClass = view.getUint8(4);
  const machine = view.getUint16(0x12, true);
  const fits = (elfClass === 1 && machine === EM_386) || (elfClass === 2 && machine === EM_X86_64);
  if (!fits || view.getUint8(5) !== 1) throw unsupported("is for another CPU");
  return elfClass === 2;
}

interface ProgramHeader {
  readonly type: number;
  readonly offset: number;
  readonly paddr: Gpa;
  readonly fileBytes: number;
  readonly memoryBytes: number;
}

function programHeader(view: DataView, at: number, is64: boolean): ProgramHeader {
  const type = view.getUint32(at, true);
  if (is64) {
    const [offset, paddr, fileBytes, memoryBytes] = [0x08, 0x18, 0x20, 0x28].map((o) => offset64(view, at + o));
    return { type, offset, paddr, fileBytes, memoryBytes } as ProgramHeader;
  }
  const [offset, paddr, fileBytes, memoryBytes] = [0x04, 0x0c, 0x10, 0x14].map((o) => view.getUint32(at + o, true));
  return { type, offset, paddr, fileBytes, memoryBytes } as ProgramHeader;
}

/** A 64-bit field as a number. Virtual addresses lose low bits, physical ones and file offsets are exact. */
function offset64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

function toSegment(bytes: Uint8Array, header: ProgramHeader): BootSegment {
  if (header.memoryBytes < header.fileBytes) throw unsupported("has a segment larger in the file than in memory");
  return { gpa: header.paddr, bytes: slice(bytes, header), length: header.memoryBytes };
}

function slice(bytes: Uint8Array, header: ProgramHeader): Uint8Array {
  requireBytes(bytes, header.offset, header.fileBytes);
  return bytes.subarray(header.offset, header.offset + header.fileBytes);
}

/** Notes stand one behind the other, name and descriptor each padded to 4 bytes. What is malformed ends the list. */
function parseNotes(bytes: Uint8Array): ElfNote[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const notes: ElfNote[] = [];
  for (let at = 0; at + 12 <= bytes.length; ) {
    const nameBytes = view.getUint32(at, true);
    const descriptorBytes = view.getUint32(at + 4, true);
    const descriptorAt = at + 12 + Math.ceil(nameBytes / 4) * 4;
    const next = descriptorAt + Math.ceil(descriptorBytes / 4) * 4;
    if (descriptorAt + descriptorBytes > bytes.length) break;
    // Owners are short words; a longer one is nobody we know, and spreading it could exhaust the stack.
    const nameEnd = at + 12 + Math.min(Math.max(0, nameBytes - 1), 64);
    const name = String.fromCharCode(...bytes.subarray(at + 12, nameEnd));
    const descriptor = bytes.subarray(descriptorAt, descriptorAt + descriptorBytes);
    notes.push({ name, type: view.getUint32(at + 8, true), descriptor });
    at = next;
  }
  return notes;
}

function requireBytes(bytes: Uint8Array, offset: number, length: number): void {
  if (offset + length > bytes.length) {
    throw new ConfigError(
      "CONFIG_KERNEL_TRUNCATED",
      `kernel is truncated: ${bytes.length} bytes of at least ${offset + length}`,
    );
  }
}

function unsupported(why: string): ConfigError {
  return new ConfigError("CONFIG_KERNEL_UNSUPPORTED", `kernel ELF file ${why}`);
}
