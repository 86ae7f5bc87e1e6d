// The functions that V8 compiled, as `--perf-prof` writes them down for perf. Linux, tools/perf/Documentation/
// jitdump-specification.txt. V8's threads write to one file, now and then into each other's records: what is none is passed over.

/** A function as it was when it was compiled. */
export interface CodeLoad {
  readonly name: string;
  /** Of its first byte; less than 2^53. */
  readonly address: number;
  /** Its bytes, a view of the dump. */
  readonly code: Uint8Array;
}

/** "JiTD" as little-endian processors write it. */
const MAGIC = 0x4a695444;
/** In the file's header: its own length. */
const HEADER_LENGTH = 8;
/** A record: id, length, time stamp. A load behind that: pid, tid, vma, address, length of the code, index; its name; its bytes. */
const RECORD_HEADER = 16;
const [VMA, ADDRESS, CODE_LENGTH, NAME] = [24, 32, 40, 56] as const;
const CODE_LOAD = 0;
const MOST_ID = 5;

/** Functions in the order they were compiled in. @throws RangeError if it is no jitdump of this machine's byte order. */
export function readJitdump(dump: Uint8Array): readonly CodeLoad[] {
  const view = new DataView(dump.buffer, dump.byteOffset, dump.length);
  if (dump.length < RECORD_HEADER || view.getUint32(0, true) !== MAGIC) throw new RangeError("no jitdump of V8's");
  const loads: CodeLoad[] = [];
  for (let at = view.getUint32(HEADER_LENGTH, true); at + RECORD_HEADER <= dump.length; ) {
    const length = recordLength(view, at);
    const isLoad = length > 0 && view.getUint32(at, true) === CODE_LOAD;
    const load = isLoad ? readLoad(view, at, length) : undefined;
    if (load !== undefined) loads.push(load);
    at += length > 0 && isLoad === (load !== undefined) ? length : 1;
  }
  return loads;
}

/** 0: there is no record. */
function recordLength(view: DataView, at: number): number {
  const length = view.getUint32(at + 4, true);
  const isRecord = view.getUint32(at, true) <= MOST_ID && length >= RECORD_HEADER && at + length <= view.byteLength;
  return isRecord ? length : 0;
}

function readLoad(view: DataView, at: number, length: number): CodeLoad | undefined {
  if (length <= NAME) return undefined;
  const address = Number(view.getBigUint64(at + ADDRESS, true));
  const size = Number(view.getBigUint64(at + CODE_LENGTH, true));
  if (Number(view.getBigUint64(at + VMA, true)) !== address || size >= length - NAME) return undefined;
  const rest = new Uint8Array(view.buffer, view.byteOffset + at + NAME, length - NAME);
  const name = rest.subarray(0, length - NAME - size - 1);
  if (rest[name.length] !== 0) return undefined;
  return { name: Buffer.from(name).toString("latin1"), address, code: rest.subarray(name.length + 1) };
}

/** Samples of one function, by address. */
export interface Sampled {
  readonly load: CodeLoad;
  readonly samples: ReadonlyMap<number, number>;
  readonly total: number;
}

/** Gives each sampled address to the newest function there, those with the most samples first. Others are nobody's. */
export function attribute(loads: readonly CodeLoad[], addresses: Iterable<number>): readonly Sampled[] {
  const newest = [...loads.entries()].sort(([i, a], [j, b]) => a.address - b.address || i - j).map(([, load]) => load);
  const found = new Map<CodeLoad, Map<number, number>>();
  for (const address of addresses) {
    const load = coveringOf(newest, address);
    if (load === undefined) continue;
    const samples = found.get(load) ?? new Map<number, number>();
    samples.set(address, (samples.get(address) ?? 0) + 1);
    found.set(load, samples);
  }
  return [...found]
    .map(([load, samples]) => ({ load, samples, total: [...samples.values()].reduce((sum, count) => sum + count, 0) }))
    .sort((a, b) => b.total - a.total);
}

/** The last of the sorted ones that begins at or in front of an address, if it reaches that far. */
function coveringOf(sorted: readonly CodeLoad[], address: number): CodeLoad | undefined {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as CodeLoad).address <= address) low = middle + 1;
    else high = middle;
  }
  const load = sorted[low - 1];
  return load !== undefined && address < load.address + load.code.length ? load : undefined;
}
