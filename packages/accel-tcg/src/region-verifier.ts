// `-accel tcg,verify=on`: what a region did is undone and done again by the interpreter, one instruction at a time; both must
// end in the same state.
import { AT, type Cpu, describe, GPR, STATE_BASE, TLB_READ, UNDO_LOG } from "@tsvm/cpu-x86";

/** Instructions a region is given at once, so that the undo log has room for what they store. */
const FUEL = 200;
/** Runs of a region that are checked one by one; later only every so many, for time. */
const ALWAYS = 40;
const SAMPLE = 499;

/** What the verifier reports when region and interpreter disagree. */
export class VerificationError extends Error {
  override readonly name = "VerificationError";
}

/** Fields that may differ: bookkeeping of generated code, and places where operands pass through. */
const IGNORED = [
  "fuel",
  "exitReason",
  "effectiveAddress",
  "helperArgs",
  "bounce",
  "pendingErrorCode",
  "x87Results",
  "vectorScratch",
  "evexControl",
] as const;

/** One store that a region made, and what it left. */
interface LoggedStore {
  readonly at: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

export class RegionVerifier {
  readonly #cpu: Cpu;
  readonly #stepOne: () => void;
  readonly #runsOf = new Map<unknown, number>();

  /** @param stepOne executes one instruction at rip by the interpreter. */
  constructor(cpu: Cpu, stepOne: () => void) {
    this.#cpu = cpu;
    this.#stepOne = stepOne;
  }

  /**
   * Runs a region and checks what it did. @param pageOffset of the instruction at which it is entered.
   * @returns what the region returned. @throws VerificationError
   */
  run(region: (entry: number) => number, entry: number, pageOffset: number, name: string): number {
    const cpu = this.#cpu;
    const fuelAt = AT.fuel >> 2;
    const fuel = cpu.i32[fuelAt] as number;
    const granted = Math.min(fuel, FUEL);
    cpu.i32[fuelAt] = granted;
    cpu.i32[UNDO_LOG >> 2] = UNDO_LOG + 4;
    const runs = (this.#runsOf.get(region) ?? 0) + 1;
    this.#runsOf.set(region, runs);
    if (runs > ALWAYS && runs % SAMPLE !== 0) {
      const result = region(entry);
      cpu.i32[fuelAt] = fuel - granted + (cpu.i32[fuelAt] as number);
      return result;
    }
    const before = cpu.u8.slice(STATE_BASE, TLB_READ);
    const result = region(entry);
    const spent = granted - (cpu.i32[fuelAt] as number);
    const after = cpu.u8.slice(STATE_BASE, TLB_READ);
    const stores = this.#readLog();
    for (const { at, before: bytes } of stores.toReversed()) cpu.u8.set(bytes, at);
    cpu.u8.set(before, STATE_BASE);
    // The record that leads in left pageRip at its page.
    const startRip = cpu.get64(AT.gpr, GPR.pageRip) + BigInt(pageOffset);
    cpu.rip = startRip;
    for (let i = 0; i < spent; i++) this.#stepOne();
    this.#compare(after, stores, `${name} entered at ${startRip.toString(16)}, ${spent} instructions`, before);
    cpu.i32[fuelAt] = fuel - spent;
    return result;
  }

  #readLog(): LoggedStore[] {
    const { u8, u32 } = this.#cpu;
    const stores: LoggedStore[] = [];
    const end = u32[UNDO_LOG >> 2] as number;
    for (let at = UNDO_LOG + 4; at < end; ) {
      const [host, length] = [u32[at >> 2] as number, u32[(at >> 2) + 1] as number];
      stores.push({ at: host, before: u8.slice(at + 8, at + 8 + length), after: u8.slice(host, host + length) });
      at = (at + 8 + length + 3) & ~3;
    }
    return stores;
  }

  #compare(after: Uint8Array, stores: readonly LoggedStore[], where: string, before: Uint8Array): void {
    const cpu = this.#cpu;
    const differences: string[] = [];
    for (const [field, at] of Object.entries(AT).sort(([, a], [, b]) => a - b)) {
      if ((IGNORED as readonly string[]).includes(field)) continue;
      const end = this.#endOf(at);
      for (let i = at; i < end; i += 4) {
        if (field === "gpr" && i >= at + GPR.zero * 8) continue;
        const [mine, theirs] = [word(after, i - STATE_BASE), cpu.u32[i >> 2] as number];
        if (mine !== theirs)
          differences.push(
            `${field}+${i - at}: region ${mine.toString(16)}, interpreter ${theirs.toString(16)}, before ${word(before, i - STATE_BASE).toString(16)}`,
          );
      }
    }
    for (const { at, after: bytes } of stores)
      if (!bytes.every((byte, i) => byte === cpu.u8[at + i]))
        differences.push(
          `memory at hva ${at.toString(16)}: region ${hex(bytes)}, interpreter ${hex(cpu.u8.slice(at, at + bytes.length))}`,
        );
    if (differences.length > 0)
      throw new VerificationError(`${where}:\n${differences.slice(0, 20).join("\n")}\n${describe(cpu)}`);
  }

  #endOf(at: number): number {
    const ends = Object.values(AT).filter((other) => other > at);
    return ends.length === 0 ? at + 64 : Math.min(...ends);
  }
}

const word = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer).getUint32(bytes.byteOffset + at, true);
const hex = (bytes: Uint8Array): string =>
  [...bytes.slice(0, 32)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
