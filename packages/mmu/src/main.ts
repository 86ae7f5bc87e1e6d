#!/usr/bin/env node
import { runCommand } from "./command-line.ts";

/** All this package asks of Node, and only here: what it stands on elsewhere is the language. */
declare const process: {
  readonly argv: readonly string[];
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  exitCode?: number;
};

const { output, error, exitCode } = runCommand(process.argv.slice(2));
process.stdout.write(output);
process.stderr.write(error);
process.exitCode = exitCode;
