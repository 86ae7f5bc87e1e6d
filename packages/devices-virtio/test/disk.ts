import type { BlockBackend } from "@tsvm/contracts";
import { BackendError } from "@tsvm/contracts";

/** A disk in memory whose operations wait until the test lets them go. */
export interface TestDisk extends BlockBackend {
  readonly bytes: Uint8Array;
  readonly log: string[];
  /** While true, operations wait for `release`. */
  held: boolean;
  /** The next operations fail. */
  failing: boolean;
  /** Lets waiting operation number `index` go on. */
  release(index?: number): void;
}

export function createTestDisk(sectorCount: number, readOnly = false): TestDisk {
  const bytes = new Uint8Array(sectorCount * 512);
  const waiting: (() => void)[] = [];
  const log: string[] = [];
  const disk: TestDisk = {
    sectorCount,
    readOnly,
    bytes,
    log,
    held: false,
    failing: false,
    release(index = 0): void {
      waiting.splice(index, 1)[0]?.();
    },
    async read(sector, buf) {
      await turn(`read ${sector}+${buf.length / 512}`);
      buf.set(bytes.subarray(sector * 512, sector * 512 + buf.length));
    },
    async write(sector, buf) {
      await turn(`write ${sector}+${buf.length / 512}`);
      bytes.set(buf, sector * 512);
    },
    flush: () => turn("flush"),
  };
  async function turn(what: string): Promise<void> {
    log.push(what);
    if (disk.failing) throw new BackendError("BACKEND_IO", "the test said so");
    if (disk.held) await new Promise<void>((resolve) => waiting.push(resolve));
  }
  return disk;
}
