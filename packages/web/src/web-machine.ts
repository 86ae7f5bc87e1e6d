import { connectPortConsole } from "@tsvm/backends";
import { ConfigError, type Disposable, type MachineStop } from "@tsvm/contracts";
import type { VmEvent, VmState } from "@tsvm/vm";
import type {
  ExportProgress,
  MachineCalls,
  MachineNews,
  MachineSpec,
  WebMachineStatus,
  WireDisk,
  WireSource,
} from "./machine-calls.ts";
import { type BootSource, PASSED_OPTIONS, type WebDisk, type WebMachineOptions } from "./machine-options.ts";
import { createRemoteCaller, type RemoteCaller } from "./remote-calls.ts";

/** A machine that runs in a Worker: the buttons of a `VirtualMachine`, each answered when the worker has done it. */
export interface WebMachine {
  /** As the page has last heard. */
  readonly state: VmState;
  /** As `VirtualMachine.run`: resolves when the guest has stopped for good. */
  run(): Promise<MachineStop>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  reset(): Promise<void>;
  /** Types text (as UTF-8) or bytes at the first serial port. All of it arrives, however much. */
  send(data: string | Uint8Array): void;
  /** A break condition on the first serial port; Linux takes it for SysRq. */
  sendBreak(): Promise<void>;
  status(): Promise<WebMachineStatus>;
  /** Disk `index` with all that was written to it; the guest stands still while it is copied, one disk at a time. */
  exportDisk(index: number, onProgress?: (progress: ExportProgress) => void): Promise<Blob>;
  on(listener: (event: VmEvent) => void): Disposable;
  /** Ends the machine: what is kept of its writes is on stable storage, and its disks are free for another. */
  close(): Promise<void>;
}

/**
 * Builds a machine in a Worker of its own, with its kernel loaded, not yet running.
 * @throws VmError (as a rejection) with the code and the one line of what was wrong: an option, an address, a disk.
 */
export async function createWebMachine(options: WebMachineOptions): Promise<WebMachine> {
  const worker = (options.createWorker ?? createMachineWorker)();
  const listeners = new Set<(event: VmEvent) => void>();
  let state: VmState = "created";
  let onExport = (_: ExportProgress): void => {};
  const hear = (news: MachineNews): void => {
    if (news.type === "loading") options.onLoading?.(news.progress);
    else if (news.type === "exporting") onExport(news.progress);
    else {
      const { event } = news;
      if (event.type === "running" || event.type === "paused" || event.type === "stopped") state = event.type;
      for (const listener of [...listeners]) listener(event);
    }
  };
  const remote = createWorkerCaller(worker, (news) => hear(news as MachineNews));
  const { port1, port2 } = new MessageChannel();
  const serial = connectPortConsole(port1, options.onSerial ?? (() => {}));
  try {
    await remote.call("create", [specOf(options, port2)], [port2]);
  } catch (error) {
    serial.dispose();
    worker.terminate();
    throw error;
  }
  return {
    get state() {
      return state;
    },
    run: () => remote.call("run", []),
    pause: () => remote.call("pause", []),
    resume: () => remote.call("resume", []),
    reset: () => remote.call("reset", []),
    send: (data) => serial.send(data),
    sendBreak: () => remote.call("sendBreak", []),
    status: () => remote.call("status", []),
    exportDisk(index, onProgress = () => {}) {
      onExport = onProgress;
      return remote.call("exportDisk", [index]);
    },
    on(listener) {
      listeners.add(listener);
      return { dispose: () => void listeners.delete(listener) };
    },
    async close() {
      await remote.call("close", []).finally(() => {
        serial.dispose();
        remote.fail(new ConfigError("CONFIG_OPTION", "the machine was closed"));
        worker.terminate();
      });
    },
  };
}

/**
 * A disk with all that the browser keeps of writes to it, while no machine has it.
 * @throws VmError (as a rejection) as {@link createWebMachine} does; `BACKEND_LOCKED` while a machine has it.
 */
export async function exportWebDisk(
  disk: WebDisk,
  onProgress: (progress: ExportProgress) => void = () => {},
  createWorker: () => Worker = createMachineWorker,
): Promise<Blob> {
  const worker = createWorker();
  const hear = (news: MachineNews): void => {
    if (news.type === "exporting") onProgress(news.progress);
  };
  try {
    const remote = createWorkerCaller(worker, (news) => hear(news as MachineNews));
    return await remote.call("exportImage", [wireDisk(disk)]);
  } finally {
    worker.terminate();
  }
}

/** What writes to `disk` are kept under, as `discardOpfsOverlay` of `@tsvm/backends` wants it. */
export const overlayNameOf = (disk: WebDisk): string => wireDisk(disk).name;

/** The worker of one machine. Made early and handed over by `createWorker`, it is loaded when its machine is wanted. */
export const createMachineWorker = (): Worker =>
  new Worker(new URL("./machine-worker.js", import.meta.url), { type: "module" });

/** Calls into a worker; one that dies, or cannot be loaded, answers everything with its error. */
function createWorkerCaller(worker: Worker, onNews: (news: unknown) => void): RemoteCaller<MachineCalls> {
  const remote = createRemoteCaller<MachineCalls>(worker, onNews);
  worker.addEventListener("error", (event) => {
    remote.fail(new Error(`internal error: the machine's worker failed: ${event.message ?? "it cannot be loaded"}`));
  });
  return remote;
}

function specOf(options: WebMachineOptions, serial: MessagePort): MachineSpec {
  const { kernel, initrd, disks = [] } = options;
  if (kernel === undefined) throw new ConfigError("CONFIG_KERNEL", "kernel: nothing to boot");
  const passed = PASSED_OPTIONS.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  return {
    vm: Object.fromEntries(passed) as MachineSpec["vm"],
    kernel: wireSource(kernel),
    ...(initrd !== undefined && { initrd: wireSource(initrd) }),
    disks: disks.map(wireDisk),
    serial,
  };
}

const wireSource = (source: BootSource): WireSource =>
  typeof source === "string" || source instanceof URL ? absolute(source) : source;

function wireDisk({ image, writes = "keep", name, serial }: WebDisk): WireDisk {
  const source = image instanceof Blob ? image : absolute(image);
  return {
    image: source,
    writes,
    name: name ?? (source instanceof File ? source.name : typeof source === "string" ? source : "blob"),
    ...(serial !== undefined && { serial }),
  };
}

/** A worker's own address is not the page's: relative addresses are the page's. */
function absolute(address: string | URL): string {
  if (!URL.canParse(String(address), document.baseURI)) {
    throw new ConfigError("CONFIG_FILE", `'${address}' is no address; nearest: ./${encodeURI(String(address))}`);
  }
  return new URL(address, document.baseURI).href;
}
