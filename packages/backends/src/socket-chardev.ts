import type { Server, Socket } from "node:net";
import type { BackendError, Disposable } from "@tsvm/contracts";
import type { BufferedChardev } from "./buffered-chardev.ts";
import type { ConnectableChardev } from "./connectable-chardev.ts";
import { hostFailure, nodeModule } from "./host-calls.ts";
import { createStreamChardev } from "./stream-chardev.ts";

/** A Unix socket (on Windows: a named pipe), or a TCP port; without `host` that of this machine alone. */
export type SocketAddress =
  | { readonly path: string }
  | { readonly host?: string /** 0, for a server: any free one. */; readonly port: number };

/** The machine only; who means other interfaces has to say so. */
const LOOPBACK = "127.0.0.1";

/** One end of a socket as a character device. */
export interface SocketChardevOptions {
  readonly address: SocketAddress;
  /** Listen and take one connection at a time; default false: connect. */
  readonly server?: boolean;
}

/** While nobody is connected, output is discarded, as on a line with nothing plugged in. */
export interface SocketChardev extends BufferedChardev, ConnectableChardev {
  /** The address in one word, with the port that a server got: `unix:/run/vm.sock`, `tcp:127.0.0.1:4555`. */
  readonly where: string;
  /** Resolves when somebody was connected for the first time. */
  readonly connected: Promise<void>;
}

const NOTHING = new Uint8Array(0);

/**
 * Listens or connects. A Unix socket left over by a process that died is replaced; `dispose` removes a server's own.
 * @throws BackendError (as a rejection) `BACKEND_OPEN`
 */
export async function openSocketChardev(options: SocketChardevOptions): Promise<SocketChardev> {
  const { address, server = false } = options;
  const line = new SocketLine(address);
  if (server) await line.listen(address);
  else line.plug(await connect(address));
  return line;
}

class SocketLine implements SocketChardev {
  where: string;
  readonly connected: Promise<void>;
  readonly #sinks = new Set<() => void>();
  readonly #connectionSinks = new Set<(isConnected: boolean) => void>();
  /** The present connection, or the last one while its input is not all taken. */
  #stream: BufferedChardev | undefined;
  #socket: Socket | undefined;
  #server: Server | undefined;
  readonly #noteConnected: () => void;

  constructor(address: SocketAddress) {
    this.where = nameOf(address);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.connected = promise;
    this.#noteConnected = resolve;
  }

  async listen(address: SocketAddress): Promise<void> {
    const server = await listenAt(address);
    this.#server = server;
    const bound = server.address();
    if (typeof bound === "object" && bound !== null) this.where = nameOf({ host: bound.address, port: bound.port });
    server.on("connection", (socket) => {
      if (this.#socket === undefined) this.plug(socket);
      else socket.destroy();
    });
  }

  plug(socket: Socket): void {
    this.#stream?.dispose();
    this.#socket = socket;
    const end = (): void => this.#unplug(socket);
    this.#stream = createStreamChardev({ input: socket, output: socket, onEnd: end, onOutputLost: end });
    this.#stream.onInput(() => {
      for (const sink of [...this.#sinks]) sink();
    });
    this.#noteConnected();
    this.#tellConnection(true);
  }

  #unplug(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    // What was written before still goes out to a reader that has only stopped talking.
    socket.end();
    this.#tellConnection(false);
  }

  #tellConnection(isConnected: boolean): void {
    for (const sink of [...this.#connectionSinks]) sink(isConnected);
  }

  get isConnected(): boolean {
    return this.#socket !== undefined;
  }

  onConnection(sink: (isConnected: boolean) => void): Disposable {
    this.#connectionSinks.add(sink);
    return { dispose: () => void this.#connectionSinks.delete(sink) };
  }

  write(bytes: Uint8Array): void {
    if (this.#socket !== undefined) this.#stream?.write(bytes);
  }

  read(max: number): Uint8Array {
    return this.#stream?.read(max) ?? NOTHING;
  }

  onInput(sink: () => void): Disposable {
    this.#sinks.add(sink);
    // Input may have come before its consumer did.
    if (this.#stream !== undefined) queueMicrotask(() => this.#sinks.has(sink) && sink());
    return { dispose: () => void this.#sinks.delete(sink) };
  }

  get backlog(): number {
    return this.#socket === undefined ? 0 : (this.#stream?.backlog ?? 0);
  }

  async flush(): Promise<void> {
    if (this.#socket !== undefined) await this.#stream?.flush();
  }

  dispose(): void {
    this.#server?.close();
    this.#stream?.dispose();
    // Ends after what was written; destroying it would throw that away.
    this.#socket?.end();
    this.#socket = undefined;
  }
}

function nameOf(address: SocketAddress): string {
  return "path" in address ? `unix:${address.path}` : `tcp:${address.host ?? LOOPBACK}:${address.port}`;
}

function netAddress(address: SocketAddress): { path: string } | { host: string; port: number } {
  return "path" in address ? { path: address.path } : { host: address.host ?? LOOPBACK, port: address.port };
}

function connect(address: SocketAddress): Promise<Socket> {
  const socket = nodeModule<typeof import("node:net")>("node:net").connect(netAddress(address));
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void =>
      reject(hostFailure("BACKEND_OPEN", `cannot connect to '${nameOf(address)}'`, cause));
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.removeListener("error", fail);
      resolve(socket);
    });
  });
}

async function listenAt(address: SocketAddress): Promise<Server> {
  try {
    return await tryListen(address);
  } catch (cause) {
    const taken = (cause as { readonly code?: unknown }).code === "EADDRINUSE";
    if (!taken || !("path" in address)) throw cannotListen(address, cause);
    if ((await hasListener(address)) || !removeSocket(address.path)) throw cannotListen(address, cause);
  }
  return tryListen(address).catch((cause: unknown) => {
    throw cannotListen(address, cause);
  });
}

async function hasListener(address: SocketAddress): Promise<boolean> {
  try {
    (await connect(address)).destroy();
    return true;
  } catch {
    return false;
  }
}

const cannotListen = (address: SocketAddress, cause: unknown): BackendError =>
  hostFailure("BACKEND_OPEN", `cannot listen at '${nameOf(address)}'`, cause);

function tryListen(address: SocketAddress): Promise<Server> {
  const server = nodeModule<typeof import("node:net")>("node:net").createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(netAddress(address), () => {
      server.removeListener("error", reject);
      resolve(server);
    });
  });
}

/** Takes away a socket whose owner is gone, and nothing that is not a socket. */
function removeSocket(path: string): boolean {
  const fs = nodeModule<typeof import("node:fs")>("node:fs");
  if (!fs.lstatSync(path).isSocket()) return false;
  fs.unlinkSync(path);
  return true;
}
