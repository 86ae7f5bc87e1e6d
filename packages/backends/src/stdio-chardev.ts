import type { BufferedChardev } from "./buffered-chardev.ts";
import { type ByteSink, type ByteSource, createStreamChardev } from "./stream-chardev.ts";
import { enterRawMode, type SignalHost, type TerminalInput } from "./terminal.ts";

/** Standard input and output as a serial line. The streams default to those of the process. */
export interface StdioChardevOptions {
  readonly input?: ByteSource & TerminalInput;
  readonly output?: ByteSink;
  /** Where exit and signals are heard; default `process`. */
  readonly host?: SignalHost;
  /** Input ended, for example Ctrl-D of a pipe's writer. The guest runs on. */
  readonly onEnd?: () => void;
  /** Output is lost, for example EPIPE. */
  readonly onOutputLost?: (error: Error) => void;
  /**
   * When given, Ctrl-C and Ctrl-\ typed at the terminal call it instead of reaching the guest, as the terminal would
   * signal them outside raw mode. Input from a pipe is never searched.
   */
  readonly onInterrupt?: (signal: "SIGINT" | "SIGQUIT") => void;
}

const CTRL_C = 0x03;
const CTRL_BACKSLASH = 0x1c;

/** Puts a terminal into raw mode (see {@link enterRawMode}); pipes and files work as they are. */
export function createStdioChardev(options: StdioChardevOptions = {}): BufferedChardev {
  const input = options.input ?? process.stdin;
  const host = options.host ?? process;
  const terminal = enterRawMode(input, host);
  const { onInterrupt } = options;
  const stream = createStreamChardev({
    input,
    output: options.output ?? process.stdout,
    ...(terminal.raw && onInterrupt && { inputFilter: interruptFilter(onInterrupt) }),
    ...(options.onEnd && { onEnd: options.onEnd }),
    ...(options.onOutputLost && { onOutputLost: options.onOutputLost }),
  });
  return {
    write: stream.write,
    read: stream.read,
    onInput: stream.onInput,
    get backlog(): number {
      return stream.backlog;
    },
    flush: stream.flush,
    dispose(): void {
      stream.dispose();
      terminal.dispose();
    },
  };
}

/** Takes out the keys that a cooked terminal turns into signals. */
function interruptFilter(onInterrupt: (signal: "SIGINT" | "SIGQUIT") => void): (chunk: Uint8Array) => Uint8Array {
  return (chunk) => {
    const interrupted = chunk.includes(CTRL_C);
    if (!interrupted && !chunk.includes(CTRL_BACKSLASH)) return chunk;
    onInterrupt(interrupted ? "SIGINT" : "SIGQUIT");
    return chunk.filter((byte) => byte !== CTRL_C && byte !== CTRL_BACKSLASH);
  };
}
