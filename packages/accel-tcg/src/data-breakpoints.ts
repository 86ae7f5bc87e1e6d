// Data and I/O breakpoints. SDM vol. 3B, "Debug Control Register (DR7)", "Data Memory and I/O Breakpoint Exception
// Conditions". They need no help from generated code: while one is set the run loop executes instructions one by one with
// an empty TLB, so that every access comes by as a miss. Accesses of TypeScript helpers (stack frames of far transfers,
// FXSAVE areas, descriptor tables) do not come by.
import { AT, type Cpu, CR4 } from "@tsvm/cpu-x86";

/** R/W fields of DR7. */
const ON_WRITE = 1;
const ON_IO = 2;
const ON_READ_OR_WRITE = 3;
/** R/W0 and LEN0; those of the other breakpoints follow every four bits. */
const RW_SHIFT = 16;
const LEN_SHIFT = 18;
/** Bytes by LEN; 8 where the manual has 10b. */
const LENGTHS = [1, 2, 8, 4] as const;

interface Watched {
  /** Bit of DR6. */
  readonly bit: number;
  readonly kind: number;
  readonly first: bigint;
  readonly end: bigint;
}

/** What the accesses of one instruction have hit. */
export class DataBreakpoints {
  readonly #cpu: Cpu;
  #watched: readonly Watched[] = [];
  #hits = 0;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
  }

  /** Some address is watched: accesses must be told. */
  get armed(): boolean {
    return this.#watched.length > 0;
  }

  /** Adopts DR0-DR3 and DR7 before an instruction. */
  arm(): void {
    this.#hits = 0;
    this.#watched = [0, 1, 2, 3].flatMap((i) => this.#watch(i) ?? []);
  }

  /** Behind the instruction: stops watching. @returns DR6 bits of the breakpoints that were hit. */
  disarm(): number {
    this.#watched = [];
    return this.#hits;
  }

  /** An access to memory by linear address, in halves. */
  noteMemory(low: number, high: number, size: number, write: boolean): void {
    const first = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    this.#note(first, size, ({ kind }) => kind === ON_READ_OR_WRITE || (write && kind === ON_WRITE));
  }

  /** An access to a port. */
  notePort(port: number, size: number): void {
    this.#note(BigInt(port), size, ({ kind }) => kind === ON_IO);
  }

  #note(first: bigint, size: number, concerns: (watched: Watched) => boolean): void {
    for (const watched of this.#watched) {
      const touches = first < watched.end && first + BigInt(size) > watched.first;
      if (touches && concerns(watched)) this.#hits |= watched.bit;
    }
  }

  #watch(index: number): Watched | undefined {
    const cpu = this.#cpu;
    const control = cpu.low(AT.dr, 7);
    const kind = (control >>> (RW_SHIFT + index * 4)) & 3;
    const enabled = ((control >>> (index * 2)) & 3) !== 0;
    // Without CR4.DE, 10b is undefined: nothing.
    const known = kind === ON_IO ? (cpu.low(AT.cr4) & CR4.DE) !== 0 : kind !== 0;
    if (!enabled || !known) return undefined;
    const length = BigInt(LENGTHS[(control >>> (LEN_SHIFT + index * 4)) & 3] as number);
    // The low address bits that the length covers do not count.
    const first = cpu.get64(AT.dr, index) & ~(length - 1n);
    return { bit: 1 << index, kind, first, end: first + length };
  }
}
