import { BackendError } from "@tsvm/contracts";
import { nodeModule } from "../host-calls.ts";
import { hostPlatform } from "../host-library.ts";

/** What is used of `node:net`. */
interface NetCalls {
  createServer(): {
    listen(path: string, ready: () => void): void;
    once(event: "error", sink: (cause: unknown) => void): void;
    unref(): void;
    close(): void;
  };
}

/** Held until `release`, or until the process ends in whatever way. */
export interface ImageLock {
  release(): void;
}

/**
 * Claims the right to write an image, on this host and in its network namespace. Node has no file locks, so the lock is
 * a listening socket without a file, whose name is the image's identity: only one process can have it, and the kernel
 * takes it back when the process dies. Linux (abstract sockets) and Windows (pipes) have such names; elsewhere there is
 * no lock.
 * @throws BackendError `BACKEND_LOCKED` if somebody has it, in this process or another.
 */
export async function lockImage(path: string, device: bigint, inode: bigint): Promise<ImageLock> {
  const name = lockName(`tsvm-image-${device}-${inode}`);
  if (name === undefined) return { release(): void {} };
  const server = nodeModule<NetCalls>("node:net").createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      const message = `'${path}' is being written by another machine`;
      reject(new BackendError("BACKEND_LOCKED", message, { cause }));
    });
    server.listen(name, resolve);
  });
  // The lock alone is no reason for the process to live.
  server.unref();
  return { release: () => server.close() };
}

function lockName(name: string): string | undefined {
  const platform = hostPlatform();
  if (platform === "linux") return `\0${name}`;
  return platform === "win32" ? `\\\\.\\pipe\\${name}` : undefined;
}
