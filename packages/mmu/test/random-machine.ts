import { createTables, guestView, LabMemory, type TableFormat, type Tables } from "../src/index.ts";

export type PageShift = 12 | 21 | 30;

/** Where random host pages are taken from: above all tables of the host, below MAXPHYADDR 40. */
const HOST_PAGES_FROM = 2 ** 36;
const GIB = 2 ** 30;

/** A guest in host memory: its tables in frames strewn over guest physical memory, which lies strewn over the host's. */
export class RandomMachine {
  readonly memory: LabMemory = new LabMemory();
  readonly guestTables: Tables;
  readonly hostTables: Tables;
  readonly guestFormat: TableFormat;
  readonly guestShift: PageShift;
  readonly hostShift: PageShift;
  readonly #random: (below: number) => number;
  readonly #placed = new Map<number, number>();
  readonly #guestFrames = new Set<number>();
  #hostFrames = 0x1000;

  constructor(
    formats: { readonly guest: TableFormat; readonly host: TableFormat },
    shifts: { readonly guest: PageShift; readonly host: PageShift },
    random: (below: number) => number,
  ) {
    this.guestFormat = formats.guest;
    this.guestShift = shifts.guest;
    this.hostShift = shifts.host;
    this.#random = random;
    const allocateHost = (): number => {
      this.#hostFrames += 0x1000 * (1 + random(50));
      return this.#hostFrames;
    };
    this.hostTables = createTables({ format: formats.host, memory: this.memory, allocateFrame: allocateHost });
    const view = guestView(this.memory, (gpa) => this.place(gpa));
    // Tables of 32-bit guests must lie below 4 GByte.
    const frames = formats.guest === "legacy32" || formats.guest === "pae" ? 0x8_0000 : 0x400_0000;
    const allocateGuest = (): number => this.#guestFrame(frames);
    this.guestTables = createTables({ format: formats.guest, memory: view, allocateFrame: allocateGuest });
  }

  /** Host address of `gpa`; its page is mapped at the first call. */
  place(gpa: number): number {
    const bytes = 2 ** this.hostShift;
    const page = Math.floor(gpa / bytes);
    let hpa = this.#placed.get(page);
    if (hpa === undefined) {
      // A GByte apart, with the pages of each somewhere in their own: no two can overlap.
      const within = this.#random(GIB / bytes) * bytes;
      hpa = HOST_PAGES_FROM + this.#placed.size * GIB + within;
      this.#placed.set(page, hpa);
      this.hostTables.map(page * bytes, hpa, { pageShift: this.hostShift });
    }
    return hpa + (gpa % bytes);
  }

  /** Maps a random guest page at `gva`, backed by the host. */
  mapAt(gva: bigint): void {
    const bytes = 2 ** this.guestShift;
    // Pages of 32-bit paging lie below 4 GByte.
    const gigabytes = this.guestFormat === "legacy32" ? 3 : 2 ** 37 / GIB;
    const gpa = (1 + this.#random(gigabytes)) * GIB + this.#random(GIB / bytes) * bytes;
    const inPage = Number(gva % BigInt(bytes));
    this.guestTables.map(gva - BigInt(inPage), gpa, { pageShift: this.guestShift });
    this.place(gpa + inPage);
  }

  read64 = (physical: bigint): bigint => {
    const at = Number(physical);
    return (BigInt(this.memory.load32(at + 4) >>> 0) << 32n) | BigInt(this.memory.load32(at) >>> 0);
  };

  #guestFrame(frames: number): number {
    let gfn = this.#random(frames);
    while (this.#guestFrames.has(gfn)) gfn = this.#random(frames);
    this.#guestFrames.add(gfn);
    return gfn * 0x1000;
  }
}

/** A small generator, so that one seed makes a whole machine: mulberry32. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
