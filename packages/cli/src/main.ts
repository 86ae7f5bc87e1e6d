#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { createNodeIo } from "./node-io.ts";
import { runCli } from "./run-cli.ts";

// A limit on the size of files is an I/O error like a full disk, and not the end: without a listener it would be.
if (process.platform !== "win32") process.on("SIGXFSZ", () => {});
process.exit(await runCli(process.argv.slice(2), createNodeIo()));
