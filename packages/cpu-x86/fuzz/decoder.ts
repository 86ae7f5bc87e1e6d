// Random bytes for the decoder, in all modes, beside a decoder that others wrote (iced-x86): both take the same bytes for an
// instruction, of the same length, or neither does.
import { DecoderOptions, EncodingKind, Decoder as Iced, Mnemonic } from "iced-x86";
import { InsnBytes, PARSED } from "../src/decode/insn-bytes.ts";
import { OpcodeMap } from "../src/decode/opcode-map.ts";
import { allRows } from "../src/instructions/all-rows.ts";
import { evexRows } from "../src/instructions/evex.ts";
import type { Row } from "../src/instructions/row.ts";
import { MODE } from "../src/state/mode.ts";

/** What a campaign adds up. */
export interface DecoderCounts {
  /** Byte strings times modes. */
  decoded: number;
  /** Both see an instruction, of one length. */
  instructions: number;
  /** Neither does. */
  undefinedOpcodes: number;
  /** One iced knows and no row has: an extension that is not here. */
  extensions: number;
  /** The bytes end inside the instruction. */
  truncated: number;
}

/** More than an instruction has. */
const LENGTH = 20;
const PREFIXES = [0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x40, 0x41, 0x44, 0x48, 0x4f];
const MODES = [
  [16, MODE.code16 | MODE.wideVectors],
  [32, MODE.code32 | MODE.wideVectors],
  [64, MODE.code64 | MODE.wideVectors],
] as const;

/**
 * Rows of ours that raise #UD themselves (registers that do not exist, gathers with one register twice), and MONITOR and MWAIT, which
 * the manual does not say to be without prefixes.
 */
const NOT_DECIDED_BY_ICED = /^(MOV 0F 2[0-3]|MOV 8[CE]|VP?GATHER|UD|MONITOR|MWAIT)/;

const insn = new InsnBytes(new OpcodeMap([...allRows, ...evexRows]));
/** Mnemonics of the rows: what iced knows beyond them is an extension that is not here. */
const known: ReadonlySet<string> = new Set(allRows.map(({ mnemonic }) => mnemonic.toUpperCase()));
const knownEvex: ReadonlySet<string> = new Set(evexRows.map(({ mnemonic }) => mnemonic));

const nameOf = ({ mnemonic, encoding }: Row): string => `${mnemonic} ${encoding}`;

/** Compares `count` random byte strings, in all modes. @throws Error with the bytes of the first that differs. */
export function fuzzDecoder(random: () => number, count: number): DecoderCounts {
  const counts = { decoded: 0, instructions: 0, undefinedOpcodes: 0, extensions: 0, truncated: 0 };
  for (let i = 0; i < count; i++) {
    const bytes = randomBytes(random);
    for (const [bits, mode] of MODES) {
      counts.decoded++;
      counts[compare(bytes, bits, mode)]++;
    }
  }
  return counts;
}

/** Some prefixes, mostly none, then the beginning of one of the opcode maps; sometimes cut off. */
function randomBytes(random: () => number): Uint8Array {
  const below = (limit: number): number => Math.floor(random() * limit);
  const bytes = Uint8Array.from({ length: LENGTH }, () => below(256));
  const head: number[] = [];
  for (let left = Math.max(0, below(9) - 4); left > 0; left--) head.push(PREFIXES[below(PREFIXES.length)] as number);
  const evex = [0x62, (below(16) << 4) | (1 + below(3)), (below(32) << 3) | 4 | below(4), below(256)];
  const vex = [[0xc5], [0xc4, (below(8) << 5) | (1 + below(3))]];
  const maps = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a], ...vex, evex, evex];
  head.push(...(maps[below(maps.length)] as number[]));
  bytes.set(head);
  return below(8) === 0 ? bytes.subarray(0, 1 + below(LENGTH - 1)) : bytes;
}

function compare(bytes: Uint8Array, bits: 16 | 32 | 64, mode: number): Exclude<keyof DecoderCounts, "decoded"> {
  const outcome = insn.parse(bytes, 0, bytes.length, mode);
  if (outcome === PARSED.truncated) return "truncated";
  const ours = outcome === PARSED.ok ? insn.row : undefined;
  const theirs = askIced(insn.vex && bits !== 64 ? withoutIgnoredBit(bytes) : bytes, bits);
  const differs = (what: string): Error =>
    new Error(
      `${Buffer.from(bytes).toString("hex")}, ${bits}-bit: ${what} (${ours && nameOf(ours.row)}; iced ${theirs.name})`,
    );
  if (ours === undefined) {
    if (!theirs.valid) return "undefinedOpcodes";
    if ((theirs.evex ? knownEvex : known).has(theirs.name)) throw differs("#UD of an instruction");
    return "extensions";
  }
  if (!theirs.valid) {
    if (!NOT_DECIDED_BY_ICED.test(nameOf(ours.row))) throw differs("an instruction that is none");
    return "undefinedOpcodes";
  }
  if (insn.length !== theirs.length) throw differs(`${insn.length} bytes instead of ${theirs.length}`);
  return "instructions";
}

/** Bit 3 of vvvv is ignored behind C4 and 62 outside 64-bit mode, says SDM vol. 2A, "VEX.vvvv"; iced looks at it. */
function withoutIgnoredBit(bytes: Uint8Array): Uint8Array {
  const at = bytes.findIndex((byte) => byte === 0xc4 || byte === 0xc5 || byte === 0x62);
  return bytes[at] === 0x62
    ? bytes.with(at + 2, (bytes[at + 2] as number) | 0x40)
    : bytes[at] === 0xc4
      ? bytes.with(at + 2, (bytes[at + 2] as number) | 0x40)
      : bytes;
}

/** What iced makes of `bytes`. Its objects are in WebAssembly's memory and have to be freed. */
function askIced(
  bytes: Uint8Array,
  bits: 16 | 32 | 64,
): { valid: boolean; length: number; name: string; evex: boolean } {
  const decoder = new Iced(bits, bytes, DecoderOptions.None);
  const found = decoder.decode();
  const theirs = {
    valid: !found.isInvalid,
    length: found.length,
    name: (Mnemonic[found.mnemonic] as string).toUpperCase(),
    evex: found.encoding === EncodingKind.EVEX,
  };
  found.free();
  decoder.free();
  return theirs;
}
