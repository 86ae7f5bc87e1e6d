/** What happened in a case, by name: a campaign sums it up, and shows by it that its cases reach what they are made for. */
export interface FuzzCounts {
  readonly accesses: number;
  readonly [what: string]: number;
}

/** One case: everything that happens in it follows from `seed`. Throws what it found. */
export type FuzzCase = (seed: number) => Promise<FuzzCounts>;

export interface FuzzCampaign {
  readonly firstSeed: number;
  /** Cases are begun until there were so many accesses. */
  readonly accesses: number;
  /** A case that takes longer has hung: milliseconds, 20000 by default. */
  readonly limitMs?: number;
}

export interface FuzzReport {
  readonly cases: number;
  readonly counts: FuzzCounts;
  readonly slowestMs: number;
}

/**
 * Runs cases with seeds from `firstSeed` on.
 * @throws Error naming the seed of the case that failed or took too long: that case alone is `accesses: 1` from that seed.
 */
export async function runFuzzCampaign(run: FuzzCase, campaign: FuzzCampaign): Promise<FuzzReport> {
  const { firstSeed, limitMs = 20_000 } = campaign;
  const sums: { accesses: number; [what: string]: number } = { accesses: 0 };
  let slowestMs = 0;
  let cases = 0;
  for (let seed = firstSeed; sums.accesses < campaign.accesses; seed++, cases++) {
    const started = performance.now();
    try {
      for (const [what, count] of Object.entries(await run(seed))) sums[what] = (sums[what] ?? 0) + count;
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
    const tookMs = performance.now() - started;
    slowestMs = Math.max(slowestMs, tookMs);
    if (tookMs > limitMs) throw new Error(`seed ${seed}: took ${Math.round(tookMs)} ms`);
  }
  return { cases, counts: sums, slowestMs };
}
