// CRC32. SDM vol. 2A, "CRC32—Accumulate CRC32 Value".
import { type Row, row, type Semantics } from "./row.ts";

/** The Castagnoli polynomial 11edc6f41h, bits reversed because the instruction works on reflected data. */
const POLYNOMIAL = 0x82f6_3b78;

/** The low bytes of DEST take in SRC byte by byte; a 64-bit DEST is cut to 32 bits too. */
const crc32: Semantics = (b, dst, src) => {
  const crc = b.variable(b.zext(dst!.load(), 32));
  const data = b.variable(src!.load());
  const bytesLeft = b.variable(b.const(src!.width / 8));
  b.loop((loop) => {
    const byte = b.and(b.get(data), b.const(0xff));
    let remainder = b.xor(b.get(crc), byte);
    for (let bit = 0; bit < 8; bit++) {
      const feedback = b.and(b.sub(b.const(0), b.and(remainder, b.const(1))), b.const(POLYNOMIAL));
      remainder = b.xor(b.shr(remainder, b.const(1)), feedback);
    }
    b.set(crc, remainder);
    b.set(data, b.shr(b.get(data), b.const(8)));
    b.set(bytesLeft, b.sub(b.get(bytesLeft), b.const(1)));
    b.when(b.ne(b.get(bytesLeft), b.const(0)), loop.continue, loop.break);
  });
  dst!.store(b.get(crc));
};

export const rows: readonly Row[] = [
  row("F2 0F 38 F0 /r", "CRC32", ["Gy", "Eb"], crc32, { cpuid: "sse4_2" }),
  row("F2 0F 38 F1 /r", "CRC32", ["Gy", "Ev"], crc32, { cpuid: "sse4_2" }),
];
