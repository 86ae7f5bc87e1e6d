/**
 * QEMU's firmware configuration device: docs/specs/fw_cfg. The guest selects an item and reads it byte by byte, or has it
 * copied by the DMA interface. Items are read-only; the contents are the board's and not part of the saved state.
 */
import {
  type AccessSize,
  type Device,
  type GuestMemory,
  type IoRegion,
  integerField,
  recordField,
  u16Field,
  u32Field,
} from "@tsvm/contracts";
import { createFwCfgItems, type FwCfgItems } from "./fw-cfg-items.ts";

const SELECTOR = 0;
const DATA = 1;
const DMA = 4;
const LENGTH = 12;

/** FWCfgDmaAccess.control */
const CONTROL_ERROR = 0x01;
const CONTROL_READ = 0x02;
const CONTROL_SKIP = 0x04;
const CONTROL_SELECT = 0x08;
const CONTROL_WRITE = 0x10;
const DMA_ACCESS_LENGTH = 16;
/** What the DMA register reads: "QEMU CFG", big-endian. */
const DMA_SIGNATURE = [0x51454d55, 0x20434647] as const;
/** Copied in one piece. */
const CHUNK = 0x1_0000;

export interface FwCfgOptions {
  /** What the DMA interface copies to. */
  readonly memory: GuestMemory;
  /** Default "fw-cfg". */
  readonly name?: string;
}

export interface FwCfgState {
  key: number;
  offset: number;
  dmaHigh: number;
}

export interface FwCfg extends Device<FwCfgState> {
  /** The board fills it before the guest runs. */
  readonly items: FwCfgItems;
}

const stateField = recordField<FwCfgState>({
  key: u16Field,
  offset: integerField(0, Number.MAX_SAFE_INTEGER),
  dmaHigh: u32Field,
});

/** One region of twelve ports: selector (16 bits), data, and from offset 4 the DMA address (big-endian). */
export function createFwCfg({ memory, name = "fw-cfg" }: FwCfgOptions): FwCfg {
  const items = createFwCfgItems();
  let s: FwCfgState = { key: 0, offset: 0, dmaHigh: 0 };

  function select(key: number): void {
    s.key = key;
    s.offset = 0;
  }

  /** Past its end, and where there is no item, zeros are read. */
  function readByte(): number {
    const item = items.get(s.key);
    if (item === undefined || s.offset >= item.length) return 0;
    return item[s.offset++] as number;
  }

  /** Copies `length` bytes of the selected item to `gpa`. @throws BusError where that is not RAM */
  function copy(gpa: number, length: number): void {
    const item = items.get(s.key) ?? new Uint8Array(0);
    const available = Math.min(length, Math.max(0, item.length - s.offset));
    if (available > 0) memory.write(gpa, item.subarray(s.offset, s.offset + available));
    s.offset += available;
    const zeros = new Uint8Array(Math.min(CHUNK, length - available));
    for (let done = available; done < length; done += zeros.length) {
      memory.write(gpa + done, zeros.subarray(0, length - done));
    }
  }

  /** Does what the structure at `gpa` asks for and writes the outcome over its control word. */
  function runDma(gpa: number): void {
    const access = new Uint8Array(DMA_ACCESS_LENGTH);
    const view = new DataView(access.buffer);
    try {
      memory.read(gpa, access);
      view.setUint32(0, outcomeOf(view));
      memory.write(gpa, access.subarray(0, 4));
    } catch {
      // The structure itself is not in RAM: there is nowhere to say so, and nothing else happens.
    }
  }

  function outcomeOf(view: DataView): number {
    const control = view.getUint32(0);
    const length = view.getUint32(4);
    if ((control & CONTROL_SELECT) !== 0) select(control >>> 16);
    if ((control & CONTROL_READ) !== 0) {
      try {
        copy(view.getUint32(8) * 2 ** 32 + view.getUint32(12), length);
      } catch {
        return CONTROL_ERROR;
      }
      return 0;
    }
    if ((control & CONTROL_WRITE) !== 0) return CONTROL_ERROR;
    if ((control & CONTROL_SKIP) !== 0) s.offset += length;
    return 0;
  }

  const region: IoRegion = {
    name,
    length: LENGTH,
    read(offset: number, size: AccessSize): number {
      if (offset >= DMA) return readSignature(offset - DMA, size);
      // The data port can be read in any width: bytes in the order in which they stand.
      if (offset !== DATA) return 0;
      let value = 0;
      for (let i = 0; i < size; i++) value |= readByte() << (8 * i);
      return value >>> 0;
    },
    write(offset: number, size: AccessSize, value: number): void {
      if (offset === SELECTOR && size >= 2) select(value & 0xffff);
      if (size !== 4) return;
      if (offset === DMA) s.dmaHigh = swap32(value);
      else if (offset === DMA + 4) {
        const high = s.dmaHigh;
        s.dmaHigh = 0;
        runDma(high * 2 ** 32 + swap32(value));
      }
    },
  };

  return {
    name,
    items,
    regions: [region],
    reset(): void {
      s = { key: 0, offset: 0, dmaHigh: 0 };
    },
    save: () => ({ ...s }),
    restore(state: FwCfgState): void {
      s = stateField(state, name);
    },
  };
}

/** The bytes of the big-endian signature that a little-endian bus sees. */
function readSignature(offset: number, size: AccessSize): number {
  let value = 0;
  for (let i = 0; i < size; i++) {
    const at = offset + i;
    const word = at < 4 ? DMA_SIGNATURE[0] : DMA_SIGNATURE[1];
    const byte = at < 8 ? (word >>> (24 - 8 * (at & 3))) & 0xff : 0xff;
    value |= byte << (8 * i);
  }
  return value >>> 0;
}

function swap32(value: number): number {
  const bytes = ((value & 0xff00ff) << 8) | ((value >>> 8) & 0xff00ff);
  return ((bytes << 16) | (bytes >>> 16)) >>> 0;
}
