export type { BuiltInGuest, CliIo, StdioEvents } from "./cli-io.ts";
export { createNodeIo } from "./node-io.ts";
export { runCli } from "./run-cli.ts";
