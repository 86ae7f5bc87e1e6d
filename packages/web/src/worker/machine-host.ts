import { type BufferedChardev, createPortChardev } from "@tsvm/backends";
import { ConfigError } from "@tsvm/contracts";
import { createVm, type VirtualMachine } from "@tsvm/vm";
import type {
  ExportProgress,
  MachineCalls,
  MachineNews,
  MachineSpec,
  WebMachineStatus,
  WireDisk,
} from "../machine-calls.ts";
import type { CallHandlers } from "../remote-calls.ts";
import { namingBootFile, readBootFile } from "./boot-files.ts";
import { exportBlock, type OpenDisk, openDisk } from "./open-disk.ts";

/** A machine and what was opened for it. */
interface Hosted {
  readonly vm: VirtualMachine;
  readonly disks: readonly OpenDisk[];
  readonly serial: BufferedChardev;
}

/** Holds one machine and does with it what the page asks for; `tell` carries what happens by itself. */
export function createMachineHost(tell: (news: MachineNews) => void): CallHandlers<MachineCalls> {
  let hosted: Hosted | undefined;
  const onExport = (progress: ExportProgress): void => tell({ type: "exporting", progress });

  const machine = (): Hosted => {
    if (hosted === undefined) throw new ConfigError("CONFIG_OPTION", "there is no machine: create it first");
    return hosted;
  };
  const diskAt = (index: number): OpenDisk => {
    const disk = machine().disks[index];
    if (disk === undefined) throw new ConfigError("CONFIG_OPTION", `the machine has no disk ${index}`);
    return disk;
  };

  return {
    async create(spec) {
      hosted = await build(spec, tell);
      hosted.vm.on((event) => tell({ type: "event", event }));
    },
    run: () => machine().vm.run(),
    pause: () => machine().vm.pause(),
    resume: () => machine().vm.resume(),
    reset: () => machine().vm.reset(),
    sendBreak: () => machine().vm.sendBreak(0),
    status: () => statusOf(machine()),
    exportDisk: (index) => whileHeld(machine().vm, () => exportBlock(diskAt(index), onExport)),
    exportImage: (disk) => exportImage(disk, onExport),
    async close() {
      const closing = hosted;
      hosted = undefined;
      if (closing === undefined) return;
      await closing.vm.pause();
      closing.serial.dispose();
      await closeAll(closing.disks);
    },
  };
}

async function build(spec: MachineSpec, tell: (news: MachineNews) => void): Promise<Hosted> {
  const onProgress = (progress: Extract<MachineNews, { type: "loading" }>["progress"]): void =>
    tell({ type: "loading", progress });
  const disks = await openAll(spec.disks);
  try {
    const [kernel, initrd] = await Promise.all([
      readBootFile("kernel", spec.kernel, onProgress),
      spec.initrd === undefined ? undefined : readBootFile("initrd", spec.initrd, onProgress),
    ]);
    const serial = createPortChardev(spec.serial);
    const vm = await createVm({
      ...spec.vm,
      kernel,
      ...(initrd && { initrd }),
      serial: [serial],
      disks: disks.map(({ backend, serial }) => ({ backend, ...(serial !== undefined && { serial }) })),
    });
    return { vm, disks, serial };
  } catch (error) {
    await closeAll(disks);
    throw namingBootFile(error, spec);
  }
}

async function openAll(specs: readonly WireDisk[]): Promise<readonly OpenDisk[]> {
  const disks: OpenDisk[] = [];
  try {
    for (const spec of specs) disks.push(await openDisk(spec));
    return disks;
  } catch (error) {
    await closeAll(disks);
    throw error;
  }
}

async function closeAll(disks: readonly OpenDisk[]): Promise<void> {
  for (const disk of disks) await disk.close();
}

function statusOf({ vm, disks }: Hosted): WebMachineStatus {
  return { state: vm.state, counters: vm.counters(), disks: disks.map((disk) => disk.status()) };
}

/** A file system that changes while it is copied is no file system. */
async function whileHeld<T>(vm: VirtualMachine, work: () => Promise<T>): Promise<T> {
  const wasRunning = vm.state === "running";
  if (wasRunning) await vm.pause();
  try {
    return await work();
  } finally {
    if (wasRunning) vm.resume();
  }
}

async function exportImage(spec: WireDisk, onProgress: (progress: ExportProgress) => void): Promise<Blob> {
  const disk = await openDisk(spec);
  try {
    return await exportBlock(disk, onProgress);
  } finally {
    await disk.close();
  }
}
