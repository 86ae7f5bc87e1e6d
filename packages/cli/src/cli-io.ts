import type { BufferedChardev } from "@tsvm/backends";
import type { Disassemble, VirtualMachine, VmOptions } from "@tsvm/vm";
import type { HostChardev, HostChardevSpec } from "./host-chardev.ts";

/** What the built-in guest consists of. */
export interface BuiltInGuest {
  readonly kernelPath: string;
  readonly initrdPath: string;
  readonly commandLine: string;
}

/** What happens on standard input and output besides bytes. */
export interface StdioEvents {
  /** Output cannot be written any more. */
  readonly onOutputLost: () => void;
  /** Ctrl-C and Ctrl-\ are not for the guest: called when one is typed. */
  readonly onInterrupt?: () => void;
}

/** The world around the command line; tests put another one in its place. */
export interface CliIo {
  readonly version: string;
  /** Standard output, for answers; resolves when written. */
  print(text: string): Promise<void>;
  /** Standard error, for messages; whole lines. */
  complain(text: string): void;
  /** Rejects with an error that has a `code` such as ENOENT. */
  readFile(path: string): Promise<Uint8Array>;
  /** Standard input and output as a character device; called at most once. */
  openStdio(events: StdioEvents): BufferedChardev;
  /** Starts an empty file for output. @throws BackendError */
  openFile(path: string): BufferedChardev;
  /** @throws BackendError (as a rejection) */
  openChardev(spec: HostChardevSpec): Promise<HostChardev>;
  /** Builds the guest if it is not there yet; `log` gets lines about the progress. */
  builtInGuest(log: (line: string) => void): Promise<BuiltInGuest>;
  /** Undefined: there is none installed. */
  disassembler(): Promise<Disassemble | undefined>;
  createVm(options: VmOptions): Promise<VirtualMachine>;
}
