import type { IrqLine } from "@tsvm/contracts";

/** The far end of a wire: its level, and how often it rose. */
export interface ProbeLine extends IrqLine {
  readonly level: boolean;
  /** Changes from low to high so far. */
  readonly rises: number;
}

export function createProbeLine(): ProbeLine {
  let level = false;
  let rises = 0;
  return {
    set(to: boolean): void {
      if (to && !level) rises++;
      level = to;
    },
    get level() {
      return level;
    },
    get rises() {
      return rises;
    },
  };
}
