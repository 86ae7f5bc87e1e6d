// Where a jump went that goes here and there, by the ring in which the interpreter notes indirect jumps.
import { JUMP_LOG, JUMP_LOG_BYTES, JUMP_LOG_ENTRY_BYTES } from "@tsvm/cpu-x86";

/** As many are told at most. */
const MOST = 24;
/** A target is one of the usual ones if so many parts of all went there. */
const PARTS = 100;

/** Low halves of the rips that the jump at `record` went to of late, the most frequent first. */
export function recentTargets(view: DataView, record: number): readonly number[] {
  const counts = new Map<number, number>();
  let total = 0;
  for (let i = 0; i < JUMP_LOG_BYTES; i += JUMP_LOG_ENTRY_BYTES) {
    const at = JUMP_LOG + 4 + i;
    if (view.getUint32(at, true) !== record) continue;
    const target = view.getInt32(at + 4, true);
    counts.set(target, (counts.get(target) ?? 0) + 1);
    total++;
  }
  const usual = [...counts].filter(([, count]) => count * PARTS >= total).toSorted(([, a], [, b]) => b - a);
  return usual.slice(0, MOST).map(([target]) => target);
}
