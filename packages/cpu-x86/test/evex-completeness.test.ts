// Every instruction that iced-x86 counts to the features of AVX-512 that are shown must be there, under the same name.
import { CpuidFeature, DecoderOptions, Decoder as Iced, Mnemonic } from "iced-x86";
import { describe, expect, it } from "vitest";
import { InsnBytes } from "../src/decode/insn-bytes.ts";
import { OpcodeMap } from "../src/decode/opcode-map.ts";
import { allRows } from "../src/instructions/all-rows.ts";
import { evexRows } from "../src/instructions/evex.ts";
import { MODE } from "../src/state/mode.ts";

const SHOWN = ["AVX512F", "AVX512VL", "AVX512CD", "AVX512DQ", "AVX512BW"] as const;
const features: ReadonlySet<number> = new Set(SHOWN.map((name) => CpuidFeature[name]));
const insn = new InsnBytes(new OpcodeMap([...allRows, ...evexRows]));

interface Asked {
  readonly name: string;
  readonly features: readonly string[];
  readonly displacement: number;
}

/** What iced takes the bytes for, if that belongs to AVX-512 as far as it is shown; and the features it asks for. */
function askIced(bytes: Uint8Array, bits: 32 | 64): Asked | undefined {
  const decoder = new Iced(bits, bytes, DecoderOptions.None);
  const found = decoder.decode();
  const needed = [...found.cpuidFeatures()];
  const name = (Mnemonic[found.mnemonic] as string).toUpperCase();
  const valid = !found.isInvalid;
  const displacement = Number(BigInt.asIntN(32, found.memoryDisplacement));
  found.free();
  decoder.free();
  const isOurs = valid && needed.length > 0 && needed.every((feature) => features.has(feature));
  const names = needed.map((feature) => CpuidFeature[feature] as string);
  return isOurs ? { name, features: names, displacement } : undefined;
}

/** EVEX prefixes of all maps, mandatory prefixes, W and lengths, in front of all opcodes, with registers and at [rcx + disp8]. */
function* encodings(): Generator<Uint8Array> {
  for (const map of [1, 2, 3])
    for (let fields = 0; fields < 8; fields++)
      for (let length = 0; length < 3; length++)
        for (let opcode = 0; opcode < 256; opcode++)
          for (let digit = 0; digit < 8; digit++)
            for (const modrm of [0x41 | (digit << 3), 0xc1 | (digit << 3)])
              for (const mask of [0, 1])
                for (const vvvv of [0x78, 0x48]) {
                  const p1 = ((fields & 4) << 5) | vvvv | 4 | (fields & 3);
                  yield Uint8Array.of(
                    0x62,
                    0xf0 | map,
                    p1,
                    0x08 | (length << 5) | mask,
                    opcode,
                    modrm,
                    1,
                    0,
                    0,
                    0,
                    0,
                    0,
                  );
                }
}

function* vexEncodings(): Generator<Uint8Array> {
  for (const map of [1, 3])
    for (let fields = 0; fields < 8; fields++)
      for (const length of [0, 4])
        for (let opcode = 0; opcode < 256; opcode++)
          for (const modrm of [0x00, 0xc1])
            for (const vvvv of [0x78, 0x48]) {
              const last = ((fields & 4) << 5) | vvvv | length | (fields & 3);
              yield Uint8Array.of(0xc4, 0xe0 | map, last, opcode, modrm, 0, 0, 0, 0, 0, 0);
            }
}

const FEATURE_OF: Readonly<Record<string, string>> = {
  avx512f: "AVX512F",
  avx512vl: "AVX512VL",
  avx512cd: "AVX512CD",
  avx512dq: "AVX512DQ",
  avx512bw: "AVX512BW",
};

describe("AVX-512", () => {
  it.each([64, 32] as const)("has all instructions of its features, under their features, in %i-bit code", (bits) => {
    const missing = new Set<string>();
    let count = 0;
    for (const bytes of [...encodings(), ...vexEncodings()]) {
      const theirs = askIced(bytes, bits);
      if (theirs === undefined) continue;
      count++;
      insn.parse(bytes, 0, bytes.length, (bits === 64 ? MODE.code64 : MODE.code32) | MODE.wideVectors);
      const row = insn.row?.row;
      const hex = Buffer.from(bytes.subarray(0, 7)).toString("hex");
      // MOVD of 64 bits is called MOVQ, and PEXTRD and PINSRD likewise.
      const name = (row?.mnemonic ?? "none").replace(/^(VMOV|VPEXTR|VPINSR)D$/, insn.rex & 8 ? "$1Q" : "$1D");
      if (insn.displacement !== theirs.displacement)
        missing.add(`${name}: displacement ${insn.displacement}, not ${theirs.displacement}: ${row?.encoding}`);
      if (name !== theirs.name) missing.add(`${theirs.name}, not ${name}: ${hex}`);
      else {
        const asked = [row?.cpuid, row?.alsoCpuid].flatMap((feature) => FEATURE_OF[feature ?? ""] ?? []);
        if (asked.toSorted().join() !== theirs.features.toSorted().join())
          missing.add(`${name} asks for ${asked}, not ${theirs.features}: ${row?.encoding}`);
      }
    }
    expect([...missing].slice(0, 40)).toEqual([]);
    expect(count).toBeGreaterThan(10_000);
  });
});
