import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from "iced-x86";
import type { CodePart } from "./snippet-source.ts";

const HEX_COLUMNS = 22;

/** 64-bit code, an instruction a line: offset, bytes, and the manual's syntax. */
export function disassemble({ offset, bytes }: CodePart): readonly string[] {
  const formatter = new Formatter(FormatterSyntax.Nasm);
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  decoder.ip = BigInt(offset);
  const lines: string[] = [];
  while (decoder.canDecode) {
    const insn = decoder.decode();
    const at = Number(insn.ip) - offset;
    const hex = [...bytes.subarray(at, at + insn.length)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    lines.push(`${(offset + at).toString(16).padStart(4, "0")}  ${hex.padEnd(HEX_COLUMNS)}${formatter.format(insn)}`);
    insn.free();
  }
  decoder.free();
  formatter.free();
  return lines;
}
