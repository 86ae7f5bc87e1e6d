// Whether the guest has settled on the code it runs.
//
// What a region saves is known only afterwards. While a guest goes on to new code, as a boot does all the time, what is hot now
// is soon over; a guest that has decoded next to nothing for a while goes on as it is. So code counts as hot sooner there:
// RATIONALE.md, "When is code worth a region?".

/** Instructions retired until newly decoded ones count half. */
const HALF_LIFE = 4_000_000;
/** Newly decoded instructions, so counted, below which a guest has settled. */
const FEW = 200;
/** How much sooner code is hot in a guest that has. */
const SETTLED_SHARE = 0.4;

/** Takes totals that never go down. */
export class Settling {
  #retired = 0;
  #decoded = 0;
  #recent = 0;

  /**
   * Whether a block is hot.
   * @param heat how often it was entered. @param limit with which it is hot in any case.
   * @param retired instructions so far. @param decoded instructions decoded so far.
   */
  isHot(heat: number, limit: number, retired: number, decoded: number): boolean {
    this.#recent = this.#recent * 2 ** ((this.#retired - retired) / HALF_LIFE) + decoded - this.#decoded;
    this.#retired = retired;
    this.#decoded = decoded;
    return heat >= (this.#recent < FEW ? limit * SETTLED_SHARE : limit);
  }
}
