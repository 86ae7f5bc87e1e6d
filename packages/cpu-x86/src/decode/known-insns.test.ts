import { expect, it, vi } from "vitest";
import { createRandom } from "../../fuzz/random.ts";
import { MODE } from "../state/mode.ts";
import { MAX_RECORDS, RECORD_BYTES } from "./decoded-insn.ts";
import { Decoder } from "./decoder.ts";

const MODES = [
  MODE.code64,
  MODE.code32 | MODE.stack32 | MODE.flat,
  MODE.code32,
  MODE.code16,
  MODE.code16 | MODE.realAddressing,
  MODE.code64 | MODE.wideVectors,
  MODE.code64 | MODE.enforced,
  MODE.code64 | MODE.enforced | MODE.awaitsEndbranch,
];
const STARTS = [0x66, 0x67, 0x0f, 0xf0, 0xf2, 0xf3, 0x2e, 0x64, 0x40, 0x48, 0x4d, 0x8f, 0xc5, 0x62];
const RECORD = 0x100;

it("makes the same records of an instruction whose head is known as if it were not", () => {
  const random = createRandom(7);
  const below = (limit: number) => Math.floor(random() * limit);
  const buffer = new ArrayBuffer(0x1000);
  const records = new Uint8Array(buffer, RECORD, MAX_RECORDS * RECORD_BYTES);
  const decoder = new Decoder(buffer, () => true);
  const anew = vi.spyOn(decoder, "decodeAnew");
  const code = new Uint8Array(24);
  const rounds = 6;
  let copied = 0;
  const decode = (how: "decode" | "decodeAnew", end: number, mode: number, pageOffset: number, ordinal: number) => {
    records.fill(0xee);
    const count = decoder[how](code, 2, end, mode, RECORD, pageOffset, ordinal);
    const bytes = count === 0 ? "" : records.slice(0, count * RECORD_BYTES).join();
    return {
      count,
      bytes,
      ...(count !== 0 && { length: decoder.length, flow: decoder.flow, clock: decoder.readsClock }),
    };
  };
  for (let i = 0; i < 20_000; i++) {
    const mode = MODES[below(MODES.length)] as number;
    for (let at = 0; at < code.length; at++) code[at] = below(256);
    if (below(2) === 0) code[2] = STARTS[below(STARTS.length)] as number;
    if (below(4) === 0) code[3] = STARTS[below(STARTS.length)] as number;
    const same = 4 + below(5);
    for (let round = 0; round < rounds; round++) {
      for (let at = same; at < code.length; at++) code[at] = below(256);
      const end = below(8) === 0 ? 3 + below(12) : code.length;
      const [pageOffset, ordinal] = [below(4096), below(64)];
      anew.mockClear();
      const got = decode("decode", end, mode, pageOffset, ordinal);
      if (anew.mock.calls.length === 0) copied++;
      expect(got, code.join()).toEqual(decode("decodeAnew", end, mode, pageOffset, ordinal));
    }
  }
  expect(copied).toBeGreaterThan(20_000);
});
