import {
  AT,
  type Cpu,
  Decoder,
  decodingMode,
  FLOW,
  GPR,
  MAX_RECORDS,
  MODE,
  MODE_LIMIT,
  RECORD,
  RECORD_BYTES,
  RECORDS_BASE,
  SCRATCH_RECORDS,
  SEGMENT,
  UNDO_LOG,
} from "@tsvm/cpu-x86";
import type { GuestFrames } from "./guest-frames.ts";
import { recentTargets } from "./recent-targets.ts";
import { type PagePlaces, RecordPlaces } from "./record-places.ts";
import type { HotCode, RegionCache, TranslationManner } from "./region-cache.ts";

const FRAME = 4096;
/** Instructions decoded ahead at most; ordinals have a byte. */
const MAX_RUN = 64;
/** Records a run may need: those of its instructions, and a link. */
const RUN_BYTES = (MAX_RUN * MAX_RECORDS + 1) * RECORD_BYTES;
/** Entries of the fetch TLB; a power of two. */
const FETCH_ENTRIES = 512;
/** Room for records that translating one region may make at most. */
const ROOM_TO_TRANSLATE = 1 << 20;
/** Pages to either side of the first one that a region may reach into. */
const MAX_DISTANCE = 8191;
/** A way that is gone more seldom than one in so many of the times that make code hot is not translated. */
const WARM_PARTS = 400;
/** Turns of a loop, on average, before it is left, that make it worth while to emit several of them at a time. */
const MANY_TURNS = 8;
/** Bytes of code whose change is looked at together. */
const CHUNK = 64;

/** The decoded instructions of one frame in one mode. */
interface CodePage {
  readonly gfn: number;
  readonly mode: number;
  /** Never used twice between flushes. Another one when the code changed. */
  number: number;
  readonly hva: number;
  /** Records by the offset of their instruction; 0: not decoded. */
  readonly records: PagePlaces;
  /** First record and end of each run. */
  readonly runs: number[];
  /** Which chunks of the frame hold decoded bytes. */
  readonly chunks: Uint8Array;
  /** Instructions that begin here and end in another page, by offset. */
  readonly crossings: Map<number, Crossing>;
  /** Copies of instructions at which regions are entered, by offset. */
  readonly copies: Map<number, number>;
}

/** An instruction across two pages; right as long as the second page still has the number it had. */
interface Crossing {
  readonly second: number;
  readonly record: number;
}

/**
 * Decoded-instruction records: found by rip, made on demand, forgotten when their bytes change.
 *
 * Invariants:
 * 1. Records are only ever appended; memory is reused when the arena is full, and then everything is forgotten.
 * 2. A record whose bytes changed is marked stale and leads back to the run loop, so pointers to it stay harmless.
 * 3. A jump cache entry is right for its key: TLB context and mode. What changes mappings changes or drops keys.
 */
export class RecordCache {
  readonly #cpu: Cpu;
  readonly #frames: GuestFrames;
  readonly decoder: Decoder;
  /** Regions made of this code; they go when it goes. */
  regions: RegionCache | undefined;
  readonly #pages = new Map<number, CodePage>();
  readonly #pagesOfFrame = new Map<number, CodePage[]>();
  readonly #places = new RecordPlaces();
  readonly #fetchTag = new Float64Array(FETCH_ENTRIES).fill(-1);
  readonly #fetchKey = new Int32Array(FETCH_ENTRIES);
  readonly #fetchPage: (CodePage | undefined)[] = new Array(FETCH_ENTRIES).fill(undefined);
  readonly #crossing = new Uint8Array(32);
  #mappingGeneration = -1;
  #next = RECORDS_BASE;
  #pageCount = 0;
  /** Told of code that is decoded to be executed, and its linear address. */
  onDecoded: ((code: Uint8Array, address: bigint, mode: number) => void) | undefined;
  /** Where the last run that was decoded ends in its page. */
  #runEnd = 0;
  /** Counters for the facade. */
  readonly counters = { runs: 0, instructions: 0, invalidations: 0, flushes: 0, lookups: 0 };

  constructor(cpu: Cpu, frames: GuestFrames, hasFeature: (name: string) => boolean) {
    this.#cpu = cpu;
    this.#frames = frames;
    this.decoder = new Decoder(cpu.u8.buffer, hasFeature);
    frames.onCodeWrite = (gfn, first, length) => this.#codeWritten(gfn, first, length);
  }

  /**
   * Record of the instruction at `rip`. The jump cache leads there afterwards, or nowhere if the record is for this time only: not to
   * one that went stale. @returns 0: an exception is pending.
   */
  lookup(): number {
    this.counters.lookups++;
    const cpu = this.#cpu;
    const low = cpu.low(AT.rip);
    const high = cpu.high(AT.rip);
    const record = this.#recordAt(low, high);
    if (record >= RECORDS_BASE) cpu.linear.enterJumpCache(low, high | 0, record);
    else if (record !== 0) cpu.linear.leaveJumpCache(low, high | 0);
    return record;
  }

  #recordAt(low: number, high: number): number {
    const page = this.#pageOfRip(low, high);
    if (page === undefined) return 0;
    const offset = this.#linearLow & 0xfff;
    if (this.#segmentEndsInPage(low, offset)) {
      this.#inOnePage = false;
      return this.lookupSingle();
    }
    const known = this.#places.at(page.records, offset);
    const record = known !== 0 ? known : this.#decodeRun(page, offset);
    if (known === 0 && record !== 0) this.onDecoded?.(this.#codeOf(page, offset), this.#linear, page.mode);
    this.#inOnePage = record !== 0;
    return record !== 0 ? record : this.#crossingRecord(page, offset);
  }
  #codeOf({ hva }: CodePage, offset: number): Uint8Array {
    return this.#cpu.u8.slice(hva + offset, hva + this.#runEnd);
  }
  /** The linear address of what is looked up. */
  get #linear(): bigint {
    return (BigInt(this.#linearHigh >>> 0) << 32n) | BigInt(this.#linearLow >>> 0);
  }
  /** The last record looked up depends on one page only. */
  #inOnePage = false;

  /** Sets `pageRip` for a record about to be entered from outside. */
  enter(record: number): void {
    const cpu = this.#cpu;
    const offset = cpu.view.getUint16(record + RECORD.pageOffset, true);
    cpu.set64(AT.gpr, cpu.rip - BigInt(offset), 17);
  }

  /** Target of an in-page branch: noted in the branch's record. @returns 0: an exception is pending. */
  resolveNear(branch: number): number {
    const cpu = this.#cpu;
    const { view } = cpu;
    const offset = view.getInt32(branch + RECORD.immediate, true);
    cpu.rip = BigInt.asUintN(64, cpu.get64(AT.gpr, 17) + BigInt(offset));
    const flushes = this.counters.flushes;
    const record = this.lookup();
    const cacheable = this.#inOnePage && record !== 0 && this.counters.flushes === flushes;
    if (cacheable) view.setUint32(branch + RECORD.target, record, true);
    return record;
  }

  /**
   * Decodes the instruction at `rip` by itself, followed by a stop: for single steps and interrupt shadows.
   * @returns its record, or 0: an exception is pending.
   */
  lookupSingle(): number {
    const cpu = this.#cpu;
    const page = this.#pageOfRip(cpu.low(AT.rip), cpu.high(AT.rip));
    if (page === undefined) return 0;
    const offset = this.#linearLow & 0xfff;
    const { hva, mode } = page;
    const inPage =
      hva < 0 ? 0 : this.decoder.decode(cpu.u8, hva + offset, hva + FRAME, mode, SCRATCH_RECORDS, offset, 0);
    const end = inPage === 0 ? this.#decodeAcross(page, offset, SCRATCH_RECORDS) : 0;
    if (inPage === 0 && end === 0) return 0;
    // Across pages a link stands behind the instruction already; the stop takes its place.
    const after = inPage !== 0 ? SCRATCH_RECORDS + inPage * RECORD_BYTES : end - RECORD_BYTES;
    this.decoder.stop(after, offset + this.decoder.length, 0);
    return SCRATCH_RECORDS;
  }

  /** Forgets everything. Only between runs, or where no record is held. */
  flush(): void {
    const cpu = this.#cpu;
    this.regions?.dropAll();
    for (const gfn of this.#pagesOfFrame.keys()) this.#frames.setCode(gfn, false);
    this.#pages.clear();
    this.#pagesOfFrame.clear();
    this.#places.reset();
    this.#fetchTag.fill(-1);
    cpu.linear.clearJumpCache();
    this.#next = RECORDS_BASE;
    this.#pageCount = 0;
    this.counters.flushes++;
  }

  /**
   * The code around a record that is being executed, for the translator. @param manner of translating it.
   * @returns undefined if it cannot be translated: 16-bit code, segments with limits, no room.
   */
  hotCode(record: number, manner: TranslationManner): HotCode | undefined {
    const cpu = this.#cpu;
    const mode = decodingMode(cpu);
    const plain =
      (mode & MODE.codeSizeMask) === MODE.code64 ||
      ((mode & MODE.flat) !== 0 && (mode & MODE.codeSizeMask) === MODE.code32);
    // Behind an indirect branch that is tracked there is ENDBRANCH, and another mode.
    if (
      !plain ||
      (mode & MODE.awaitsEndbranch) !== 0 ||
      record < RECORDS_BASE ||
      this.#next + ROOM_TO_TRANSLATE > UNDO_LOG
    )
      return undefined;
    const pageRip = cpu.get64(AT.gpr, GPR.pageRip);
    const [low, high] = [Number(BigInt.asIntN(32, pageRip)), Number(BigInt.asIntN(32, pageRip >> 32n))];
    const pages = new Map<number, CodePage | undefined>();
    const pageAt = (distance: number): CodePage | undefined => {
      if (Math.abs(distance) > MAX_DISTANCE) return undefined;
      if (!pages.has(distance)) pages.set(distance, this.#knownPage(low, high, distance, mode));
      return pages.get(distance);
    };
    const { view } = cpu;
    const start = view.getUint16(record + RECORD.pageOffset, true);
    const first = pageAt(0);
    if (first === undefined || this.#places.at(first.records, start) !== record) return undefined;
    const regions = this.regions as RegionCache;
    const warm = Math.ceil(view.getUint32(record + RECORD.heat, true) / WARM_PARTS);
    return {
      start,
      view,
      ...manner,
      code64: (mode & MODE.codeSizeMask) === MODE.code64,
      pageAddress: pageRip,
      bytesAt: (offset, length) =>
        Uint8Array.from({ length }, (_, i) => {
          const { hva } = pageAt((offset + i) >> 12) as CodePage;
          return cpu.u8[hva + ((offset + i) & 0xfff)] as number;
        }),
      pageAt: (distance) => pageAt(distance) as CodePage,
      recordAt: (offset) => {
        const page = pageAt(offset >> 12);
        return page === undefined ? 0 : this.#recordIn(page, offset & 0xfff);
      },
      copyAt: (offset) => this.#copy(pageAt(offset >> 12) as CodePage, offset & 0xfff),
      handlerOf: (at) => regions.handlerOf(view, at),
      cool: (at) => {
        const cools = !this.decoder.isRegion(at) && view.getUint32(at + RECORD.heat, true) > warm;
        if (cools) view.setUint32(at + RECORD.heat, warm, true);
      },
      isWarm: (at) => view.getUint32(at + RECORD.heat, true) >= warm,
      isPassed: (at) => view.getUint32(at + RECORD.passed, true) >= warm,
      isMostlyTaken: (at, target) =>
        view.getUint32(target + RECORD.heat, true) >= view.getUint32(at + RECORD.passed, true) * MANY_TURNS,
      usualTarget: (at) => {
        const target = view.getInt32(at + RECORD.target, true);
        return target === 0 || view.getUint16(at + RECORD.changes, true) > warm ? undefined : (target - low) | 0;
      },
      recentTargets: (at) => recentTargets(view, at).map((target) => (target - low) | 0),
    };
  }

  /** The code page at a distance from a linear page that is being executed, if its mapping and code are known already. */
  #knownPage(low: number, high: number, distance: number, mode: number): CodePage | undefined {
    const page = (high >>> 0) * 0x10_0000 + (low >>> 12) + distance;
    const gpa = this.#cpu.linear.inspect((page % 0x10_0000) << 12, Math.floor(page / 0x10_0000) | 0);
    return gpa < 0 ? undefined : this.#pages.get(Math.floor(gpa / FRAME) * MODE_LIMIT + mode);
  }

  /** The record at an offset, decoded if need be. @returns 0: the instruction crosses into the next page, or no room. */
  #recordIn(page: CodePage, offset: number): number {
    const known = this.#places.at(page.records, offset);
    if (known !== 0) return known;
    return this.#next + RUN_BYTES > UNDO_LOG ? 0 : this.#decodeRun(page, offset);
  }

  /** One instruction apart from its run, and a link behind it. @returns 0: no room. */
  #copy(page: CodePage, offset: number): number {
    const known = page.copies.get(offset);
    if (known !== undefined) return known;
    if (this.#next + (MAX_RECORDS + 1) * RECORD_BYTES > UNDO_LOG) return 0;
    const copy = this.#next;
    const { decoder } = this;
    const count = decoder.decode(this.#cpu.u8, page.hva + offset, page.hva + FRAME, page.mode, copy, offset, 0);
    decoder.link(copy + count * RECORD_BYTES, offset, 0, offset + decoder.length, 0, false);
    this.#next += (count + 1) * RECORD_BYTES;
    page.runs.push(copy, this.#next);
    page.copies.set(offset, copy);
    return copy;
  }

  #linearLow = 0;
  #linearHigh = 0;

  #pageOfRip(low: number, high: number): CodePage | undefined {
    const cpu = this.#cpu;
    const mode = decodingMode(cpu);
    this.#linearLow = low | 0;
    this.#linearHigh = high | 0;
    if ((mode & MODE.codeSizeMask) !== MODE.code64) {
      if ((mode & MODE.flat) === 0 && low > cpu.get32(AT.segLimit, SEGMENT.cs)) {
        cpu.raise("GP", 0);
        return undefined;
      }
      this.#linearLow = (low + cpu.low(AT.segBase, SEGMENT.cs)) | 0;
      this.#linearHigh = 0;
    }
    return this.#fetch(this.#linearLow, this.#linearHigh, mode);
  }

  /** Runs do not look at the limit of the code segment: where it lies in the page, each instruction is looked up. */
  #segmentEndsInPage(rip: number, offset: number): boolean {
    const cpu = this.#cpu;
    const mode = decodingMode(cpu);
    if ((mode & MODE.flat) !== 0 || (mode & MODE.codeSizeMask) === MODE.code64) return false;
    return cpu.get32(AT.segLimit, SEGMENT.cs) - rip < FRAME - 1 - offset;
  }

  #fetch(low: number, high: number, mode: number): CodePage | undefined {
    const cpu = this.#cpu;
    if (cpu.linear.mappingGeneration !== this.#mappingGeneration) {
      this.#mappingGeneration = cpu.linear.mappingGeneration;
      this.#fetchTag.fill(-1);
    }
    const tag = (high >>> 0) * 0x10_0000 + (low >>> 12);
    const key = cpu.get32(AT.jumpKey) | 0;
    const slot = (low >>> 12) & (FETCH_ENTRIES - 1);
    if (this.#fetchTag[slot] === tag && this.#fetchKey[slot] === key) return this.#fetchPage[slot];
    const gfn = cpu.linear.fetchFrame(low, high);
    if (gfn < 0) return undefined;
    const page = this.#pageOf(gfn, mode);
    this.#fetchTag[slot] = tag;
    this.#fetchKey[slot] = key;
    this.#fetchPage[slot] = page;
    return page;
  }

  #pageOf(gfn: number, mode: number): CodePage {
    const key = gfn * MODE_LIMIT + mode;
    const known = this.#pages.get(key);
    if (known !== undefined) return known;
    const hva = this.#frames.readableFrame(gfn);
    const page: CodePage = {
      gfn,
      mode,
      hva,
      number: ++this.#pageCount,
      records: this.#places.createPage(),
      runs: [],
      chunks: new Uint8Array(FRAME / CHUNK),
      crossings: new Map(),
      copies: new Map(),
    };
    this.#pages.set(key, page);
    const siblings = this.#pagesOfFrame.get(gfn);
    if (siblings !== undefined) siblings.push(page);
    else {
      this.#pagesOfFrame.set(gfn, [page]);
      this.#frames.setCode(gfn, true);
      if (hva >= 0) this.#cpu.linear.dropWriteEntries(hva);
    }
    return page;
  }

  /** @returns the first record, or 0: the first instruction crosses into the next page. */
  #decodeRun(page: CodePage, start: number): number {
    if (page.hva < 0) return 0;
    if (this.#next + RUN_BYTES > UNDO_LOG) {
      this.flush();
      return this.lookup();
    }
    const decoder = this.decoder;
    const { u8 } = this.#cpu;
    const first = this.#next;
    let at = first;
    let offset = start;
    let ordinal = 0;
    let crossing = false;
    for (;;) {
      const count = decoder.decode(u8, page.hva + offset, page.hva + FRAME, page.mode, at, offset, ordinal);
      if (count === 0) {
        if (ordinal === 0) return 0;
        crossing = true;
        break;
      }
      if (decoder.readsClock && ordinal > 0) break;
      this.#places.put(page.records, offset, at);
      this.#markChunks(page, offset, decoder.length);
      at += count * RECORD_BYTES;
      offset += decoder.length;
      ordinal++;
      if (decoder.flow === FLOW.jump) break;
      if (offset >= FRAME || ordinal === MAX_RUN || this.#places.at(page.records, offset) !== 0) break;
    }
    if (crossing || decoder.flow !== FLOW.jump) {
      const known = offset < FRAME && !crossing ? this.#places.at(page.records, offset) : 0;
      decoder.link(at, offset & 0xfff, ordinal - 1, offset, known, crossing);
      at += RECORD_BYTES;
    }
    for (let record = first; record < at - RECORD_BYTES; record += RECORD_BYTES) decoder.pair(record);
    page.runs.push(first, at);
    this.#next = at;
    this.#runEnd = offset;
    this.counters.runs++;
    this.counters.instructions += ordinal;
    return first;
  }

  /** Record of an instruction whose bytes lie in two pages. @returns 0: an exception is pending. */
  #crossingRecord(page: CodePage, offset: number): number {
    if (page.hva < 0) return this.#deviceRecord(page, offset);
    const second = this.#nextPage(page.mode);
    if (second === undefined) return 0;
    if (second.hva < 0) return this.#deviceRecord(page, offset);
    const known = page.crossings.get(offset);
    if (known?.second === second.number) return known.record;
    if (this.#next + (MAX_RECORDS + 1) * RECORD_BYTES > UNDO_LOG) {
      this.flush();
      return this.lookup();
    }
    const record = this.#next;
    this.#next = this.#decodeAcross(page, offset, record);
    this.onDecoded?.(this.#crossing.slice(0, this.decoder.length), this.#linear, page.mode);
    // Whichever of the two is forgotten marks the records stale.
    page.runs.push(record, this.#next);
    second.runs.push(record, this.#next);
    this.#markChunks(page, offset, FRAME - offset);
    this.#markChunks(second, 0, 16);
    page.crossings.set(offset, { second: second.number, record });
    return record;
  }

  /** The page after the one of the current linear address. */
  #nextPage(mode: number): CodePage | undefined {
    const low = ((this.#linearLow & ~0xfff) + FRAME) | 0;
    const high = low === 0 && this.#cpu.longMode ? (this.#linearHigh + 1) | 0 : this.#linearHigh;
    return this.#fetch(low, high, mode);
  }

  /** Code in a device, or across one: decoded each time it is executed. */
  #deviceRecord(page: CodePage, offset: number): number {
    const end = this.#decodeAcross(page, offset, SCRATCH_RECORDS);
    return end === 0 ? 0 : SCRATCH_RECORDS;
  }

  /** Decodes one instruction byte by byte at `record`, and a link behind it. @returns the end, or 0: exception pending. */
  #decodeAcross(page: CodePage, offset: number, record: number): number {
    const bytes = this.#crossing;
    const first = Math.min(FRAME - offset, 16);
    bytes.fill(0);
    this.#readFrame(page.gfn, offset, first, bytes, 0);
    if (first < 16) {
      const second = this.#nextPage(page.mode);
      if (second === undefined) return 0;
      this.#readFrame(second.gfn, 0, 16 - first, bytes, first);
    }
    const count = this.decoder.decode(bytes, 0, 16, page.mode, record, offset, 0);
    const after = offset + this.decoder.length;
    this.decoder.link(record + count * RECORD_BYTES, offset, 0, after, 0, true);
    return record + (count + 1) * RECORD_BYTES;
  }

  /** Bytes of a frame that may be a device. */
  #readFrame(gfn: number, offset: number, length: number, into: Uint8Array, at: number): void {
    const { u8 } = this.#cpu;
    this.#frames.load(gfn * FRAME + offset, length, AT.bounce);
    into.set(u8.subarray(AT.bounce, AT.bounce + length), at);
  }

  #markChunks(page: CodePage, offset: number, length: number): void {
    for (let chunk = Math.floor(offset / CHUNK); chunk * CHUNK < offset + length; chunk++) page.chunks[chunk] = 1;
  }

  #codeWritten(gfn: number, first: number, length: number): void {
    const pages = this.#pagesOfFrame.get(gfn);
    if (pages === undefined) return;
    const last = Math.floor((first + length - 1) / CHUNK);
    let hit = false;
    for (const page of pages)
      for (let chunk = Math.floor(first / CHUNK); chunk <= last; chunk++) hit ||= page.chunks[chunk] === 1;
    // Code that is patched is executed again soon. One that is written to twice without that has become data.
    for (const page of [...pages])
      if (page.runs.length === 0) this.#forget(page);
      else if (hit) this.#empty(page);
  }

  /** All code of the page may have changed; it stays one of code. */
  #empty(page: CodePage): void {
    this.counters.invalidations++;
    this.regions?.dropPage(page);
    for (let i = 0; i < page.runs.length; i += 2)
      for (let at = page.runs[i] as number; at < (page.runs[i + 1] as number); at += RECORD_BYTES)
        this.decoder.markStale(at);
    page.runs.length = 0;
    page.chunks.fill(0);
    page.crossings.clear();
    page.copies.clear();
    this.#places.clear(page.records);
    page.number = ++this.#pageCount;
  }

  #forget(page: CodePage): void {
    if (page.runs.length > 0) this.#empty(page);
    this.#pages.delete(page.gfn * MODE_LIMIT + page.mode);
    const rest = (this.#pagesOfFrame.get(page.gfn) ?? []).filter((other) => other !== page);
    if (rest.length > 0) this.#pagesOfFrame.set(page.gfn, rest);
    else {
      this.#pagesOfFrame.delete(page.gfn);
      this.#frames.setCode(page.gfn, false);
    }
    this.#fetchTag.fill(-1);
  }
}
