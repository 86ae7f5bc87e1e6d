// What the interpreter does on real guests: CPU seconds to userland, and guest instructions a second on rows of the guest
// benchmark suite. Prints; judges nothing.
//
//   node --conditions=@tsvm/source bench/guest-rows.ts GUESTS [64|32|32pae] [rows, comma-separated]
//
// GUESTS is a folder with vmlinuz64 and guest64.cpio.gz (or 32, 32pae), built by the suite's build.sh. Default row: int.
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import type { Chardev } from "@tsvm/contracts";
import { createVm } from "../src/index.ts";

const [folder = process.env["TSVM_GUESTS"], bits = "64", rows = "int"] = process.argv.slice(2);
if (folder === undefined) {
  console.log("guest-rows: no guests given (GUESTS argument or TSVM_GUESTS); nothing measured");
  process.exit(0);
}

interface Mark {
  readonly instructions: number;
  readonly hostMs: number;
  readonly cpuS: number;
}
const mark = (): Mark => {
  const { user, system } = process.cpuUsage();
  return { instructions: vm.counters().instructions, hostMs: performance.now(), cpuS: (user + system) / 1e6 };
};

let line = "";
let started: Mark | undefined;
const console_: Chardev = {
  write(bytes) {
    for (const byte of bytes) {
      if (byte !== 10) line += String.fromCharCode(byte);
      else {
        onLine(line.trimEnd());
        line = "";
      }
    }
  },
  read: () => new Uint8Array(),
  onInput: () => ({ dispose() {} }),
};

function onLine(text: string): void {
  const now = mark();
  if (text.startsWith("TSVM-USERLAND-READY")) {
    const { tlbFills = 0, decodedInstructions = 0 } = vm.counters().accelerator;
    console.log(
      `boot to userland: ${now.cpuS.toFixed(2)} s CPU, ${(now.instructions / 1e6).toFixed(0)} M instructions, ` +
        `${(process.memoryUsage().rss / 1048576).toFixed(0)} MiB resident, ${decodedInstructions} decoded, ${tlbFills} TLB fills`,
    );
  } else if (text.startsWith("BENCH-START")) started = now;
  else if (text.startsWith("BENCH ") && started !== undefined) {
    const [, name, guestS, sum] = text.split(" ");
    const instructions = now.instructions - started.instructions;
    const hostS = (now.hostMs - started.hostMs) / 1000;
    const rate = instructions / hostS / 1e6;
    console.log(
      `${name}: ${rate.toFixed(0)} M instructions/s (${(instructions / 1e6).toFixed(0)} M in ${hostS.toFixed(2)} s host, ` +
        `${guestS} s guest, ${(now.cpuS - started.cpuS).toFixed(2)} s CPU), checksum ${sum}`,
    );
  }
}

console.log(`Node ${process.version}, ${cpus()[0]?.model}, guest ${bits}`);
const vm = await createVm({
  memoryBytes: 512 << 20,
  kernel: readFileSync(join(folder, `vmlinuz${bits}`)),
  initrd: readFileSync(join(folder, `guest${bits}.cpio.gz`)),
  commandLine: `console=ttyS0 panic=-1 bench benchonly=${rows} poweroff`,
  serial: [console_],
  onReboot: "stop",
});
await vm.run();
