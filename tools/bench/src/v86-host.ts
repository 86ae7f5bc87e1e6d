// Boots a kernel and an initrd in v86 under Node, with the serial console on stdio:
//   node v86-host.ts MIB BIOS VGABIOS KERNEL INITRD COMMANDLINE
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { V86 } from "v86";

const [mib, bios = "", vgaBios = "", kernel = "", initrd = "", cmdline = ""] = process.argv.slice(2);
const image = (file: string): { buffer: ArrayBuffer } => ({ buffer: new Uint8Array(readFileSync(file)).buffer });
/** Bytes are given away at line ends and, for prompts, this often. */
const FLUSH_MS = 50;

let pending: number[] = [];
function flush(): void {
  if (pending.length > 0) process.stdout.write(Uint8Array.from(pending));
  pending = [];
}

const emulator = new V86({
  wasm_path: fileURLToPath(new URL("v86.wasm", import.meta.resolve("v86"))),
  memory_size: Number(mib) << 20,
  vga_memory_size: 2 << 20,
  bios: image(bios),
  vga_bios: image(vgaBios),
  bzimage: image(kernel),
  initrd: image(initrd),
  cmdline,
  autostart: true,
  disable_speaker: true,
});
emulator.add_listener("serial0-output-byte", (byte: number) => {
  pending.push(byte);
  if (byte === 10) flush();
});
setInterval(flush, FLUSH_MS);
process.stdin.on("data", (bytes) => emulator.serial0_send(bytes.toString("latin1")));
