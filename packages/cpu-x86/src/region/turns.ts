// Small loops are emitted several turns at a time: what one turn found out (memory it reached, units it may use, values that
// are no special case) the next one knows, and what it leaves (flags, fuel) only the last one's way back needs.
import type { Place } from "./place.ts";

/** A block of a region as the search sees it. */
export interface TurnBlock {
  readonly start: Place;
  /** Instructions. */
  readonly size: number;
  /** Blocks that control may go on with. */
  readonly successors: readonly number[];
  /** Those of them with which the code goes on by a relative branch that is mostly taken, or by none. */
  readonly straight: readonly number[];
}

/** Instructions of a turn at most. */
const MAX_TURN = 16;

/** For the block each small loop begins with, the blocks of one turn, that one first. Loops have no block in common. */
export function findTurns(blocks: readonly TurnBlock[]): Map<number, readonly number[]> {
  const ways: (readonly number[])[] = [];
  for (const header of blocks.keys()) {
    const way = shortestWay(blocks, header);
    if (way !== undefined && isEntered(blocks, way)) ways.push(way);
  }
  const sizeOf = (way: readonly number[]): number => way.reduce((sum, block) => sum + blocks[block]!.size, 0);
  ways.sort((a, b) => sizeOf(a) - sizeOf(b));
  const taken = new Set<number>();
  const turns = new Map<number, readonly number[]>();
  for (const way of ways) {
    if (way.some((block) => taken.has(block))) continue;
    for (const block of way) taken.add(block);
    turns.set(way[0] as number, way);
  }
  return turns;
}

/** Whether the first block of the way around is where control comes from elsewhere, or the region's first. */
function isEntered(blocks: readonly TurnBlock[], way: readonly number[]): boolean {
  const [header] = way as [number];
  const comesFrom = ({ successors }: TurnBlock, block: number): boolean =>
    successors.includes(header) && !way.includes(block);
  return header === 0 || blocks.some(comesFrom);
}

/** The way around with the fewest instructions that comes back to `header`; of one copy, in one page. */
function shortestWay(blocks: readonly TurnBlock[], header: number): number[] | undefined {
  const { start, size } = blocks[header] as TurnBlock;
  const queue = [{ way: [header], size }];
  const seen = new Set<number>();
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    const last = at.way.at(-1) as number;
    if (at.size > MAX_TURN || seen.has(last) || !isNear(blocks[last]!.start, start)) continue;
    seen.add(last);
    for (const next of blocks[last]!.straight) {
      if (next === header) return at.way;
      queue.push({ way: [...at.way, next], size: at.size + blocks[next]!.size });
    }
    queue.sort((a, b) => a.size - b.size);
  }
  return undefined;
}

const PAGE = 4096;
const isNear = (a: Place, b: Place): boolean => Math.floor(a / PAGE) === Math.floor(b / PAGE);
