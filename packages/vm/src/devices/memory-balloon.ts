import type { BalloonStatistic, VirtioBalloon } from "@tsvm/devices-virtio";

/** The guest's memory balloon, seen from outside: how much memory the guest keeps. */
export interface MemoryBalloon {
  /** Bytes of RAM that the balloon leaves to the guest, as its driver last said. */
  readonly actualBytes: number;
  /** As the driver last reported them; empty before the first report. Bytes, or counts since its boot. */
  readonly statistics: Readonly<Partial<Record<BalloonStatistic, number>>>;
  /** Asks the driver to keep `bytes` of RAM and give up the rest; more than there is means all of it. */
  setTarget(bytes: number): void;
  /** Asks for new statistics, which arrive when the driver has run. */
  requestStatistics(): void;
}

const PAGE = 4096;

/** @internal */
export function createMemoryBalloon(balloon: VirtioBalloon, memoryBytes: number): MemoryBalloon {
  return {
    get actualBytes(): number {
      return memoryBytes - balloon.actual * PAGE;
    },
    get statistics(): MemoryBalloon["statistics"] {
      return balloon.statistics;
    },
    setTarget(bytes: number): void {
      balloon.setTarget(Math.ceil(Math.max(0, memoryBytes - bytes) / PAGE));
    },
    requestStatistics: () => balloon.requestStatistics(),
  };
}
