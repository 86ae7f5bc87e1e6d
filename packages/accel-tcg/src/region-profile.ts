// `-accel tcg,profile=on`: how often each region ran, how far it came, and in front of which instructions it was left.
//
// Regions are told apart by the address they start at: what different processes have there is counted together, and a
// region that was dropped and made again goes on counting.
import { AT, type Cpu, GPR } from "@tsvm/cpu-x86";

/** What was counted of the regions that start at one address. */
export interface RegionUse {
  /** Guest virtual address of the instruction that had become hot. */
  readonly rip: bigint;
  /** Times it was entered. */
  readonly runs: number;
  /** Guest instructions completed in it. */
  readonly instructions: number;
  /** Times it was left in front of an instruction that the interpreter then had to execute. */
  readonly sideExits: number;
}

/** An instruction in front of which regions were left: a TLB miss, a device, an exception, or too rare to be translated. */
export interface SideExitSite {
  readonly rip: bigint;
  readonly mnemonic: string;
  readonly count: number;
}

/** Both lists have the largest first: by instructions, and by count. */
export interface TranslationProfile {
  readonly regions: readonly RegionUse[];
  readonly sideExits: readonly SideExitSite[];
}

type RegionFunction = (entry: number) => number;
type Counted<T> = { -readonly [K in keyof Omit<T, "rip">]: T[K] };

/** Addresses are kept as numbers, for speed: canonical ones are exact. */
const addressOf = (rip: bigint): number => Number(BigInt.asIntN(64, rip));
const ripOf = (address: number): bigint => BigInt.asUintN(64, BigInt(address));

export class RegionProfile {
  readonly #cpu: Cpu;
  readonly #mnemonicAt: (record: number) => string;
  readonly #regions = new Map<number, Counted<RegionUse>>();
  readonly #sites = new Map<number, Counted<SideExitSite>>();

  /** @param mnemonicAt names the instruction that a record, as regions return them, belongs to. */
  constructor(cpu: Cpu, mnemonicAt: (record: number) => string) {
    this.#cpu = cpu;
    this.#mnemonicAt = mnemonicAt;
  }

  /** `run`, counted. @param pageOffset where the region starts, in the page that is being executed now. */
  watch(run: RegionFunction, pageOffset: number): RegionFunction {
    const address = addressOf(this.#cpu.get64(AT.gpr, GPR.pageRip)) + pageOffset;
    const use = this.#regions.get(address) ?? { runs: 0, instructions: 0, sideExits: 0 };
    this.#regions.set(address, use);
    const { i32 } = this.#cpu;
    const fuel = AT.fuel >> 2;
    return (entry) => {
      const before = i32[fuel] as number;
      const record = run(entry);
      use.runs++;
      use.instructions += before - (i32[fuel] as number);
      if (record !== 0) {
        use.sideExits++;
        this.#leftAt(record);
      }
      return record;
    };
  }

  get result(): TranslationProfile {
    const regions = [...this.#regions].map(([address, use]) => ({ rip: ripOf(address), ...use }));
    const sideExits = [...this.#sites].map(([address, site]) => ({ rip: ripOf(address), ...site }));
    return {
      regions: regions.sort((a, b) => b.instructions - a.instructions),
      sideExits: sideExits.sort((a, b) => b.count - a.count),
    };
  }

  /** A region gave this record back; rip is its instruction's. */
  #leftAt(record: number): void {
    const { i32, u32 } = this.#cpu;
    const at = AT.rip >> 2;
    const address = (i32[at + 1] as number) * 0x1_0000_0000 + (u32[at] as number);
    const site = this.#sites.get(address);
    if (site !== undefined) site.count++;
    else this.#sites.set(address, { mnemonic: this.#mnemonicAt(record), count: 1 });
  }
}
