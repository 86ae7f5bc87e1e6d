/** What a command asks of whoever owns the terminal. */
export interface Terminal {
  /** Shows `line` in the place of the last one; empty: nothing more. */
  progress(line: string): void;
  /** Lets the terminal be heard; long work calls it every now and then. */
  pause(): Promise<void>;
  /** Ctrl-C was pressed: end soon, and tell what was done. */
  readonly isInterrupted: boolean;
  /** Absent where there are none. */
  readonly files?: TraceFiles;
}

/** Where traces are. */
export interface TraceFiles {
  /**
   * Opens a trace, unpacked if it is packed by gzip or xz; `-` is the standard input.
   * @throws Error (code `TRACE_FILE`) with one line for the user, here or while it is read.
   */
  open(path: string): Promise<TraceFile>;
}

/** A trace being read. */
export interface TraceFile {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Bytes of the file, packed as it is; undefined where nobody knows. */
  readonly bytes?: number;
  /** How many of them have been read. */
  bytesRead(): number;
}

/** What a command has to say. */
export interface CommandResult {
  readonly output: string;
  /** One line, empty unless `exitCode` is 2. */
  readonly error: string;
  /** 0; 1 for what cannot be done, with one line of error; 130 if it was interrupted and `output` is what was done until then. */
  readonly exitCode: 0 | 1 | 130;
}

/** What an option may be: one of some words, a flag without a value, or any text. */
export type OptionKind = readonly string[] | "flag" | "text";

/** One command of `tsvm-mmu`. */
export interface Command {
  /** How to call it, without its name, and what for. */
  readonly usage: string;
  readonly summary: string;
  readonly options: Readonly<Record<string, OptionKind>>;
  /** What stands after it without an option: at most so many words; default 0. */
  readonly operands?: number;
  run(options: ReadonlyMap<string, string>, operands: readonly string[], terminal: Terminal): Promise<CommandResult>;
}

/** It went through. */
export function succeed(output: string): CommandResult {
  return { output, error: "", exitCode: 0 };
}

/** It was not understood. */
export function fail(message: string): CommandResult {
  return { output: "", error: `tsvm-mmu: ${message}\n`, exitCode: 1 };
}
