import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createFileChardev, createStdioChardev } from "@tsvm/backends";
import { createVm } from "@tsvm/vm";
import type { CliIo } from "./cli-io.ts";
import { loadDisassembler } from "./disassembler.ts";
import { openHostChardev } from "./host-chardev.ts";

/** The process's own streams and files. */
export function createNodeIo(): CliIo {
  return {
    version: packageVersion(),
    print: (text) => new Promise((resolve) => process.stdout.write(text, () => resolve())),
    complain: (text) => void process.stderr.write(text),
    readFile: (path) => readFile(path),
    openStdio: (events) => createStdioChardev(events),
    openChardev: openHostChardev,
    openFile: (path) => createFileChardev({ path }),
    // Only when it is wanted: what it needs of Node takes 20 ms to load.
    builtInGuest: async (log) => (await import("@tsvm/guest-images")).buildDefaultGuest({ log }),
    disassembler: loadDisassembler,
    createVm,
  };
}

/** This file runs as src/node-io.ts or inside dist: package.json is one folder up from both. */
function packageVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
