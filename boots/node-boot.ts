// Boots the default guest in this process, as a page does in a Worker, and prints the milliseconds to the ready marker, and
// those that the thread has computed.
import { readFile } from "node:fs/promises";
import { createMemoryChardev } from "@tsvm/backends";
import { buildDefaultGuest, READY_MARKER } from "@tsvm/guest-images";
import { createVm } from "@tsvm/vm";

const guest = await buildDefaultGuest();
const started = performance.now();
const { user, system } = process.threadCpuUsage();
const serial = createMemoryChardev();
const [kernel, initrd] = await Promise.all([readFile(guest.kernelPath), readFile(guest.initrdPath)]);
const vm = await createVm({ kernel, initrd, commandLine: guest.commandLine, memoryBytes: 256 << 20, serial: [serial] });
void vm.run();
await serial.waitFor(READY_MARKER);
const cpu = process.threadCpuUsage({ user, system });
console.log(Math.round(performance.now() - started), Math.round((cpu.user + cpu.system) / 1000));
process.exit(0);
