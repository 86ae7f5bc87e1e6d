import { type BufferedChardev, createMemoryChardev, type MemoryChardev } from "@tsvm/backends";
import { BackendError, type MachineStop } from "@tsvm/contracts";
import type { Disassemble, TranslationProfile, VirtualMachine, VmOptions } from "@tsvm/vm";
import type { CliIo, StdioEvents } from "../src/cli-io.ts";

/** A {@link CliIo} without a process: what is typed and printed are strings, and the guest is a function. */
export interface FakeIo extends CliIo {
  readonly terminal: MemoryChardev;
  /** What was printed as an answer. */
  stdout: string;
  stderr: string;
  readonly files: Map<string, MemoryChardev>;
  /** Options the machine was created with. */
  options: VmOptions | undefined;
  /** Set while standard input and output are held. */
  stdio: StdioEvents | undefined;
  /** Resolves flushes of standard output; until then they wait. */
  stuck: Promise<void> | undefined;
  /** What there is to put guest code into words. */
  disassemble: Disassemble | undefined;
  /** Serial ports that got a break. */
  readonly breaks: number[];
}

/** What the guest does: gets the machine's options, answers why it stopped. */
export type FakeGuest = (options: VmOptions, vm: VirtualMachine) => Promise<MachineStop> | MachineStop;

export function createFakeIo(guest: FakeGuest, files: Readonly<Record<string, string>> = {}): FakeIo {
  const io: FakeIo = {
    version: "1.2.3",
    terminal: createMemoryChardev(),
    stdout: "",
    stderr: "",
    files: new Map(),
    options: undefined,
    stdio: undefined,
    stuck: undefined,
    disassemble: undefined,
    breaks: [],
    async print(text) {
      io.stdout += text;
    },
    complain(text) {
      io.stderr += text;
    },
    async readFile(path) {
      const text = files[path];
      if (text !== undefined) return new TextEncoder().encode(text);
      throw Object.assign(new Error("not there"), { code: path.endsWith("/") ? "EISDIR" : "ENOENT" });
    },
    openStdio(events) {
      if (io.stdio !== undefined) throw new Error("standard input and output opened twice");
      io.stdio = events;
      return buffered(
        io.terminal,
        () => io.stuck,
        () => {
          io.stdio = undefined;
        },
      );
    },
    openFile(path) {
      if (path.startsWith("/missing/"))
        throw new BackendError("BACKEND_OPEN", `cannot open '${path}' for writing: ENOENT`);
      const file = createMemoryChardev();
      io.files.set(path, file);
      return buffered(
        file,
        () => undefined,
        () => {},
      );
    },
    async openChardev(spec) {
      const name =
        spec.kind === "socket" ? JSON.stringify(spec.address) : String("path" in spec ? spec.path : spec.link);
      const chardev = io.openFile(name);
      if (spec.kind === "pty") return { chardev, path: "/dev/pts/9" };
      const made = io.stuck ?? Promise.resolve();
      return { chardev, ...(spec.kind === "socket" && spec.wait && { connection: { where: `at:${name}`, made } }) };
    },
    async builtInGuest(log) {
      log("downloading a guest");
      return { kernelPath: "/guest/vmlinuz", initrdPath: "/guest/initrd", commandLine: "console=ttyS0" };
    },
    disassembler: async () => io.disassemble,
    async createVm(options) {
      io.options = options;
      return createFakeVm(options, guest, io);
    },
  };
  return io;
}

function buffered(
  chardev: MemoryChardev,
  flushing: () => Promise<void> | undefined,
  dispose: () => void,
): BufferedChardev {
  return { ...chardev, backlog: 0, flush: () => flushing() ?? Promise.resolve(), dispose };
}

const PROFILE: TranslationProfile = {
  regions: [{ rip: 0x1008n, runs: 5, instructions: 500, sideExits: 2 }],
  sideExits: [{ rip: 0x100cn, mnemonic: "MOV", count: 2 }],
};

function createFakeVm(options: VmOptions, guest: FakeGuest, io: FakeIo): VirtualMachine {
  const vm: VirtualMachine = {
    name: options.name ?? "",
    state: "running",
    balloon: undefined,
    stopReason: undefined,
    run: async () => guest(options, vm),
    pause: () => Promise.resolve(),
    resume: () => {},
    reset: () => {},
    wakeUp: () => false,
    sendBreak: (port) => io.breaks.push(port),
    describe: () => "RAX=0000000000000001",
    counters: () => ({ instructions: 1000, guestNs: 0, resets: 0, accelerator: { "sideExits.readMiss": 7 } }),
    profile: () => (options.translation?.profile ? PROFILE : undefined),
    on: () => ({ dispose: () => {} }),
  };
  return vm;
}
