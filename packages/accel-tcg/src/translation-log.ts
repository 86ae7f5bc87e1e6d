// What is translated, for people who look for faults: `-d in_asm`, `-d op`, `-d out_asm`, laid out as QEMU's.
import { printBlock, type RegionBlock } from "@tsvm/cpu-x86";
import type { LogSink } from "./execution-log.ts";
import type { HotCode } from "./region-cache.ts";

/** Width of guest code's addresses and operands. */
export type CodeBits = 16 | 32 | 64;

/** One instruction in words. */
export interface DisassembledInsn {
  /** Bytes. */
  readonly length: number;
  readonly text: string;
}

/** Puts guest code into words: `code` begins at the linear address `address`. */
export type Disassemble = (code: Uint8Array, address: bigint, bits: CodeBits) => readonly DisassembledInsn[];

const RULE = "----------------";
/** Bytes of a line where there are no words. */
const HEX_BYTES = 32;
/** Columns for the bytes of an instruction. */
const HEX_COLUMNS = 24;

const hex = (bytes: Uint8Array, between: string): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(between);
const at = (address: bigint): string => `0x${BigInt.asUintN(64, address).toString(16).padStart(8, "0")}`;

/** Writes the categories that are asked for. */
export class TranslationLog {
  readonly #sink: LogSink;
  readonly #code: boolean;
  readonly #ir: boolean;
  readonly #output: boolean;

  constructor(sink: LogSink) {
    this.#sink = sink;
    this.#code = sink.has("in_asm");
    this.#ir = sink.has("op");
    this.#output = sink.has("out_asm");
  }

  /** None of its categories is asked for. */
  get isSilent(): boolean {
    return !(this.#code || this.#ir || this.#output);
  }

  /** Code was decoded for the interpreter. @param address linear. */
  decoded(code: Uint8Array, address: bigint, bits: CodeBits): void {
    if (!this.#code) return;
    this.#sink.write(RULE);
    this.#sink.write("IN: ");
    this.#insns(code, address, bits);
  }

  /** The same code; translating it is told. */
  watching(code: HotCode): HotCode {
    return { ...code, observe: (blocks) => this.#region(code, blocks) };
  }

  /** WebAssembly of a region. */
  made(bytes: Uint8Array): void {
    if (!this.#output) return;
    this.#sink.write(`OUT: [size=${bytes.length}]`);
    this.#dump("OBJD-H", bytes);
  }

  #region(code: HotCode, blocks: readonly RegionBlock[]): void {
    const name = `region at ${at(code.pageAddress + BigInt(code.start))}, ${blocks.length} blocks`;
    if (this.#code) {
      this.#sink.write(RULE);
      this.#sink.write(`IN: ${name}`);
      for (const { offset, length } of blocks.toSorted((a, b) => a.offset - b.offset))
        this.#insns(code.bytesAt(offset, length), code.pageAddress + BigInt(offset), code.code64 ? 64 : 32);
    }
    if (!this.#ir) return;
    this.#sink.write(`OP: ${name}`);
    for (const [i, block] of blocks.entries()) {
      this.#sink.write(` ---- ${at(code.pageAddress + BigInt(block.offset))} block ${i}`);
      for (const line of printBlock(block)) this.#sink.write(` ${line}`);
    }
  }

  #insns(code: Uint8Array, address: bigint, bits: CodeBits): void {
    const { disassemble } = this.#sink;
    if (disassemble === undefined) return this.#dump("OBJD-T", code);
    let offset = 0;
    for (const { length, text } of disassemble(code, address, bits)) {
      const bytes = hex(code.subarray(offset, offset + length), " ");
      this.#sink.write(`${at(address + BigInt(offset))}:  ${bytes.padEnd(HEX_COLUMNS)} ${text}`);
      offset += length;
    }
  }

  /** As QEMU does without a disassembler. */
  #dump(what: string, bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += HEX_BYTES)
      this.#sink.write(`${what}: ${hex(bytes.subarray(i, i + HEX_BYTES), "")}`);
  }
}
