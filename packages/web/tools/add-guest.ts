// Puts the default guest beside the built page: before packing, and before serving.
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { buildDefaultGuest } from "@tsvm/guest-images";
import type { GuestDescription } from "../src/page/guest-description.ts";

/** The folder that `vite build` builds the page into. */
export const PAGE_FOLDER: string = join(import.meta.dirname, "../dist/page");

/** Builds the default guest if need be, and copies it. */
export async function addGuest(): Promise<void> {
  const guest = await buildDefaultGuest({ log: (line) => console.error(`web: ${line}`) });
  const folder = join(PAGE_FOLDER, "guest");
  await mkdir(folder, { recursive: true });
  for (const path of [guest.kernelPath, guest.initrdPath]) await copyFile(path, join(folder, basename(path)));
  const description: GuestDescription = {
    kernel: basename(guest.kernelPath),
    initrd: basename(guest.initrdPath),
    commandLine: guest.commandLine,
  };
  await writeFile(join(folder, "guest.json"), `${JSON.stringify(description, null, 2)}\n`);
}

if (import.meta.main) await addGuest();
