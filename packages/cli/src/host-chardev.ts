import {
  type BufferedChardev,
  createFileChardev,
  createPipeChardev,
  createPtyChardev,
  openSocketChardev,
} from "@tsvm/backends";
import type { ChardevSpec, SocketSpec } from "./command-line/chardev-spec.ts";

/** What the host has beside the terminal and nothing at all. */
export type HostChardevSpec = Exclude<ChardevSpec, { readonly kind: "stdio" | "null" }>;

/** A character stream of the host, opened. */
export interface HostChardev {
  readonly chardev: BufferedChardev;
  /** Where a person finds it, if that was not known before. */
  readonly path?: string;
  /** Somebody who has to come before the machine starts. */
  readonly connection?: { readonly where: string; readonly made: Promise<void> };
}

/** @throws BackendError (as a rejection) */
export async function openHostChardev(spec: HostChardevSpec): Promise<HostChardev> {
  switch (spec.kind) {
    case "file":
      return { chardev: createFileChardev(spec) };
    case "pipe":
      return { chardev: createPipeChardev(spec) };
    case "pty": {
      const chardev = createPtyChardev(spec);
      return { chardev, path: chardev.path };
    }
    case "socket":
      return openSocket(spec);
  }
}

async function openSocket({ address, server, wait }: SocketSpec): Promise<HostChardev> {
  const chardev = await openSocketChardev({ address, server });
  return { chardev, ...(wait && { connection: { where: chardev.where, made: chardev.connected } }) };
}
