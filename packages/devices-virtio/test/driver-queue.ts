import type { FakeMemory } from "@tsvm-testing/fakes";

/** The driver's side of a queue, as a test needs it: buffers are laid out anew for every request and never freed. */
export interface DriverQueue {
  readonly size: number;
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
  /** Makes a buffer available; answers where its writable part lies. */
  submit(readable: readonly Uint8Array[], writable: readonly number[], indirect?: boolean): Submission;
  /** What came back since the last call: the submission, and the length the device wrote. */
  collect(): { readonly submission: Submission; readonly length: number }[];
}

export interface Submission {
  readonly id: number;
  readonly slots: number;
  /** Bytes of the writable part as they are now. */
  written(): Uint8Array;
}

/** Hands out RAM from `base` up; the third piece at a multiple of `thirdAlignment`, as a legacy driver's used ring. */
export interface Allocator {
  take(length: number, alignment?: number): number;
}

export function createAllocator(base: number, thirdAlignment = 16): Allocator {
  let next = base;
  let taken = 0;
  return {
    take(length: number, alignment = ++taken === 3 ? thirdAlignment : 16): number {
      const gpa = Math.ceil(next / alignment) * alignment;
      next = gpa + length;
      return gpa;
    },
  };
}

interface Piece {
  gpa: number;
  length: number;
  writable: boolean;
}

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

function layOut(
  memory: FakeMemory,
  allocator: Allocator,
  readable: readonly Uint8Array[],
  writable: readonly number[],
) {
  const pieces: Piece[] = [];
  for (const bytes of readable) {
    const gpa = allocator.take(bytes.length);
    memory.bytes.set(bytes, gpa);
    pieces.push({ gpa, length: bytes.length, writable: false });
  }
  for (const length of writable) pieces.push({ gpa: allocator.take(length), length, writable: true });
  const written = (): Uint8Array =>
    Uint8Array.from(
      pieces.filter((piece) => piece.writable).flatMap(({ gpa, length }) => [...memory.bytes.slice(gpa, gpa + length)]),
    );
  return { pieces, written };
}

function putAddress(view: DataView, at: number, piece: Piece): void {
  view.setBigUint64(at, BigInt(piece.gpa), true);
  view.setUint32(at + 8, piece.length, true);
}

export function createSplitDriver(memory: FakeMemory, allocator: Allocator, size: number): DriverQueue {
  const view = new DataView(memory.bytes.buffer);
  const descriptors = allocator.take(16 * size);
  const driver = allocator.take(6 + 2 * size);
  const device = allocator.take(6 + 8 * size);
  const waiting = new Map<number, Submission>();
  let nextDescriptor = 0;
  let available = 0;
  let used = 0;

  const put = (table: number, index: number, piece: Piece, flags: number, next: number): void => {
    putAddress(view, table + 16 * index, piece);
    view.setUint16(table + 16 * index + 12, flags | (piece.writable ? WRITE : 0), true);
    view.setUint16(table + 16 * index + 14, next, true);
  };

  return {
    size,
    descriptors,
    driver,
    device,
    submit(readable, writable, indirect = false): Submission {
      let { pieces, written } = layOut(memory, allocator, readable, writable);
      const head = nextDescriptor;
      if (indirect) {
        const table = allocator.take(16 * pieces.length);
        pieces.forEach((piece, i) => {
          put(table, i, piece, i + 1 < pieces.length ? NEXT : 0, i + 1);
        });
        put(descriptors, head, { gpa: table, length: 16 * pieces.length, writable: false }, INDIRECT, 0);
        pieces = [];
        nextDescriptor = (head + 1) % size;
      }
      pieces.forEach((piece, i) => {
        nextDescriptor = (head + i + 1) % size;
        put(descriptors, (head + i) % size, piece, i + 1 < pieces.length ? NEXT : 0, nextDescriptor);
      });
      view.setUint16(driver + 4 + 2 * (available % size), head, true);
      available = (available + 1) & 0xffff;
      view.setUint16(driver + 2, available, true);
      const submission = { id: head, slots: 1, written };
      waiting.set(head, submission);
      return submission;
    },
    collect() {
      const back: { submission: Submission; length: number }[] = [];
      for (; used !== view.getUint16(device + 2, true); used = (used + 1) & 0xffff) {
        const entry = device + 4 + 8 * (used % size);
        const submission = waiting.get(view.getUint32(entry, true));
        if (submission === undefined) throw new Error("the device gave back what was not its own");
        waiting.delete(submission.id);
        back.push({ submission, length: view.getUint32(entry + 4, true) });
      }
      return back;
    },
  };
}

export function createPackedDriver(memory: FakeMemory, allocator: Allocator, size: number): DriverQueue {
  const view = new DataView(memory.bytes.buffer);
  const descriptors = allocator.take(16 * size);
  const driver = allocator.take(4);
  const device = allocator.take(4);
  const waiting = new Map<number, Submission>();
  let nextId = 0;
  let available = 0;
  let availableWrap = true;
  let used = 0;
  let usedWrap = true;

  return {
    size,
    descriptors,
    driver,
    device,
    submit(readable, writable, indirect = false): Submission {
      let { pieces, written } = layOut(memory, allocator, readable, writable);
      if (indirect) {
        const table = allocator.take(16 * pieces.length);
        pieces.forEach((piece, i) => {
          putAddress(view, table + 16 * i, piece);
          view.setUint16(table + 16 * i + 14, piece.writable ? WRITE : 0, true);
        });
        pieces = [{ gpa: table, length: 16 * pieces.length, writable: false }];
      }
      const id = nextId++;
      pieces.forEach((piece, i) => {
        const at = descriptors + 16 * available;
        putAddress(view, at, piece);
        const chained = i + 1 < pieces.length ? NEXT : 0;
        const kind = (piece.writable ? WRITE : 0) | chained | (indirect ? INDIRECT : 0);
        view.setUint16(at + 12, id, true);
        view.setUint16(at + 14, kind | (availableWrap ? 0x80 : 0x8000), true);
        available++;
        if (available === size) {
          available = 0;
          availableWrap = !availableWrap;
        }
      });
      const submission = { id, slots: pieces.length, written };
      waiting.set(id, submission);
      return submission;
    },
    collect() {
      const back: { submission: Submission; length: number }[] = [];
      for (;;) {
        const at = descriptors + 16 * used;
        const flags = view.getUint16(at + 14, true);
        const mine = usedWrap ? 0x8080 : 0;
        const submission = waiting.get(view.getUint16(at + 12, true));
        if ((flags & 0x8080) !== mine || submission === undefined) return back;
        waiting.delete(submission.id);
        back.push({ submission, length: view.getUint32(at + 8, true) });
        used += submission.slots;
        if (used >= size) {
          used -= size;
          usedWrap = !usedWrap;
        }
      }
    },
  };
}
