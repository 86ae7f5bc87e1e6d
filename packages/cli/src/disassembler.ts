// Guest code in words, in the spelling of QEMU's logs (AT&T's), by iced-x86: it is large and for people who look for faults, so
// that it is not among the dependencies.
import type { Disassemble, DisassembledInsn } from "@tsvm/vm";

/** @returns undefined if iced-x86 is not installed beside this package. */
export async function loadDisassembler(): Promise<Disassemble | undefined> {
  try {
    return createDisassembler(await import("iced-x86"));
  } catch (error) {
    if ((error as { readonly code?: string }).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

function createDisassembler({
  Decoder,
  DecoderOptions,
  Formatter,
  FormatterSyntax,
}: typeof import("iced-x86")): Disassemble {
  const formatter = new Formatter(FormatterSyntax.Gas);
  formatter.gasShowMnemonicSizeSuffix = true;
  formatter.ripRelativeAddresses = true;
  formatter.spaceAfterOperandSeparator = true;
  formatter.uppercaseHex = false;
  formatter.branchLeadingZeros = false;
  return (code, address, bits) => {
    const decoder = new Decoder(bits, code, DecoderOptions.None);
    decoder.ip = address;
    const insns: DisassembledInsn[] = [];
    while (decoder.canDecode) {
      const insn = decoder.decode();
      insns.push({ length: insn.length, text: formatter.format(insn) });
      insn.free();
    }
    decoder.free();
    return insns;
  };
}
