#!/usr/bin/env node
import { createNodeIo } from "./node-io.ts";
import { runCli } from "./run-cli.ts";

process.exit(await runCli(process.argv.slice(2), createNodeIo()));
