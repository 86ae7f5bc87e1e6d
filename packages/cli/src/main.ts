#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { createNodeIo } from "./node-io.ts";
import { runCli } from "./run-cli.ts";

process.exit(await runCli(process.argv.slice(2), createNodeIo()));
