import { integerField, optionalField, recordField, u32Field } from "@tsvm/contracts";
import type { ModelConfig, ModelHost, VirtioModel } from "../device/model.ts";
import { type ChainState, chainField, type DescriptorChain } from "../queue/descriptor-chain.ts";
import { drainQueue } from "../queue/drain.ts";

const DEVICE_ID = 5;
/** Unclassified device. */
const CLASS_OTHER = 0x00_ff_00;
const QUEUE_SIZE = 128;
const STATISTICS = 2;
/**
 * The standard gives reports queue 4 even without the queue of free page hints before it; Linux and QEMU count the queues
 * that there are.
 */
const REPORTING = 3;

const VIRTIO_BALLOON_F_STATS_VQ = 1n << 1n;
const VIRTIO_BALLOON_F_DEFLATE_ON_OOM = 1n << 2n;
const VIRTIO_BALLOON_F_REPORTING = 1n << 5n;
const PAGE = 4096;

/** Configuration: num_pages is ours, actual the driver's. Pages of 4096 bytes. */
const ACTUAL = 4;
const CONFIG_LENGTH = 8;

/** A statistic: 16-bit tag, 64-bit value, without padding. */
const STATISTIC_LENGTH = 10;
const STATISTICS_LIMIT = 64;

/** Statistics by tag. Virtio 1.2, "Memory Statistics Tags". */
export const BALLOON_STATISTICS = [
  "swapIn",
  "swapOut",
  "majorFaults",
  "minorFaults",
  "freeMemory",
  "totalMemory",
  "availableMemory",
  "diskCaches",
  "hugetlbAllocations",
  "hugetlbFailures",
] as const;

export type BalloonStatistic = (typeof BALLOON_STATISTICS)[number];

export interface VirtioBalloonOptions {
  /** The guest may take pages back by itself before it runs out of memory. Default true. */
  readonly deflateOnOom?: boolean;
  /** The guest tells which of its pages are free, again and again; see `reportedPages`. Default false. */
  readonly freePageReporting?: boolean;
  /** Default "virtio-balloon". Snapshots go by it. */
  readonly name?: string;
}

export interface VirtioBalloonState {
  target: number;
  actual: number;
  reportedPages: number;
  /** The driver's statistics buffer, kept until statistics are asked for. */
  statistics: ChainState | undefined;
}

/** A balloon, and what its owner can do with it. */
export interface VirtioBalloon extends VirtioModel<VirtioBalloonState> {
  /** Asks the driver to give up `pages` pages of 4096 bytes in all. */
  setTarget(pages: number): void;
  /** Pages that the driver says it has given up. */
  readonly actual: number;
  /** Numbers as the driver last reported them; bytes, or counts since its boot. */
  readonly statistics: Readonly<Partial<Record<BalloonStatistic, number>>>;
  /** Pages of 4096 bytes that the driver reported to be free since its start; one that was used again counts again. */
  readonly reportedPages: number;
  /** Asks the driver for new statistics; they arrive when it has run. */
  requestStatistics(): void;
}

/**
 * A memory balloon. Virtio 1.2, "Traditional Memory Balloon Device". Pages inside it, and pages reported free, stay
 * allocated by the host, whose memory cannot be given back in part; so they are counted and not looked at.
 */
export function createVirtioBalloon(options: VirtioBalloonOptions = {}): VirtioBalloon {
  return new Balloon(options);
}

class Balloon implements VirtioBalloon {
  readonly name: string;
  readonly deviceId: number = DEVICE_ID;
  readonly classCode: number = CLASS_OTHER;
  readonly features: bigint;
  /** Inflate, deflate, statistics, and perhaps reports. */
  readonly queueSizes: readonly number[];
  readonly config: ModelConfig;
  readonly stateField = recordField<VirtioBalloonState>({
    target: u32Field,
    actual: u32Field,
    reportedPages: integerField(0, Number.MAX_SAFE_INTEGER),
    statistics: optionalField(chainField),
  });
  statistics: Readonly<Partial<Record<BalloonStatistic, number>>> = {};
  reportedPages = 0;
  readonly #registers = new DataView(new ArrayBuffer(CONFIG_LENGTH));
  #host: ModelHost | undefined;
  #statisticsChain: DescriptorChain | undefined;

  constructor({ deflateOnOom = true, freePageReporting = false, name = "virtio-balloon" }: VirtioBalloonOptions) {
    this.name = name;
    const has = (wanted: boolean, feature: bigint): bigint => (wanted ? feature : 0n);
    this.features =
      VIRTIO_BALLOON_F_STATS_VQ |
      has(deflateOnOom, VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
      has(freePageReporting, VIRTIO_BALLOON_F_REPORTING);
    this.queueSizes = new Array<number>(freePageReporting ? REPORTING + 1 : REPORTING).fill(QUEUE_SIZE);
    const registers = this.#registers;
    this.config = {
      length: CONFIG_LENGTH,
      read: (offset) => registers.getUint8(offset),
      write: (offset, value) => void (offset >= ACTUAL && registers.setUint8(offset, value)),
    };
  }

  get actual(): number {
    return this.#registers.getUint32(ACTUAL, true);
  }

  setTarget(pages: number): void {
    this.#registers.setUint32(0, pages, true);
    this.#host?.configChanged();
  }

  requestStatistics(): void {
    const chain = this.#statisticsChain;
    if (chain === undefined) return;
    this.#statisticsChain = undefined;
    this.#host?.queue(STATISTICS)?.push(chain, 0);
    this.#host?.signal(STATISTICS);
  }

  attach(host: ModelHost): void {
    this.#host = host;
  }

  start(): void {}

  notify(index: number): void {
    const queue = this.#host?.queue(index);
    if (queue === undefined) return;
    drainQueue(queue, QUEUE_SIZE, (chain) => {
      if (index === STATISTICS) return this.#takeStatistics(chain);
      if (index === REPORTING) this.reportedPages += Math.floor(chain.writableLength / PAGE);
      queue.push(chain, 0);
    });
    this.#host?.signal(index);
  }

  /** The target is the owner's wish and stays. */
  reset(): void {
    this.#registers.setUint32(ACTUAL, 0, true);
    this.#statisticsChain = undefined;
    this.reportedPages = 0;
    this.statistics = {};
  }

  resetQueue(index: number): void {
    if (index === STATISTICS) this.#statisticsChain = undefined;
  }

  save(): VirtioBalloonState {
    return {
      target: this.#registers.getUint32(0, true),
      actual: this.actual,
      reportedPages: this.reportedPages,
      statistics: this.#statisticsChain?.save(),
    };
  }

  restore({ target, actual, reportedPages, statistics }: VirtioBalloonState): void {
    this.reportedPages = reportedPages;
    this.#registers.setUint32(0, target, true);
    this.#registers.setUint32(ACTUAL, actual, true);
    this.#statisticsChain = statistics && this.#host?.resume(statistics);
  }

  /** Reads the report and keeps the buffer: giving it back is how the next one is asked for. */
  #takeStatistics(chain: DescriptorChain): void {
    // A driver has one such buffer; an earlier one goes back.
    this.requestStatistics();
    this.#statisticsChain = chain;
    const count = Math.min(STATISTICS_LIMIT, Math.floor(chain.readableLength / STATISTIC_LENGTH));
    const bytes = new Uint8Array(count * STATISTIC_LENGTH);
    if (!chain.read(bytes)) return this.#host?.fail();
    this.statistics = parseStatistics(bytes);
  }
}

function parseStatistics(bytes: Uint8Array): Partial<Record<BalloonStatistic, number>> {
  const view = new DataView(bytes.buffer);
  const statistics: Partial<Record<BalloonStatistic, number>> = {};
  for (let at = 0; at < bytes.length; at += STATISTIC_LENGTH) {
    const name = BALLOON_STATISTICS[view.getUint16(at, true)];
    if (name !== undefined) statistics[name] = Number(view.getBigUint64(at + 2, true));
  }
  return statistics;
}
