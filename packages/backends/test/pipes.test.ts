import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

function start(...args: string[]): ChildProcessWithoutNullStreams {
  const program = fileURLToPath(new URL("console-child.ts", import.meta.url));
  return spawn(process.execPath, ["--conditions=@tsvm/source", program, ...args]);
}

test("a megabyte through both pipes comes back whole, to a reader that starts late", async () => {
  const child = start();
  const sent = Buffer.from(Array.from({ length: 1024 * 1024 }, (_, index) => 32 + ((index * 7) % 90)));
  child.stdin.write(sent);
  child.stdin.write("\x01x");
  await sleep(300);
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  expect(Buffer.concat(chunks).equals(Buffer.concat([sent, Buffer.from("bye")]))).toBe(true);
});

test("what is printed just before the exit survives a slow reader", async () => {
  const child = start("200000");
  child.stdin.write("\x01x");
  await sleep(300);
  let length = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    length += chunk.length;
    child.stdout.pause();
    setTimeout(() => child.stdout.resume(), 1);
  });
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  expect(length).toBe(600_000);
});

test("a reader that goes away ends the program quietly", async () => {
  const child = start();
  let complaints = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaints += chunk.toString();
  });
  child.stdin.on("error", () => {});
  child.stdin.write("x");
  await once(child.stdout, "data");
  child.stdout.destroy();
  child.stdin.write("y");
  const [code] = await once(child, "close");
  expect(code).toBe(3);
  expect(complaints).toBe("");
});

test("what came before the end of input is delivered, and the end is reported", async () => {
  const child = start();
  child.stdin.end("last words");
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  expect(output).toBe("last words<end of input>");
});
