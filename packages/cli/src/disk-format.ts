import { type BlockBackend, ConfigError } from "@tsvm/contracts";

/** How images of other formats begin. */
const SIGNATURES: Readonly<Record<string, string>> = {
  qcow2: "QFI\xfb",
  vdi: "<<< ",
  vhd: "conectix",
  vhdx: "vhdxfile",
  vmdk: "KDMV",
};

/**
 * A guest would find nothing on an image of another format, and write over it. An image may be meant to look so:
 * `format=raw` says it.
 * @throws ConfigError (as a rejection) `CONFIG_FILE` naming the format and what to do.
 */
export async function refuseOtherFormats(path: string, image: BlockBackend): Promise<void> {
  const sector = new Uint8Array(512);
  await image.read(0, sector);
  const start = String.fromCharCode(...sector.subarray(0, 16));
  const format = Object.keys(SIGNATURES).find((name) => start.startsWith(SIGNATURES[name] as string));
  if (format === undefined) return;
  const what = `looks like a ${format} image, and only raw ones can be used`;
  const how = `convert it with 'qemu-img convert -O raw', or write format=raw if it is one`;
  throw new ConfigError("CONFIG_FILE", `-drive file=${path}: ${what}; ${how}`);
}
