import { type BlockBackend, listField, recordField } from "@tsvm/contracts";
import { type ModelConfig, type ModelHost, readOnlyConfig, type VirtioModel } from "../device/model.ts";
import { type ChainState, chainField, type DescriptorChain } from "../queue/descriptor-chain.ts";
import { type BlockRequest, parseBlockRequest, SECTOR_LENGTH, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK } from "./request.ts";
import { discard, flush, readIntoChain, type TransferResult, writeFromChain, writeZeroes } from "./transfer.ts";

const DEVICE_ID = 2;
/** Mass storage controller, SCSI: what other virtio implementations answer. */
const CLASS_STORAGE = 0x01_00_00;
const QUEUE_SIZE = 256;
/** Requests handed to the backend at a time; the rest wait in the queue, not in host memory. */
const IN_FLIGHT_LIMIT = 32;

const VIRTIO_BLK_F_SEG_MAX = 1n << 2n;
const VIRTIO_BLK_F_RO = 1n << 5n;
const VIRTIO_BLK_F_BLK_SIZE = 1n << 6n;
const VIRTIO_BLK_F_FLUSH = 1n << 9n;
const VIRTIO_BLK_F_DISCARD = 1n << 13n;
const VIRTIO_BLK_F_WRITE_ZEROES = 1n << 14n;

const CONFIG_LENGTH = 60;
const SERIAL_LENGTH = 20;
/** Sectors of one discard or write of zeroes: 32 MiB. */
const RANGE_LIMIT = 65_536;

export interface VirtioBlockOptions {
  readonly backend: BlockBackend;
  /** What the guest reads as the disk's serial number: at most 20 ASCII characters. Default: none. */
  readonly serial?: string;
  /** Default "virtio-blk". */
  readonly name?: string;
}

export interface VirtioBlockState {
  /** Requests under way; they are done again from the start after a restore, which for a disk changes nothing. */
  inFlight: ChainState[];
}

/**
 * A disk. Virtio 1.2, "Block Device". Up to 32 requests are under way at a time and finish in any order. A flush answers
 * when the backend says that what was written before is on stable storage.
 */
export function createVirtioBlock(options: VirtioBlockOptions): VirtioModel<VirtioBlockState> {
  return new VirtioBlock(options);
}

class VirtioBlock implements VirtioModel<VirtioBlockState> {
  readonly name: string;
  readonly deviceId: number = DEVICE_ID;
  readonly classCode: number = CLASS_STORAGE;
  readonly features: bigint;
  readonly queueSizes: readonly number[] = [QUEUE_SIZE];
  readonly config: ModelConfig;
  readonly stateField = recordField<VirtioBlockState>({ inFlight: listField(chainField, 0, IN_FLIGHT_LIMIT) });
  readonly #backend: BlockBackend;
  readonly #serial: Uint8Array;
  #host: ModelHost | undefined;
  /** A reset replaces the set: a request that is not in the present one has nobody to answer to. */
  #inFlight = new Set<DescriptorChain>();

  constructor({ backend, serial = "", name = "virtio-blk" }: VirtioBlockOptions) {
    this.name = name;
    this.#backend = backend;
    this.#serial = new Uint8Array(SERIAL_LENGTH);
    for (let i = 0; i < Math.min(serial.length, SERIAL_LENGTH); i++) this.#serial[i] = serial.charCodeAt(i);
    const always = VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH;
    const writing = VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES;
    this.features = always | (backend.readOnly ? VIRTIO_BLK_F_RO : writing);
    this.config = readOnlyConfig(blockConfig(backend));
  }

  attach(host: ModelHost): void {
    this.#host = host;
  }

  start(): void {}

  notify(): void {
    this.#takeRequests();
  }

  reset(): void {
    this.#inFlight = new Set();
  }

  save(): VirtioBlockState {
    return { inFlight: Array.from(this.#inFlight, (chain) => chain.save()) };
  }

  restore({ inFlight }: VirtioBlockState): void {
    for (const state of inFlight) {
      const chain = this.#host?.resume(state);
      if (chain !== undefined) this.#begin(chain);
    }
  }

  #takeRequests(): void {
    while (this.#inFlight.size < IN_FLIGHT_LIMIT) {
      const chain = this.#host?.queue(0)?.pop();
      if (chain === undefined) return;
      this.#begin(chain);
    }
  }

  #begin(chain: DescriptorChain): void {
    const generation = this.#inFlight;
    generation.add(chain);
    const request = parseBlockRequest(chain);
    if (request === undefined) return this.#host?.fail();
    const isWanted = (): boolean => this.#inFlight === generation && this.#host?.queue(0) !== undefined;
    void this.#execute(request, chain, isWanted).then((result) => {
      if (isWanted()) this.#finish(chain, request, result);
    });
  }

  #execute(request: BlockRequest, chain: DescriptorChain, isWanted: () => boolean): Promise<TransferResult> {
    const backend = this.#backend;
    if (!this.#isAllowed(request)) return Promise.resolve("failed");
    switch (request.kind) {
      case "read":
        return readIntoChain(backend, chain, request.sector, request.length, isWanted);
      case "write":
        return writeFromChain(backend, chain, request.sector, request.length, isWanted);
      case "write-zeroes":
        return writeZeroes(backend, request.sector, request.count, request.unmap);
      case "discard":
        return discard(backend, request.sector, request.count);
      case "flush":
        return flush(backend);
      case "identify":
        return Promise.resolve(this.#identify(chain));
      // Answered with a status of its own.
      case "refused":
        return Promise.resolve("done");
    }
  }

  /** Whole sectors, all on the disk, and no writing where that is forbidden. */
  #isAllowed(request: BlockRequest): boolean {
    if (!("sector" in request)) return true;
    if (request.kind !== "read" && this.#backend.readOnly) return false;
    const count = "count" in request ? request.count : request.length / SECTOR_LENGTH;
    if ("count" in request && count > RANGE_LIMIT) return false;
    return Number.isInteger(count) && request.sector + count <= this.#backend.sectorCount;
  }

  #identify(chain: DescriptorChain): TransferResult {
    if (chain.writableLength - 1 < SERIAL_LENGTH) return "failed";
    return chain.write(this.#serial) ? "done" : "outside";
  }

  #finish(chain: DescriptorChain, request: BlockRequest, result: TransferResult): void {
    this.#inFlight.delete(chain);
    const own = request.kind === "refused" ? request.status : VIRTIO_BLK_S_OK;
    const status = result === "done" ? own : VIRTIO_BLK_S_IOERR;
    // The status is the last byte that the driver left room for, wherever the data ended.
    chain.writePosition = chain.writableLength - 1;
    if (result === "outside" || !chain.write(Uint8Array.of(status))) return this.#host?.fail();
    this.#host?.queue(0)?.push(chain, chain.writableLength);
    this.#host?.signal(0);
    this.#takeRequests();
  }
}

/** Virtio 1.2, "Block Device", "Device configuration layout". */
function blockConfig({ sectorCount, writeZeroes }: BlockBackend): Uint8Array {
  const bytes = new Uint8Array(CONFIG_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(sectorCount), true);
  // seg_max: the descriptors of a full chain without header and status.
  view.setUint32(12, QUEUE_SIZE - 2, true);
  view.setUint32(20, SECTOR_LENGTH, true);
  // max_discard_sectors, max_discard_seg, discard_sector_alignment; max_write_zeroes_sectors, max_write_zeroes_seg.
  for (const [offset, value] of [
    [36, RANGE_LIMIT],
    [40, 1],
    [44, 1],
    [48, RANGE_LIMIT],
    [52, 1],
  ] as const) {
    view.setUint32(offset, value, true);
  }
  // write_zeroes_may_unmap.
  view.setUint8(56, writeZeroes === undefined ? 0 : 1);
  return bytes;
}
