import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What executes a guest. */
export interface Engine {
  readonly name: string;
  /** The program, and the arguments that choose the engine. */
  readonly command: readonly string[];
}

const CLI = fileURLToPath(new URL("../../../packages/cli/src/main.ts", import.meta.url));
const TSVM = [process.execPath, "--conditions=@tsvm/source", CLI];
const QEMU = "qemu-system-x86_64";
/** Code is translated early: most of these programs are over before anything is hot by the usual measure. */
const HEAT = 200;

/** Every engine of ours, and QEMU's if it is there. */
export function findEngines(): readonly Engine[] {
  const qemu = spawnSync(QEMU, ["--version"]).status === 0;
  return [
    { name: "interpreter", command: [...TSVM, "-accel", "tcg,regions=off"] },
    { name: "translator", command: [...TSVM, "-accel", `tcg,heat=${HEAT}`] },
    ...(qemu ? [{ name: "QEMU", command: [QEMU, "-accel", "tcg"] }] : []),
  ];
}
