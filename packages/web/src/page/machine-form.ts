import type { WebDisk, WebMachineOptions } from "../index.ts";
import { createDiskList, type DiskListOptions } from "./disk-list.ts";
import { byId } from "./elements.ts";
import type { GuestDescription } from "./guest-description.ts";
import { createSourceField } from "./source-field.ts";

/** What a person has asked for. */
export type MachineChoice = Required<Pick<WebMachineOptions, "kernel" | "memoryBytes" | "commandLine" | "disks">> &
  Pick<WebMachineOptions, "initrd">;

export interface MachineForm {
  /** @throws Error of one line if there is nothing to boot. */
  choice(): MachineChoice;
  readonly disks: readonly WebDisk[];
  /** While a machine is there its settings stand. */
  lock(locked: boolean): void;
  addDisk(image: string | File): void;
  /** Looks again at what the browser keeps of disks. */
  refresh(): void;
}

const GUEST_FOLDER = "guest/";
const MIB = 1 << 20;

/**
 * Fills the form from the page's address, so that a link can name a machine: `m` (MiB), `kernel`, `initrd`, `append` (added
 * to the default guest's command line, or the whole of it for another kernel), and any number of `disk`. What is set later
 * goes back into the address, files excepted.
 */
export async function createMachineForm(options: Pick<DiskListOptions, "onExport" | "complain">): Promise<MachineForm> {
  const guest = await readGuest();
  const asked = new URLSearchParams(location.search);
  const memory = byId("memory", HTMLSelectElement);
  const append = byId("append", HTMLInputElement);
  const [kernel, initrd] = [
    { id: "kernel", label: "Kernel", placeholder: guest ? "the default guest's" : "address, or drop a file" },
    { id: "initrd", label: "Initial RAM disk", placeholder: guest ? "the default guest's" : "none" },
  ].map(({ id, ...rest }) => createSourceField({ container: byId(id, HTMLElement), ...rest })) as [Field, Field];
  const disks = createDiskList({
    ...options,
    list: byId("disks", HTMLUListElement),
    newDisk: byId("new-disk", HTMLElement),
    onChange: () => remember(),
  });

  const usesGuest = (): boolean => kernel.value === undefined && guest !== undefined;

  function fill(): void {
    kernel.value = asked.get("kernel") ?? undefined;
    initrd.value = asked.get("initrd") ?? undefined;
    append.value = [usesGuest() ? guest?.commandLine : "", asked.get("append")].filter(Boolean).join(" ");
    const mib = asked.get("m");
    if (mib !== null && /^\d+$/.test(mib)) chooseMemory(mib);
    for (const disk of asked.getAll("disk")) disks.add(disk);
  }

  /** Any size may be asked for by address; the list has the usual ones. */
  function chooseMemory(mib: string): void {
    if (![...memory.options].some(({ value }) => value === mib)) memory.add(new Option(`${mib} MiB`, mib));
    memory.value = mib;
  }

  function remember(): void {
    const query = new URLSearchParams();
    if (memory.value !== "512") query.set("m", memory.value);
    for (const [name, { value }] of [
      ["kernel", kernel],
      ["initrd", initrd],
    ] as const) {
      if (typeof value === "string") query.set(name, value);
    }
    const own = usesGuest() ? append.value.replace(guest?.commandLine ?? "", "").trim() : append.value;
    if (own !== "") query.set("append", own);
    for (const { image } of disks.disks) if (typeof image === "string") query.append("disk", image);
    const text = query.toString();
    history.replaceState(null, "", text === "" ? location.pathname : `?${text}`);
  }

  fill();
  byId("machine", HTMLFormElement).addEventListener("change", remember);

  return {
    choice() {
      const fromGuest = usesGuest();
      const chosen = fromGuest ? GUEST_FOLDER + guest?.kernel : kernel.value;
      if (chosen === undefined) throw new Error("nothing to boot: choose a kernel (no default guest is served here)");
      const ramDisk = initrd.value ?? (fromGuest ? GUEST_FOLDER + guest?.initrd : undefined);
      return {
        memoryBytes: Number(memory.value) * MIB,
        kernel: chosen,
        ...(ramDisk !== undefined && { initrd: ramDisk }),
        commandLine: append.value,
        disks: disks.disks,
      };
    },
    get disks() {
      return disks.disks;
    },
    lock(locked) {
      byId("boot", HTMLFieldSetElement).disabled = locked;
      disks.lock(locked);
    },
    addDisk: (image) => disks.add(image),
    refresh: () => void disks.refresh(),
  };
}

type Field = ReturnType<typeof createSourceField>;

/** Undefined where the page is served without it. */
async function readGuest(): Promise<GuestDescription | undefined> {
  try {
    const response = await fetch(`${GUEST_FOLDER}guest.json`);
    return response.ok ? ((await response.json()) as GuestDescription) : undefined;
  } catch {
    return undefined;
  }
}
