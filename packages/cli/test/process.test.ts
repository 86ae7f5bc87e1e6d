// The program as a process: arguments, pipes, exit codes, with a real machine inside.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const main = join(import.meta.dirname, "../src/main.ts");
const folder = mkdtempSync(join(tmpdir(), "tsvm-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A multiboot kernel at 1 MiB whose code is entered in 32-bit mode; header as in the Multiboot Specification 0.6.96. */
function writeKernel(name: string, code: string): string {
  const bytes = Buffer.from(code.replace(/\s/g, ""), "hex");
  const end = 0x10_0020 + bytes.length;
  const fields = [0x1bad_b002, 0x1_0000, 0xe451_4ffe, 0x10_0000, 0x10_0000, end, end, 0x10_0020];
  const header = Buffer.alloc(32);
  for (const [index, field] of fields.entries()) header.writeUInt32LE(field, 4 * index);
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([header, bytes]));
  return path;
}

/** mov dx, 0x3f8; mov al, "!"; out dx, al; mov dx, 0xf4; mov al, 0x10; out dx, al; hlt */
const debugExit = writeKernel("debug-exit", "66baf803 b021 ee 66baf400 b010 ee f4");
/** push 0; push 0; lidt [esp]; int3 */
const tripleFault = writeKernel("triple-fault", "6a00 6a00 0f011c24 cc");
/** inc eax; jmp to it */
const spin = writeKernel("spin", "40 ebfd");

/** mov dx, 0x3f8; mov al, "!"; out dx, al; jmp to itself */
const talkAndSpin = writeKernel("talk", "66baf803 b021 ee ebfe");

const start = (...args: string[]): ChildProcessWithoutNullStreams => startIn({}, ...args);
const startIn = (environment: NodeJS.ProcessEnv, ...args: string[]): ChildProcessWithoutNullStreams =>
  spawn(process.execPath, ["--conditions=@tsvm/source", main, "-m", "4", ...args], {
    env: { ...process.env, ...environment },
  });

async function finish(child: ChildProcessWithoutNullStreams): Promise<{
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}> {
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** Resolves with the match of what the process says on standard error. */
async function hearOf(child: ChildProcessWithoutNullStreams, pattern: RegExp): Promise<string> {
  let said = "";
  for await (const chunk of child.stderr) {
    said += String(chunk);
    const match = pattern.exec(said);
    if (match !== null) return match[1] ?? "";
  }
  throw new Error(`it ended with: ${said}`);
}

test("the machine waits for somebody at its socket, who then hears it", async () => {
  const child = start("-kernel", talkAndSpin, "-serial", `unix:${join(folder, "com1")},server`);
  const path = await hearOf(child, /serial0 waits for a connection at unix:(.*)\n/);
  const socket = connect(path);
  const [heard] = (await once(socket, "data")) as [Buffer];
  expect(heard.toString()).toBe("!");
  child.kill("SIGKILL");
});

const hasPty = process.platform === "linux" && process.getBuiltinModule("node:ffi" as "node:fs") !== undefined;
test.runIf(hasPty)("a serial port is a pseudo terminal, without a word of warning", async () => {
  const flags = ["--disable-warning=ExperimentalWarning", "--conditions=@tsvm/source"];
  const child = spawn(process.execPath, [...flags, main, "-m", "4", "-kernel", talkAndSpin, "-serial", "pty"]);
  const path = await hearOf(child, /^tsvm: char device redirected to (\S+) \(label serial0\)\n$/);
  const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;
  const terminal = openSync(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
  await expect
    .poll(() => {
      const bytes = Buffer.alloc(10);
      return bytes.toString("latin1", 0, readSync(terminal, bytes));
    })
    .toBe("!");
  closeSync(terminal);
  child.kill("SIGKILL");
});

test("output and exit code of a guest that writes to isa-debug-exit", async () => {
  const child = start("-kernel", debugExit, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-nographic");
  expect(await finish(child)).toEqual({ code: 0x21, stdout: "!", stderr: "" });
});

test("a triple fault with -no-reboot shows the registers", async () => {
  const { code, stdout, stderr } = await finish(start("-kernel", tripleFault, "-no-reboot"));
  expect(code).toBe(1);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^tsvm: triple fault\n.*[ER]AX=/s);
});

test("Ctrl-A x on a pipe ends a guest that never stops", async () => {
  const child = start("-kernel", spin);
  child.stdin.write("\x01x");
  expect(await finish(child)).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("SIGTERM ends it at any moment", async () => {
  const child = start("-kernel", spin, "-serial", "null");
  setTimeout(() => child.kill("SIGTERM"), 700);
  const [code, signal] = await once(child, "close");
  expect([code, signal]).toEqual([null, "SIGTERM"]);
});

test("what was compiled is kept for the next start, also if the machine is killed", async () => {
  const cache = join(folder, "compiled");
  const child = startIn({ NODE_COMPILE_CACHE: cache }, "-kernel", spin, "-serial", "null");
  const kept = (): number => (existsSync(cache) ? readdirSync(cache, { recursive: true }).length : 0);
  await expect.poll(kept).toBeGreaterThan(10);
  child.kill("SIGKILL");
});

test("a missing kernel is one line", async () => {
  const { code, stderr } = await finish(start("-kernel", join(folder, "none")));
  expect(code).toBe(1);
  expect(stderr).toBe(`tsvm: -kernel ${join(folder, "none")}: no such file\n`);
});
