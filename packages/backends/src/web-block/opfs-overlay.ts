// Overlays in the origin private file system: File System Standard, "StorageManager".
import { BackendError } from "@tsvm/contracts";
import { hostFailure } from "../host-calls.ts";
import type { IdentifiedBlock } from "./identified-block.ts";
import { openPersistentOverlay, type PersistentOverlay } from "./persistent-overlay.ts";
import type { SyncFile } from "./sync-file.ts";

/** What is used of a `FileSystemDirectoryHandle`. */
export interface PrivateFolder {
  getDirectoryHandle(name: string, options: { readonly create: boolean }): Promise<PrivateFolder>;
  getFileHandle(name: string, options: { readonly create: boolean }): Promise<PrivateFile>;
  removeEntry(name: string): Promise<void>;
  keys(): AsyncIterable<string>;
}

/** What is used of a `FileSystemFileHandle`. */
export interface PrivateFile {
  getFile(): Promise<{ readonly size: number }>;
  /** Only workers have it. */
  createSyncAccessHandle?(): Promise<SyncFile>;
}

export interface OpfsOverlayOptions {
  /** Names the overlay within the origin; one machine at a time may have it. */
  readonly name: string;
  /** The image under it. */
  readonly base: IdentifiedBlock;
  /** Default: `navigator.storage.getDirectory()`. */
  readonly root?: PrivateFolder;
}

/** An overlay as {@link listOpfsOverlays} finds it. */
export interface KeptOverlay {
  readonly name: string;
  /** Of its file. */
  readonly bytes: number;
}

/** A tab may be closed at any time: what it can cost. */
const FLUSH_AFTER_MS = 1000;
const FOLDER = "tsvm-overlays";
const SUFFIX = ".cow";

/**
 * A writable disk over an image, whose writes the browser keeps for this origin until they are discarded. To be called
 * in a worker: only there may files be written without waiting.
 * @throws BackendError (as a rejection) as `openPersistentOverlay` does; `BACKEND_LOCKED`: another disk has it, here or in another tab;
 * `BACKEND_UNAVAILABLE`: this host keeps no files.
 */
export async function openOpfsOverlay(options: OpfsOverlayOptions): Promise<PersistentOverlay> {
  const { name, base } = options;
  const folder = await overlayFolder(options.root);
  return openPersistentOverlay({ name, base, file: await openFile(folder, name), flushAfterMs: FLUSH_AFTER_MS });
}

/**
 * Forgets what was kept under `name`; nothing happens if that is nothing.
 * @throws BackendError (as a rejection) `BACKEND_LOCKED`: a machine has it.
 */
export async function discardOpfsOverlay(name: string, root?: PrivateFolder): Promise<void> {
  const folder = await overlayFolder(root);
  try {
    await folder.removeEntry(fileName(name));
  } catch (cause) {
    if (nameOf(cause) !== "NotFoundError") throw refusal(name, cause);
  }
}

/** What is kept for this origin. */
export async function listOpfsOverlays(root?: PrivateFolder): Promise<readonly KeptOverlay[]> {
  const folder = await overlayFolder(root);
  const overlays: KeptOverlay[] = [];
  for await (const entry of folder.keys()) {
    if (!entry.endsWith(SUFFIX)) continue;
    const file = await (await folder.getFileHandle(entry, { create: false })).getFile();
    overlays.push({ name: decodeURIComponent(entry.slice(0, -SUFFIX.length)), bytes: file.size });
  }
  return overlays;
}

async function overlayFolder(root: PrivateFolder | undefined): Promise<PrivateFolder> {
  try {
    return await (root ?? (await originFolder())).getDirectoryHandle(FOLDER, { create: true });
  } catch (cause) {
    throw hostFailure("BACKEND_UNAVAILABLE", "this browser keeps no files for this page", cause);
  }
}

/** Undefined `storage`: the page came neither by HTTPS nor from this computer. */
function originFolder(): Promise<PrivateFolder> {
  const { navigator } = globalThis as { navigator?: { storage?: { getDirectory(): Promise<PrivateFolder> } } };
  if (navigator?.storage === undefined) throw new Error("no storage");
  return navigator.storage.getDirectory();
}

async function openFile(folder: PrivateFolder, name: string): Promise<SyncFile> {
  let handle: PrivateFile;
  try {
    handle = await folder.getFileHandle(fileName(name), { create: true });
    if (handle.createSyncAccessHandle !== undefined) return await handle.createSyncAccessHandle();
  } catch (cause) {
    throw refusal(name, cause);
  }
  throw new BackendError("BACKEND_UNAVAILABLE", "this browser writes no files at once, or this is not a worker");
}

function refusal(name: string, cause: unknown): BackendError {
  if (nameOf(cause) === "NoModificationAllowedError") {
    return new BackendError("BACKEND_LOCKED", `the changes kept as '${name}' are in use, here or in another tab`, {
      cause,
    });
  }
  return hostFailure("BACKEND_OPEN", `cannot open the changes kept as '${name}'`, cause);
}

const nameOf = (cause: unknown): unknown => (cause as { readonly name?: unknown }).name;

/** Names of files may hold no slash, and names of overlays may be addresses. */
const fileName = (name: string): string => `${encodeURIComponent(name)}${SUFFIX}`;
