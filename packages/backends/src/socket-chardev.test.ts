import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, expect, test } from "vitest";
import { openSocketChardev, type SocketChardev, type SocketChardevOptions } from "./socket-chardev.ts";

const folder = mkdtempSync(join(tmpdir(), "tsvm-socket-"));
const opened: SocketChardev[] = [];
const clients: Socket[] = [];
let paths = 0;
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  for (const chardev of opened.splice(0)) chardev.dispose();
});
afterAll(() => rmSync(folder, { recursive: true }));
const freshPath = (): string => join(folder, `s${paths++}`);

async function open(options: SocketChardevOptions): Promise<SocketChardev> {
  const chardev = await openSocketChardev(options);
  opened.push(chardev);
  return chardev;
}

/** A person with socat. */
async function plugIn(where: string): Promise<Socket & { heard: string }> {
  const [kind, rest = ""] = where.split(/:(.*)/);
  const client = kind === "unix" ? connect(rest) : connect(Number(rest.split(":")[1]), "127.0.0.1");
  clients.push(client);
  await once(client, "connect");
  return Object.assign(client, { heard: "" }).on("data", (chunk) => {
    (client as Socket & { heard: string }).heard += chunk;
  }) as Socket & { heard: string };
}

/** Reads `count` bytes as a device does: on being told, until there are too few. */
function readText(chardev: SocketChardev, count: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const listening = chardev.onInput(() => {
      text += new TextDecoder().decode(chardev.read(100));
      if (text.length < count) return;
      listening.dispose();
      resolve(text);
    });
  });
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test.each([
  ["a Unix socket", () => ({ path: freshPath() })],
  ["a TCP port of this machine", () => ({ port: 0 })],
])("serves one peer after another at %s, and discards output between them", async (_, address) => {
  const chardev = await open({ address: address(), server: true });
  const seen: boolean[] = [chardev.isConnected];
  chardev.onConnection((isConnected) => seen.push(isConnected));
  chardev.write(bytes("nobody hears"));
  const first = await plugIn(chardev.where);
  await chardev.connected;
  const text = readText(chardev, 5);
  first.write("hello");
  expect(await text).toBe("hello");
  chardev.write(bytes("welcome"));
  await chardev.flush();
  const busy = await plugIn(chardev.where);
  await once(busy, "close");
  first.end();
  await once(first, "close");
  expect([first.heard, busy.heard]).toEqual(["welcome", ""]);
  await expect.poll(() => seen).toEqual([false, true, false]);
  expect(chardev.isConnected).toBe(false);
  chardev.write(bytes("nobody hears"));
  const second = await plugIn(chardev.where);
  second.write("again");
  await expect.poll(() => new TextDecoder().decode(chardev.read(100))).toBe("again");
  chardev.write(bytes("bye"));
  chardev.dispose();
  await once(second, "close");
  expect(second.heard).toBe("bye");
});

test("input of a peer that has left can still be read", async () => {
  const chardev = await open({ address: { path: freshPath() }, server: true });
  const peer = await plugIn(chardev.where);
  peer.end("last words");
  await once(peer, "close");
  await sleep(10);
  expect(await readText(chardev, 10)).toBe("last words");
});

test("connects, and says in one line when it cannot", async () => {
  const server = await open({ address: { path: freshPath() }, server: true });
  const client = await open({ address: { path: server.where.slice(5) } });
  await client.connected;
  client.write(bytes("ping"));
  expect(await readText(server, 4)).toBe("ping");
  await expect(openSocketChardev({ address: { path: freshPath() } })).rejects.toMatchObject({
    code: "BACKEND_OPEN",
    message: expect.stringMatching(/^cannot connect to 'unix:.*': ENOENT$/),
  });
  await expect(openSocketChardev({ address: { port: 1 } })).rejects.toMatchObject({
    code: "BACKEND_OPEN",
    message: "cannot connect to 'tcp:127.0.0.1:1': ECONNREFUSED",
  });
});

test("replaces a socket whose owner was killed, and nothing else", async () => {
  const path = freshPath();
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script]);
  expect(existsSync(path)).toBe(true);
  const chardev = await open({ address: { path }, server: true });
  const inUse = { code: "BACKEND_OPEN", message: `cannot listen at 'unix:${path}': EADDRINUSE` };
  await expect(openSocketChardev({ address: { path }, server: true })).rejects.toMatchObject(inUse);
  await plugIn(chardev.where);
  chardev.dispose();
  await expect.poll(() => existsSync(path)).toBe(false);
  writeFileSync(path, "precious");
  await expect(openSocketChardev({ address: { path }, server: true })).rejects.toMatchObject(inUse);
  expect(existsSync(path)).toBe(true);
});
