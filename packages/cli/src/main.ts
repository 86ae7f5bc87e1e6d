#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { enableCompileCache, flushCompileCache } from "node:module";

/** By then a guest has booted, and most of what it needs of us has been compiled. */
const COMPILED_AFTER_MS = 5000;

// Of code that is imported behind this, Node keeps what V8 made of it, in its directory for that: 0.1 s less of each start. It does so
// at the end of the process, and a machine may be killed.
enableCompileCache();
setTimeout(flushCompileCache, COMPILED_AFTER_MS).unref();
const { createNodeIo } = await import("./node-io.ts");
const { runCli } = await import("./run-cli.ts");

// A limit on the size of files is an I/O error like a full disk, and not the end: without a listener it would be.
if (process.platform !== "win32") process.on("SIGXFSZ", () => {});
process.exit(await runCli(process.argv.slice(2), createNodeIo()));
