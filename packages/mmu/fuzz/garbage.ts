export type Random = (below: number) => number;

/** Low and high half of an entry. */
export type Entry = readonly [low: number, high: number];

/**
 * Entries that mostly are present and mostly lead back into the first `frames` frames: tables that refer to themselves and
 * each other, guest and host tables that are the same, reserved bits, addresses out of every memory.
 * @param wrong one field in so many is wrong.
 */
export function* garbageEntries(random: Random, frames: number, wrong: number): Iterable<Entry> {
  for (let i = 0; i < frames * 512; i++) {
    // 7 has every right in all formats.
    const flags = random(wrong) === 0 ? random(0x1000) : 7;
    const frame = random(wrong) === 0 ? random(2 ** 20) : random(frames);
    yield [(frame << 12) | flags, random(wrong) === 0 ? random(2 ** 32) | 0 : 0];
  }
}
