import { ConfigError, type MachineStop } from "@tsvm/contracts";
import { expect, test } from "vitest";
import { runCli } from "../src/run-cli.ts";
import { createFakeIo, type FakeGuest, type FakeIo } from "./fake-io.ts";

const FILES = {
  vmlinuz: "kernel",
  rd: "initrd",
  map: "1000 T memcpy\n2000 D data\n",
  "/guest/vmlinuz": "built-in",
  "/guest/initrd": "its initrd",
};
const never = (): Promise<MachineStop> => new Promise(() => {});
const powerOff: FakeGuest = () => ({ reason: "shutdown" });

interface Outcome {
  readonly code: number;
  readonly io: FakeIo;
}

async function run(line: string, guest: FakeGuest = powerOff): Promise<Outcome> {
  const io = createFakeIo(guest, FILES);
  const code = await runCli(line.split(" ").filter(Boolean), io);
  return { code, io };
}

test.each<[string, MachineStop, number]>([
  ["-kernel vmlinuz", { reason: "shutdown" }, 0],
  ["-kernel vmlinuz -no-reboot", { reason: "reset" }, 0],
  ["-kernel vmlinuz", { reason: "debug-exit", value: 0 }, 1],
  ["-kernel vmlinuz", { reason: "debug-exit", value: 0x10 }, 0x21],
  ["-kernel vmlinuz", { reason: "debug-exit", value: 0xff }, 0xff],
  ["-kernel vmlinuz", { reason: "debug-exit", value: 0x180 }, 1],
  ["-kernel vmlinuz", { reason: "crash" }, 1],
  ["-kernel vmlinuz", { reason: "internal-error", detail: "x" }, 1],
])("%s and %j exits with %d", async (line, stop, code) => {
  expect((await run(line, () => stop)).code).toBe(code);
});

test("a triple fault with -no-reboot prints the registers", async () => {
  const { io } = await run("-kernel vmlinuz -no-reboot", () => ({ reason: "crash" }));
  expect(io.stderr).toBe("tsvm: triple fault\nRAX=0000000000000001\n");
  expect(io.options).toMatchObject({ onCrash: "stop", onReboot: "stop", onShutdown: "stop" });
});

test("without -no-reboot the machine resets by itself; -no-shutdown holds it", async () => {
  const { io } = await run("-kernel vmlinuz -no-shutdown");
  expect(io.options).toMatchObject({ onCrash: "reset", onReboot: "reset", onShutdown: "pause" });
});

test("hands over what the command line says", async () => {
  const { io } = await run(
    "-kernel vmlinuz -initrd rd -append quiet -m 1G -cpu qemu64 -M pc -accel tcg -name x -icount 2 -rtc base=2026-01-02 -device isa-debug-exit,iobase=0xf4",
  );
  const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
  expect(text(io.options?.kernel)).toBe("kernel");
  expect(text(io.options?.initrd)).toBe("initrd");
  expect(io.options).toMatchObject({
    commandLine: "quiet",
    memoryBytes: 2 ** 30,
    cpu: "qemu64",
    machine: "pc",
    accelerator: "tcg",
    name: "x",
    clock: "virtual",
    icountShift: 2,
    rtcBaseMs: Date.UTC(2026, 0, 2),
    devices: [{ driver: "isa-debug-exit", properties: { iobase: "0xf4" } }],
  });
});

test("without -kernel it boots the built-in guest and says what it waits for", async () => {
  const { io } = await run("-append single");
  expect(new TextDecoder().decode(io.options?.kernel)).toBe("built-in");
  expect(io.options?.commandLine).toBe("console=ttyS0 single");
  expect(io.stderr).toBe(
    "tsvm: downloading a guest\n" + "tsvm: booting the built-in guest; Ctrl-A x exits, Ctrl-A h lists the other keys\n",
  );
});

test.each([
  ["-machine q35", "machine 'q35' is unknown; known: 'pc', 'microvm'"],
  ["-accel kvm", "accelerator 'kvm' is unknown; known: 'tcg'"],
  ["-device isa-debug-exit,iosiez=4", "device isa-debug-exit: no property 'iosiez'; did you mean 'iosize'?"],
  ["-d in", "log category 'in' is unknown; did you mean 'int'?"],
])("%s is refused before a guest is fetched", async (line, message) => {
  const { code, io } = await run(line);
  expect(code).toBe(1);
  expect(io.stderr).toBe(`tsvm: ${message}\n`);
});

test("Ctrl-A x exits with 0, and standard input is let go", async () => {
  const io = createFakeIo(() => {
    io.terminal.send("\x01x");
    return never();
  }, FILES);
  expect(await runCli(["-kernel", "vmlinuz"], io)).toBe(0);
  expect(io.stdio).toBeUndefined();
});

test("typed input reaches the first serial port, output the terminal", async () => {
  const { io } = await run("-kernel vmlinuz -serial mon:stdio -serial file:second", async ({ serial }) => {
    serial?.[0]?.write(new TextEncoder().encode("login: "));
    serial?.[1]?.write(new TextEncoder().encode("log"));
    return { reason: "shutdown" };
  });
  expect(io.terminal.text()).toBe("login: ");
  expect(io.files.get("second")?.text()).toBe("log");
});

test("streams reach the devices that name them, and a person hears where they are", async () => {
  const { code, io } = await run(
    "-kernel vmlinuz -uuid 550e8400-e29b-41d4-a716-446655440000 -serial pty -chardev socket,id=s,path=x,server=on -device virtio-serial-pci -device virtserialport,chardev=s",
    ({ chardevs }) => {
      chardevs?.["s"]?.write(new TextEncoder().encode("hello"));
      return { reason: "shutdown" };
    },
  );
  expect([code, io.files.get('{"path":"x"}')?.text()]).toEqual([0, "hello"]);
  expect(io.stderr).toBe(
    'tsvm: s waits for a connection at at:{"path":"x"}\ntsvm: char device redirected to /dev/pts/9 (label serial0)\n',
  );
  expect(io.options?.uuid).toBe("550e8400-e29b-41d4-a716-446655440000");
});

test("the machine waits for whom it has to", async () => {
  const io = createFakeIo(powerOff, FILES);
  const { promise, resolve } = Promise.withResolvers<void>();
  io.stuck = promise;
  const running = runCli(["-kernel", "vmlinuz", "-serial", "unix:x,server"], io);
  await new Promise((done) => setTimeout(done, 20));
  expect([io.options, io.stdio]).toEqual([undefined, undefined]);
  resolve();
  expect(await running).toBe(0);
});

test.each([
  ["-kernel nowhere", "-kernel nowhere: no such file"],
  ["-kernel folder/", "-kernel folder/: is a folder, not a file"],
  ["-kernel vmlinuz -initrd nowhere", "-initrd nowhere: no such file"],
  ["-initrd rd", "-initrd: only allowed with -kernel FILE"],
  ["-kernel vmlinuz -serial file:/missing/x", "cannot open '/missing/x' for writing: ENOENT"],
  ["-kernel vmlinuz -d cpu_reset -D /missing/x", "cannot open '/missing/x' for writing: ENOENT"],
  ["-kernal vmlinuz", "-kernal: unknown option; did you mean -kernel?"],
  ["-device virtio-blk-pci,drive=d", "-device virtio-blk-pci,drive=d: there is no -drive of if=none and id 'd'"],
  ["-device virtio-blk-pci", "device virtio-blk-pci: needs drive=..."],
  ["-device virtio-blk-pic,help", "-device virtio-blk-pic: unknown device; did you mean 'virtio-blk-pci'?"],
  ["-drive file=/missing,if=virtio", "cannot open '/missing' for writing: ENOENT"],
])("%s is one line and 1", async (line, message) => {
  const { code, io } = await run(line);
  expect(code).toBe(1);
  expect(io.stderr).toBe(`tsvm: ${message}\n`);
  expect(io.options).toBeUndefined();
});

test.each([
  ["CONFIG_KERNEL_FORMAT", "kernel is empty", "-kernel vmlinuz: kernel is empty"],
  ["CONFIG_INITRD", "initrd is truncated", "-initrd rd: initrd is truncated"],
  ["CONFIG_CPU", "-cpu: no model", "-cpu: no model"],
])("what the machine refuses (%s) is one line, and the terminal is let go", async (code, message, line) => {
  const io = createFakeIo(powerOff, FILES);
  io.createVm = () => Promise.reject(new ConfigError(code, message));
  expect(await runCli(["-kernel", "vmlinuz", "-initrd", "rd"], io)).toBe(1);
  expect(io.stderr).toBe(`tsvm: ${line}\n`);
  expect(io.stdio).toBeUndefined();
});

test("our own mistakes keep their stack", async () => {
  const { code, io } = await run("-kernel vmlinuz", () => Promise.reject(new Error("invariant broken: x")));
  expect(code).toBe(1);
  expect(io.stderr).toMatch(/^tsvm: internal error: Error: invariant broken: x\n +at /);
  expect(io.stdio).toBeUndefined();
});

test("waits for a slow reader before it exits", async () => {
  const io = createFakeIo(powerOff, FILES);
  const { promise, resolve } = Promise.withResolvers<void>();
  io.stuck = promise;
  let code: number | undefined;
  const running = runCli(["-kernel", "vmlinuz"], io).then((value) => {
    code = value;
  });
  await new Promise((done) => setTimeout(done, 20));
  expect(code).toBeUndefined();
  resolve();
  await running;
  expect(code).toBe(0);
});

test("a reader that went away ends it quietly", async () => {
  const io = createFakeIo(() => {
    io.stdio?.onOutputLost();
    return never();
  }, FILES);
  expect(await runCli(["-kernel", "vmlinuz"], io)).toBe(1);
  expect(io.stderr).toBe("");
});

test("-serial stdio leaves Ctrl-C to the host and has no escape key", async () => {
  const io = createFakeIo(async ({ serial }) => {
    io.terminal.send("\x01x");
    expect(serial?.[0]?.read(8)).toEqual(Uint8Array.of(1, 0x78));
    io.stdio?.onInterrupt?.();
    return never();
  }, FILES);
  expect(await runCli(["-kernel", "vmlinuz", "-serial", "stdio"], io)).toBe(0);
});

test("the monitor answers behind Ctrl-A c and can quit", async () => {
  const io = createFakeIo(() => {
    io.terminal.send("\x01cinfo registers\rquit\r");
    return never();
  }, FILES);
  expect(await runCli(["-kernel", "vmlinuz"], io)).toBe(0);
  expect(io.terminal.text()).toContain("[monitor]\r\n(tsvm) info registers\r\nRAX=0000000000000001\r\n(tsvm) quit");
});

test("Ctrl-A b breaks the line of the serial port, not of the monitor", async () => {
  const io = createFakeIo(() => {
    queueMicrotask(() => io.terminal.send("\x01b\x01c\x01b\x01x"));
    return never();
  }, FILES);
  await runCli(["-kernel", "vmlinuz", "-serial", "null", "-serial", "mon:stdio"], io);
  expect(io.breaks).toEqual([1]);
  expect(io.terminal.text()).toContain("[monitor]");
});

test("-d writes to standard error or to the file of -D", async () => {
  const guest: FakeGuest = ({ log }) => {
    log?.write("CPU Reset (CPU 0)\n");
    return { reason: "shutdown" };
  };
  expect((await run("-kernel vmlinuz -d cpu_reset", guest)).io.stderr).toBe("CPU Reset (CPU 0)\n");
  const { io } = await run("-kernel vmlinuz -d cpu_reset -D log", guest);
  expect(io.stderr).toBe("");
  expect(io.files.get("log")?.text()).toBe("CPU Reset (CPU 0)\n");
});

test.each([
  ["-version", "tsvm version 1.2.3\n"],
  ["-machine help", "pc "],
  ["-cpu help", "qemu64"],
  ["-cpu help", " tsc-deadline"],
  ["-accel help", "tcg"],
  ["-device help", "virtio-blk-pci"],
  ["-device isa-debug-exit,help", "iobase=<number>"],
  ["-device virtio-blk,help", "drive=<drive id>"],
  ["-d help", "cpu_reset"],
  ["-d help", "unimp"],
  ["-display help", "none"],
  ["-help", "-kernel FILE"],
])("%s answers on standard output", async (line, text) => {
  const { code, io } = await run(line);
  expect(code).toBe(0);
  expect(io.stdout).toContain(text);
  expect(io.stderr).toBe("");
});

test("a profile is reported when the machine has stopped, with names if there are any", async () => {
  const { io } = await run("-kernel vmlinuz -accel tcg,profile=on,symbols=map");
  expect(io.options?.translation).toMatchObject({ profile: true });
  expect(io.stderr).toContain("profile: 1 places, 5 runs, 500 instructions in regions (50.0 % of all)");
  expect(io.stderr).toMatch(/^ {2}readMiss +7 {2}100\.0 %$/m);
  expect(io.stderr).toMatch(/500 +50\.0 +5 +100\.0 +2 {2}memcpy\n/);
  expect(io.stderr).toMatch(/2 {2}memcpy\+0xc {2}MOV\n/);
  expect((await run("-kernel vmlinuz")).io.stderr).toBe("");
});

test.each([
  ["profile=perhaps", "profile is on or off"],
  ["symbols=map", "symbols are for the profile; write profile=on,symbols=FILE"],
  ["profile=on,symbols=nowhere", "symbols nowhere: no such file"],
  ["profile=on,symbols=rd", 'symbols rd: line 1 is no "ADDRESS TYPE NAME", as System.map and /proc/kallsyms have them'],
])("-accel tcg,%s is refused in one line", async (option, message) => {
  const { code, io } = await run(`-kernel vmlinuz -accel tcg,${option}`);
  expect([code, io.options]).toEqual([1, undefined]);
  expect(io.stderr).toMatch(/^tsvm: .*\n$/);
  expect(io.stderr).toContain(message);
});

test("-d in_asm gives the machine a disassembler, or says how to get one", async () => {
  const io = createFakeIo(powerOff, FILES);
  io.disassemble = () => [];
  await runCli(["-kernel", "vmlinuz", "-d", "in_asm,op"], io);
  expect(io.options?.log?.disassemble).toBe(io.disassemble);
  expect(io.stderr).toBe("");
  const without = (await run("-kernel vmlinuz -d in_asm")).io;
  expect(without.options?.log).toMatchObject({ categories: ["in_asm"] });
  expect(without.stderr).toBe("tsvm: -d in_asm shows bytes; npm install iced-x86 for instructions\n");
  const other = createFakeIo(powerOff, FILES);
  other.disassembler = () => Promise.reject(new Error("nobody asked for instructions"));
  expect(await runCli(["-kernel", "vmlinuz", "-d", "op"], other)).toBe(0);
});
