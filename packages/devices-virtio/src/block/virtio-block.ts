import { integerField, listField, recordField } from "@tsvm/contracts";
import { type ModelConfig, type ModelHost, readOnlyConfig, type VirtioModel } from "../device/model.ts";
import { type ChainState, chainField, type DescriptorChain } from "../queue/descriptor-chain.ts";
import { blockConfig, blockFeatures, RANGE_LIMIT } from "./block-config.ts";
import {
  type ResolvedBlockOptions,
  resolveBlockOptions,
  SERIAL_LENGTH,
  type VirtioBlockOptions,
} from "./block-options.ts";
import { type BlockRequest, parseBlockRequest, SECTOR_LENGTH, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK } from "./request.ts";
import { discard, flush, readIntoChain, type TransferResult, writeFromChain, writeZeroes } from "./transfer.ts";

const DEVICE_ID = 2;
/** Mass storage controller, SCSI: what other virtio implementations answer. */
const CLASS_STORAGE = 0x01_00_00;
/** Requests handed to the backend at a time; the rest wait in the queue, not in host memory. */
const IN_FLIGHT_LIMIT = 32;

export interface VirtioBlockState {
  /** Requests under way; they are done again from the start after a restore, which for a disk changes nothing. */
  inFlight: { queue: number; chain: ChainState }[];
}

/** A request of the driver that is not answered yet. */
interface Pending {
  readonly queue: number;
  readonly chain: DescriptorChain;
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
  readonly queueSizes: readonly number[];
  readonly config: ModelConfig;
  readonly stateField: VirtioModel<VirtioBlockState>["stateField"];
  readonly #options: ResolvedBlockOptions;
  readonly #serial: Uint8Array;
  #host: ModelHost | undefined;
  /** A reset takes requests out: one that is not in here has nobody to answer to. */
  readonly #inFlight = new Set<Pending>();

  constructor(options: VirtioBlockOptions) {
    const resolved = resolveBlockOptions(options);
    this.#options = resolved;
    this.name = resolved.name;
    this.#serial = new Uint8Array(SERIAL_LENGTH);
    for (let i = 0; i < resolved.serial.length; i++) this.#serial[i] = resolved.serial.charCodeAt(i);
    this.features = blockFeatures(resolved);
    this.queueSizes = new Array<number>(resolved.queues).fill(resolved.queueSize);
    this.config = readOnlyConfig(blockConfig(resolved));
    const pending = { queue: integerField(0, resolved.queues - 1), chain: chainField };
    this.stateField = recordField<VirtioBlockState>({
      inFlight: listField(recordField<VirtioBlockState["inFlight"][number]>(pending), 0, IN_FLIGHT_LIMIT),
    });
  }

  attach(host: ModelHost): void {
    this.#host = host;
  }

  start(): void {}

  notify(index: number): void {
    this.#takeRequests(index);
  }

  reset(): void {
    this.#inFlight.clear();
  }

  resetQueue(index: number): void {
    for (const pending of this.#inFlight) if (pending.queue === index) this.#inFlight.delete(pending);
  }

  save(): VirtioBlockState {
    return { inFlight: Array.from(this.#inFlight, ({ queue, chain }) => ({ queue, chain: chain.save() })) };
  }

  restore({ inFlight }: VirtioBlockState): void {
    for (const { queue, chain: state } of inFlight) {
      const chain = this.#host?.resume(state);
      if (chain !== undefined) this.#begin({ queue, chain });
    }
  }

  #takeRequests(queue: number): void {
    while (this.#inFlight.size < IN_FLIGHT_LIMIT) {
      const chain = this.#host?.queue(queue)?.pop();
      if (chain === undefined) return;
      this.#begin({ queue, chain });
    }
  }

  /** A place among those under way is free: for the queue that had it, then for the others. */
  #takeMore(queue: number): void {
    const { queues } = this.#options;
    for (let i = 0; i < queues; i++) this.#takeRequests((queue + i) % queues);
  }

  #begin(pending: Pending): void {
    this.#inFlight.add(pending);
    const { queue, chain } = pending;
    const request = parseBlockRequest(chain);
    if (request === undefined) return this.#host?.fail();
    const isWanted = (): boolean => this.#inFlight.has(pending) && this.#host?.queue(queue) !== undefined;
    void this.#execute(request, chain, isWanted).then((result) => {
      if (isWanted()) this.#finish(pending, request, result);
    });
  }

  #execute(request: BlockRequest, chain: DescriptorChain, isWanted: () => boolean): Promise<TransferResult> {
    const { backend } = this.#options;
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
    const { backend, readOnly } = this.#options;
    if (request.kind !== "read" && readOnly) return false;
    const count = "count" in request ? request.count : request.length / SECTOR_LENGTH;
    if ("count" in request && count > RANGE_LIMIT) return false;
    return Number.isInteger(count) && request.sector + count <= backend.sectorCount;
  }

  #identify(chain: DescriptorChain): TransferResult {
    if (chain.writableLength - 1 < SERIAL_LENGTH) return "failed";
    return chain.write(this.#serial) ? "done" : "outside";
  }

  #finish(pending: Pending, request: BlockRequest, result: TransferResult): void {
    const { queue, chain } = pending;
    this.#inFlight.delete(pending);
    const own = request.kind === "refused" ? request.status : VIRTIO_BLK_S_OK;
    const status = result === "done" ? own : VIRTIO_BLK_S_IOERR;
    // The status is the last byte that the driver left room for, wherever the data ended.
    chain.writePosition = chain.writableLength - 1;
    if (result === "outside" || !chain.write(Uint8Array.of(status))) return this.#host?.fail();
    this.#host?.queue(queue)?.push(chain, chain.writableLength);
    this.#host?.signal(queue);
    this.#takeMore(queue);
  }
}
