import { expect, test } from "vitest";
import { INPUT_LIMIT } from "./input-queue.ts";
import { createMemoryChardev, type MemoryChardev } from "./memory-chardev.ts";
import { type ConsoleMux, createConsoleMux } from "./mux-chardev.ts";

interface Bench {
  readonly console: MemoryChardev;
  readonly mux: ConsoleMux;
  readonly calls: string[];
  read(port: number): string;
}

function createBench(): Bench {
  const console = createMemoryChardev();
  const calls: string[] = [];
  const mux = createConsoleMux({
    console,
    ports: ["serial", "monitor"],
    keys: { quit: () => calls.push("quit"), break: (port) => calls.push(`break ${port}`) },
  });
  const read = (port: number): string =>
    new TextDecoder().decode(mux.ports[port]?.read(INPUT_LIMIT) ?? new Uint8Array());
  return { console, mux, calls, read };
}

test("passes ordinary input to the port with the focus", () => {
  const { console, read } = createBench();
  console.send("ls\r");
  expect(read(0)).toBe("ls\r");
  expect(read(1)).toBe("");
});

test("Ctrl-A x quits, wherever chunks are cut", () => {
  const { console, calls, read } = createBench();
  console.send("a\x01");
  expect(calls).toEqual([]);
  console.send("xb");
  expect(calls).toEqual(["quit"]);
  expect(read(0)).toBe("ab");
});

test("Ctrl-A Ctrl-A sends one Ctrl-A, also when cut in two", () => {
  const { console, read } = createBench();
  console.send("1\x01\x012");
  console.send("\x01");
  console.send("\x013");
  expect(read(0)).toBe("1\x012\x013");
});

test("Ctrl-A c moves the focus round and says so; both ports may write", () => {
  const { console, mux, read } = createBench();
  console.send("to serial\x01cto monitor\x01cto serial");
  expect(read(0)).toBe("to serialto serial");
  expect(read(1)).toBe("to monitor");
  expect(mux.focused).toBe(0);
  mux.ports[1]?.write(new TextEncoder().encode("note"));
  expect(console.text()).toBe("\r\n[monitor]\r\n\r\n[serial]\r\nnote");
});

test("Ctrl-A b breaks the line that has the focus; Ctrl-A h prints help; others vanish", () => {
  const { console, calls, read } = createBench();
  console.send("\x01b\x01c\x01b\x01h\x01z.");
  expect(calls).toEqual(["break 0", "break 1"]);
  expect(console.text()).toContain("C-a x");
  expect(read(1)).toBe(".");
});

test("an escape behind a megabyte that nobody reads is still seen", () => {
  const { console, calls, read } = createBench();
  console.send(new Uint8Array(1024 * 1024).fill(0x61));
  console.send("\x01x");
  expect(calls).toEqual(["quit"]);
  expect(read(0)).toHaveLength(1024 * 1024);
});

test("input beyond the limit waits in the console and is not lost", async () => {
  const { console, read } = createBench();
  console.send(new Uint8Array(INPUT_LIMIT).fill(0x61));
  console.send("end");
  expect(console.unread).toBe(3);
  expect(read(0)).toHaveLength(INPUT_LIMIT);
  await Promise.resolve();
  expect(read(0)).toBe("end");
});
