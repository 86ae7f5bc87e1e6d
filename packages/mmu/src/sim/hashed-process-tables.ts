import { createHashedTables, type HashedTables } from "../lab/hashed-tables.ts";
import type { TableMemory } from "../lab/lab-memory.ts";
import { PTE_A, PTE_D, PTE_RW, PTE_US } from "../pte.ts";
import {
  GUEST_TABLES,
  type GuestPageShift,
  type Leaf,
  type ProcessTables,
  type TablePort,
  type TablesSource,
} from "./process-tables.ts";

const PAGE = 0x1000;

/** Elastic cuckoo tables for the processes of one guest; those of a process that has ended go to the next. */
export class HashedTablesSource implements TablesSource {
  readonly #memory: PortMemory;
  readonly #pageShift: GuestPageShift;
  readonly #spare: HashedTables[] = [];
  readonly #byRoot = new Map<number, HashedTables>();
  #next = GUEST_TABLES;

  constructor(port: TablePort, pageShift: GuestPageShift) {
    this.#memory = new PortMemory(port);
    this.#pageShift = pageShift;
  }

  get frames(): number {
    return (this.#next - GUEST_TABLES) / PAGE;
  }

  create(): ProcessTables {
    const tables =
      this.#spare.pop() ?? createHashedTables({ memory: this.#memory, allocate: (bytes) => this.#allocate(bytes) });
    // What a processor has in registers is in a frame, too, while the process does not run.
    const root = this.#allocate(PAGE);
    this.#byRoot.set(root, tables);
    return new HashedProcessTables(this.#memory, tables, root, this.#pageShift, () => {
      this.#byRoot.delete(root);
      this.#spare.push(tables);
    });
  }

  /** The tables of the process with that root. */
  tablesAt(root: number): HashedTables {
    const tables = this.#byRoot.get(root);
    if (tables === undefined) throw new Error(`no process has its tables at 0x${root.toString(16)}`);
    return tables;
  }

  #allocate(bytes: number): number {
    const start = this.#next;
    this.#next += Math.ceil(bytes / PAGE) * PAGE;
    return start;
  }
}

class HashedProcessTables implements ProcessTables {
  readonly root: number;
  readonly #memory: PortMemory;
  readonly #tables: HashedTables;
  readonly #pageShift: GuestPageShift;
  readonly #onFree: () => void;
  /** Pages entered since the process began: tables have no order to find them in. */
  readonly #vpns = new Set<number>();

  constructor(memory: PortMemory, tables: HashedTables, root: number, pageShift: GuestPageShift, onFree: () => void) {
    this.#memory = memory;
    this.#tables = tables;
    this.root = root;
    this.#pageShift = pageShift;
    this.#onFree = onFree;
  }

  find(vpn: number): Leaf | undefined {
    const gpa = this.#tables.find(addressOf(vpn), this.#pageShift);
    if (gpa < 0) return undefined;
    const first = vpn - (vpn % 2 ** (this.#pageShift - 12));
    return { gpa, vpn: first, low: this.#memory.load32(gpa), high: this.#memory.load32(gpa + 4) };
  }

  map(vpn: number, frame: number, low: number): void {
    this.#vpns.add(vpn);
    this.#tables.map(addressOf(vpn), frame, {
      pageShift: this.#pageShift,
      writable: (low & PTE_RW) !== 0,
      user: (low & PTE_US) !== 0,
      accessed: (low & PTE_A) !== 0,
      dirty: (low & PTE_D) !== 0,
    });
  }

  store(gpa: number, frame: number, low: number): void {
    this.#memory.store32(gpa, (frame % 2 ** 32) | low);
    this.#memory.store32(gpa + 4, Math.floor(frame / 2 ** 32));
  }

  *leaves(): Generator<Leaf> {
    for (const vpn of [...this.#vpns].sort((a, b) => a - b)) {
      const leaf = this.find(vpn);
      if (leaf !== undefined && (leaf.low & 1) !== 0) yield leaf;
    }
  }

  free(): void {
    for (const vpn of this.#vpns) this.#tables.unmap(addressOf(vpn), this.#pageShift);
    this.#onFree();
  }
}

/** Halves that are stored one after the other, as one store of the guest's. */
class PortMemory implements TableMemory {
  readonly #port: TablePort;

  constructor(port: TablePort) {
    this.#port = port;
  }

  #pendingAt = -1;
  #pendingLow = 0;

  load32(physical: number): number {
    return physical === this.#pendingAt ? this.#pendingLow : this.#port.load32(physical);
  }

  or32(physical: number, bits: number): void {
    this.store32(physical, this.load32(physical) | bits);
  }

  store32(physical: number, value: number): void {
    if (physical % 8 === 0) {
      this.#pendingAt = physical;
      this.#pendingLow = value;
      return;
    }
    const at = physical - 4;
    const low = this.load32(at);
    this.#pendingAt = -1;
    this.#port.storeEntry(at, low, value);
  }
}

function addressOf(vpn: number): bigint {
  return BigInt(vpn) * BigInt(PAGE);
}
