const NS_PER_SECOND = 1e9;

/**
 * A free-running count of a fixed frequency since power-on, in both directions. Rounded so that the two agree:
 * `ticksAt(nsOf(n)) >= n` for every n up to 2^53, so that a counter never finds itself one tick short at its deadline.
 */
export interface TickRate {
  /** Whole ticks since power-on at guest time `ns`. */
  ticksAt(ns: number): number;
  /** The first guest time in whole nanoseconds at which `ticks` have passed. */
  nsOf(ticks: number): number;
}

export function createTickRate(hz: number): TickRate {
  const ticksAt = (ns: number): number => Math.floor((ns * hz) / NS_PER_SECOND);
  return {
    ticksAt,
    nsOf(ticks: number): number {
      const ns = Math.ceil((ticks * NS_PER_SECOND) / hz);
      return ticksAt(ns) >= ticks ? ns : ns + 1;
    },
  };
}
