#!/usr/bin/env node
import type { Terminal } from "./commands/command.ts";
import { runCommand } from "./commands/command-line.ts";
import { nodeFiles } from "./node-files.ts";

/** All this package asks of Node, beside the files in node-files.ts: what it stands on elsewhere is the language. */
declare const process: {
  readonly argv: readonly string[];
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
  on(event: "SIGINT", listener: () => void): unknown;
  exitCode?: number;
};
declare const setImmediate: (callback: () => void) => unknown;

let isInterrupted = false;
process.on("SIGINT", () => {
  isInterrupted = true;
});

const terminal: Terminal = {
  // To a file or a pipe it would be a heap of lines.
  progress: (line) => process.stderr.isTTY === true && process.stderr.write(`\r\u001b[K${line}`),
  pause: () => new Promise((resolve) => setImmediate(resolve)),
  get isInterrupted() {
    return isInterrupted;
  },
  files: nodeFiles,
};

const { output, error, exitCode } = await runCommand(process.argv.slice(2), terminal);
process.stdout.write(output);
process.stderr.write(error);
process.exitCode = exitCode;
