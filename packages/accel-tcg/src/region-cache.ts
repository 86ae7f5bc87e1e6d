// Translated regions: made when a block gets hot, entered by records, dropped when their code changes.
//
// Invariants:
// 1. A region is entered only through records that lead into it; dropping it gives those their handlers back.
// 2. Regions are a cache: all state is in CPU state whenever TypeScript runs.
import {
  type Decoder,
  RECORD,
  type Translation,
  type TranslationSource,
  type TranslationStage,
  translateRegion,
} from "@tsvm/cpu-x86";
import { CodeWriter, ModuleBuilder } from "@tsvm/wasm-emit";
import type { RegionProfile } from "./region-profile.ts";
import type { RegionVerifier } from "./region-verifier.ts";
import type { TranslationLog } from "./translation-log.ts";

/** Live modules at most: engines keep some tens of KiB for each, and have a limit. */
const MAX_REGIONS = 4000;
/** Size of the table of regions. */
export const REGION_SLOTS: number = MAX_REGIONS + 1;

/** What does not depend on the code that is translated. */
export type TranslationManner = Pick<TranslationSource, "inexactSeen" | "logsStores" | "countsLooks">;

/** What the cache needs of decoded code; offsets count from the page the hot record is in. */
export interface HotCode extends TranslationSource {
  /** Offset of the hot record. */
  readonly start: number;
  /** Linear address of the page the hot record is in. */
  readonly pageAddress: bigint;
  /** A copy of the code at `offset`. */
  bytesAt(offset: number, length: number): Uint8Array;
  /** The block at `record` is in a region now: it is hot only if it goes on being entered in another way. */
  cool(record: number): void;
  /** The page at this distance, in pages, from the first one; any object stands for a page. */
  pageAt(distance: number): object;
}

interface LiveRegion {
  readonly slot: number;
  /** Records that lead in, and the handlers they had. */
  readonly links: readonly (readonly [record: number, handler: number])[];
  readonly pages: ReadonlySet<object>;
}

/** Counters of the translator. */
export interface RegionCounters {
  /** Regions made, dropped, and attempts that gave none. */
  readonly regionsMade: number;
  readonly regionsDropped: number;
  readonly regionsRefused: number;
  readonly regionsLive: number;
  /** Bytes of WebAssembly of all regions made. */
  readonly regionBytes: number;
  /** Milliseconds spent on finding code, on making IR of it, on writing that as WebAssembly, and on having it compiled. */
  readonly findMs: number;
  readonly emitMs: number;
  readonly writeMs: number;
  readonly compileMs: number;
}

type RegionFunction = (entry: number) => number;

/** A WebAssembly function that calls `run`: tables hold no others. */
function callableFromTable(run: RegionFunction): RegionFunction {
  const module = new ModuleBuilder({ minPages: 1 });
  const type = { params: ["i32"], results: ["i32"] } as const;
  const imported = module.importFunction("env", "run", type);
  const code = new CodeWriter();
  code.localGet(0);
  code.call(imported);
  module.defineFunction(module.declareFunction(), type, [], code, "region");
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()), { env: { run, memory } });
  return instance.exports["region"] as RegionFunction;
}

export class RegionCache {
  readonly #decoder: Decoder;
  readonly #imports: Readonly<Record<string, WebAssembly.ImportValue>>;
  readonly #now: () => number;
  /** Functions of regions by slot; 0 stays empty, so that no valid link is 0. */
  readonly table: WebAssembly.Table;
  /** Checks each run of a region against the interpreter. */
  verifier: RegionVerifier | undefined;
  /** Counts what regions do. */
  profile: RegionProfile | undefined;
  /** Is told what is translated. */
  log: TranslationLog | undefined;
  readonly #freeSlots: number[] = [];
  readonly #regions = new Set<LiveRegion>();
  readonly #regionsOfPage = new Map<object, Set<LiveRegion>>();
  readonly #handlerOf = new Map<number, number>();
  readonly #counts = {
    regionsMade: 0,
    regionsDropped: 0,
    regionsRefused: 0,
    regionBytes: 0,
    findMs: 0,
    emitMs: 0,
    writeMs: 0,
    compileMs: 0,
  };
  /** When the stage of translation that is under way began. */
  #stageBegan = 0;

  /** @param imports memory and the interpreter's subroutines. @param now milliseconds, for the counters. */
  constructor(
    decoder: Decoder,
    table: WebAssembly.Table,
    imports: Readonly<Record<string, WebAssembly.ImportValue>>,
    now: () => number,
  ) {
    this.#decoder = decoder;
    this.table = table;
    this.#imports = imports;
    this.#now = now;
    for (let slot = MAX_REGIONS; slot > 0; slot--) this.#freeSlots.push(slot);
  }

  get counters(): RegionCounters {
    return { ...this.#counts, regionsLive: this.#regions.size };
  }

  /** The handler a record has, or had before it led into a region. */
  handlerOf(view: DataView, record: number): number {
    return this.#handlerOf.get(record) ?? view.getUint16(record + RECORD.handler, true);
  }

  /** Translates the code around a hot record and leads its entries into the region. */
  translate(code: HotCode): void {
    if (this.#freeSlots.length === 0) this.dropAll();
    this.#stageBegan = this.#now();
    const translation = translateRegion(this.log?.watching(code) ?? code, code.start, (stage) => this.#ended(stage));
    if (translation === undefined) {
      this.#counts.regionsRefused++;
      return;
    }
    this.log?.made(translation.bytes);
    const run = this.#guarded(this.#instantiate(translation.bytes), translation, code);
    this.#ended("compile");
    this.#counts.regionsMade++;
    this.#counts.regionBytes += translation.bytes.length;
    const slot = this.#freeSlots.pop() as number;
    this.table.set(slot, run);
    const links: [number, number][] = [];
    for (const [i, offset] of translation.entries.entries()) {
      const record = code.recordAt(offset);
      if (record === 0 || this.#decoder.isRegion(record)) continue;
      const handler = this.#decoder.linkRegion(record, slot, i + 1);
      this.#handlerOf.set(record, handler);
      links.push([record, handler]);
    }
    const pages = new Set<object>();
    for (const { offset } of translation.blocks) {
      code.cool(code.recordAt(offset));
      pages.add(code.pageAt(offset >> 12));
    }
    this.#keep({ slot, links, pages });
  }

  #ended(stage: TranslationStage | "compile"): void {
    const now = this.#now();
    this.#counts[`${stage}Ms`] += now - this.#stageBegan;
    this.#stageBegan = now;
  }

  /** The page's code changed, or is decoded no more. */
  dropPage(page: object): void {
    for (const region of this.#regionsOfPage.get(page) ?? []) this.#drop(region);
    this.#regionsOfPage.delete(page);
  }

  dropAll(): void {
    for (const region of this.#regions) this.#drop(region);
    this.#regionsOfPage.clear();
  }

  /** While verifying or profiling, the table holds functions that have the region run by whoever watches it. */
  #guarded(run: RegionFunction, { entries }: Translation, code: HotCode): RegionFunction {
    const { verifier, profile } = this;
    if (verifier === undefined && profile === undefined) return run;
    const name = `region of ${entries.length} entries at ${code.start.toString(16)}`;
    const verified: RegionFunction = (entry) => {
      const offset = entries[entry - 1] as number;
      return verifier === undefined ? run(entry) : verifier.run(run, entry, offset & 0xfff, name);
    };
    return callableFromTable(profile?.watch(verifier === undefined ? run : verified, code.start) ?? verified);
  }

  #instantiate(bytes: Uint8Array<ArrayBuffer>): RegionFunction {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: this.#imports });
    return instance.exports["region"] as RegionFunction;
  }

  #keep(region: LiveRegion): void {
    this.#regions.add(region);
    for (const page of region.pages) {
      const known = this.#regionsOfPage.get(page);
      if (known === undefined) this.#regionsOfPage.set(page, new Set([region]));
      else known.add(region);
    }
  }

  #drop(region: LiveRegion): void {
    if (!this.#regions.delete(region)) return;
    for (const [record, handler] of region.links) {
      this.#decoder.unlinkRegion(record, handler);
      this.#handlerOf.delete(record);
    }
    for (const page of region.pages) this.#regionsOfPage.get(page)?.delete(region);
    this.table.set(region.slot, null);
    this.#freeSlots.push(region.slot);
    this.#counts.regionsDropped++;
  }
}
