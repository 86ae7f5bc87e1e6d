/** What is used of `node:fs/promises`. */
export interface FileCalls {
  open(path: string, flags: string | number): Promise<FileHandle>;
}

/** What is used of its `FileHandle`. */
export interface FileHandle {
  readonly fd: number;
  stat(options: { readonly bigint: true }): Promise<FileStat>;
  read(buf: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  write(buf: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesWritten: number }>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileStat {
  readonly size: bigint;
  readonly dev: bigint;
  readonly ino: bigint;
  isFile(): boolean;
}
