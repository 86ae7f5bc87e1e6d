/** What is used of a `FileSystemSyncAccessHandle` (File System Standard): a file of the browser's, in a worker's hands. */
export interface SyncFile {
  /** Reads up to `buffer.length` bytes from `at` on; returns how many, fewer only at the end of the file. */
  read(buffer: Uint8Array, options: { readonly at: number }): number;
  /** Writes, growing the file as needed; returns how many bytes. */
  write(buffer: Uint8Array, options: { readonly at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  /** Returns when everything written before is on stable storage. */
  flush(): void;
  close(): void;
}

/** Writes all of `bytes` at `at`. @throws what the host throws, for example a DOMException `QuotaExceededError` */
export function writeAll(file: SyncFile, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    const written = file.write(bytes.subarray(done), { at: at + done });
    if (written === 0) throw new Error("nothing was written");
    done += written;
  }
}
