import {
  type AccessSize,
  bytesField,
  type IoRegion,
  invariant,
  type MsiTarget,
  recordField,
  type StateField,
} from "@tsvm/contracts";

/** Bytes of a table entry: address low and high, data, vector control. PCI Local Bus Specification 3.0, "MSI-X". */
const ENTRY_LENGTH = 16;
const ENTRY_DATA = 8;
const ENTRY_CONTROL = 12;
const CONTROL_MASK = 1;

/** Bits of the message control register. */
export const MSIX_ENABLE = 0x8000;
export const MSIX_FUNCTION_MASK = 0x4000;

export interface MsixState {
  table: Uint8Array;
  pending: Uint8Array;
}

/**
 * The MSI-X table and pending bits of one function. A vector that is masked when it fires becomes pending, and is sent
 * when the mask is lifted.
 */
export interface MsixTable {
  readonly table: IoRegion;
  readonly pendingBits: IoRegion;
  readonly count: number;
  /** The function's message control register changed. */
  setControl(control: number): void;
  readonly enabled: boolean;
  /** Sends vector `index`, or notes it; numbers out of range (0xffff: no vector) are dropped. */
  fire(index: number): void;
  reset(): void;
  readonly stateField: StateField<MsixState>;
  save(): MsixState;
  restore(state: MsixState): void;
}

export function createMsixTable(name: string, count: number, target: MsiTarget): MsixTable {
  invariant(count > 0 && count <= 64, `MSI-X of ${count} vectors`);
  const bytes = new Uint8Array(ENTRY_LENGTH * count);
  const view = new DataView(bytes.buffer);
  const pending = new Uint8Array(8);
  let control = 0;

  const isMasked = (index: number): boolean =>
    (control & MSIX_FUNCTION_MASK) !== 0 ||
    ((bytes[ENTRY_LENGTH * index + ENTRY_CONTROL] as number) & CONTROL_MASK) !== 0;

  function send(index: number): void {
    const entry = ENTRY_LENGTH * index;
    const high = view.getUint32(entry + 4, true);
    // Above 52 bits there is nothing that could hear it.
    if (high >= 2 ** 20) return;
    target.signal(high * 2 ** 32 + view.getUint32(entry, true), view.getUint32(entry + ENTRY_DATA, true));
  }

  function sendUnmasked(): void {
    if ((control & MSIX_ENABLE) === 0) return;
    for (let index = 0; index < count; index++) {
      const bit = 1 << (index & 7);
      if (((pending[index >>> 3] as number) & bit) === 0 || isMasked(index)) continue;
      pending[index >>> 3] = (pending[index >>> 3] as number) & ~bit;
      send(index);
    }
  }

  function maskAll(): void {
    bytes.fill(0);
    pending.fill(0);
    for (let index = 0; index < count; index++) bytes[ENTRY_LENGTH * index + ENTRY_CONTROL] = CONTROL_MASK;
  }

  maskAll();
  return {
    table: {
      name: `${name}-msix-table`,
      length: bytes.length,
      read: (offset, size) => readBytes(bytes, offset, size),
      write(offset: number, size: AccessSize, value: number): void {
        for (let i = 0; i < size && offset + i < bytes.length; i++) {
          const at = offset + i;
          // Of the vector control, only the mask bit can be written.
          const writable = at % ENTRY_LENGTH < ENTRY_CONTROL ? 0xff : at % ENTRY_LENGTH === ENTRY_CONTROL ? 1 : 0;
          bytes[at] = (value >>> (8 * i)) & writable;
        }
        sendUnmasked();
      },
    },
    pendingBits: {
      name: `${name}-msix-pba`,
      length: pending.length,
      read: (offset, size) => readBytes(pending, offset, size),
      write(): void {},
    },
    count,
    setControl(to: number): void {
      control = to;
      sendUnmasked();
    },
    get enabled() {
      return (control & MSIX_ENABLE) !== 0;
    },
    fire(index: number): void {
      if (index >= count) return;
      if (isMasked(index)) pending[index >>> 3] = (pending[index >>> 3] as number) | (1 << (index & 7));
      else send(index);
    },
    reset(): void {
      control = 0;
      maskAll();
    },
    stateField: recordField<MsixState>({ table: bytesField(bytes.length), pending: bytesField(pending.length) }),
    save: () => ({ table: bytes.slice(), pending: pending.slice() }),
    restore(state: MsixState): void {
      bytes.set(state.table);
      pending.set(state.pending);
    },
  };
}

/** The little-endian number of `size` bytes at `offset`; zeros past the end. */
function readBytes(bytes: Uint8Array, offset: number, size: AccessSize): number {
  let value = 0;
  for (let i = 0; i < size; i++) value |= (bytes[offset + i] ?? 0) << (8 * i);
  return value >>> 0;
}
