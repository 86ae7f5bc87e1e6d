// What `-accel tcg,profile=on` says at the end of a run.
import { type RegionUse, type SideExitSite, type TranslationProfile, translationText, type VmCounters } from "@tsvm/vm";
import type { SymbolMap } from "./symbol-map.ts";

/** Lines of each list. */
const TOP = 20;

/** Whole lines. @param counters of the machine, over the same time. */
export function profileText(profile: TranslationProfile, counters: VmCounters, symbols: SymbolMap): string {
  const { instructions, accelerator } = counters;
  const { regions, sideExits } = profile;
  const total = sum(regions, "instructions");
  const runs = sum(regions, "runs");
  const functions = addUp(regions, ({ rip }) => symbols.find(rip)?.name ?? hex(rip));
  const mnemonics = addUp(sideExits, ({ mnemonic }) => mnemonic);
  const share = (part: number, whole: number): string => ((100 * part) / Math.max(1, whole)).toFixed(1);
  return `${[
    `profile: ${regions.length} places, ${runs} runs, ${total} instructions in regions (${share(total, instructions)} % of all)`,
    "",
    columns(["instructions", "%", "runs", "per run", "side exits"], "function"),
    ...functions.slice(0, TOP).map(({ name, of }) => {
      const [done, entered, left] = [sum(of, "instructions"), sum(of, "runs"), sum(of, "sideExits")];
      return columns([done, share(done, instructions), entered, (done / Math.max(1, entered)).toFixed(1), left], name);
    }),
    "",
    columns(["side exits", "%"], "in front of"),
    ...mnemonics.slice(0, TOP).map(({ name, of }) => {
      const count = sum(of, "count");
      return columns([count, share(count, sum(sideExits, "count"))], name);
    }),
    "",
    columns(["side exits"], "at"),
    ...sideExits.slice(0, TOP).map((site) => columns([site.count], `${place(site.rip, symbols)}  ${site.mnemonic}`)),
    "",
    translationText(accelerator),
  ].join("\n")}\n`;
}

/** Groups by name, the largest first: by the first number that its members have. */
function addUp<T extends RegionUse | SideExitSite>(
  list: readonly T[],
  nameOf: (one: T) => string,
): readonly { readonly name: string; readonly of: readonly T[] }[] {
  const weight = (one: RegionUse | SideExitSite): number => ("count" in one ? one.count : one.instructions);
  const weigh = (of: readonly T[]): number => of.reduce((all, one) => all + weight(one), 0);
  return [...Map.groupBy(list, nameOf)].map(([name, of]) => ({ name, of })).sort((a, b) => weigh(b.of) - weigh(a.of));
}

const sum = <K extends string>(list: readonly { readonly [key in K]: number }[], key: K): number =>
  list.reduce((all, one) => all + one[key], 0);

const hex = (address: bigint): string => `0x${address.toString(16)}`;

function place(address: bigint, symbols: SymbolMap): string {
  const found = symbols.find(address);
  return found === undefined ? hex(address) : `${found.name}+0x${found.offset.toString(16)}`;
}

/** Numbers aligned right, and a name behind them. */
const columns = (numbers: readonly (number | string)[], name: string): string =>
  `${numbers.map((text) => String(text).padStart(14)).join("")}  ${name}`;
