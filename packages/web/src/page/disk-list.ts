import { discardOpfsOverlay, listOpfsOverlays } from "@tsvm/backends";
import { type DiskWrites, type ExportProgress, overlayNameOf, type WebDisk } from "../index.ts";
import { make } from "./elements.ts";
import { sizeText } from "./sizes.ts";
import { createSourceField, type Source } from "./source-field.ts";

/** The disks a person has put together for the next machine. */
export interface DiskList {
  readonly disks: readonly WebDisk[];
  add(image: Source, writes?: DiskWrites): void;
  /** True while a machine has the disks: they can be exported, not changed. */
  lock(locked: boolean): void;
  /** Looks again at what the browser keeps. */
  refresh(): Promise<void>;
}

export interface DiskListOptions {
  readonly list: HTMLUListElement;
  readonly newDisk: HTMLElement;
  readonly onChange: () => void;
  /** Asked for the whole of disk `index`. */
  readonly onExport: (index: number, onProgress: (progress: ExportProgress) => void) => Promise<Blob>;
  readonly complain: (error: unknown) => void;
}

/** What a row is about. */
interface Row {
  readonly image: Source;
  writes: DiskWrites;
  readonly item: HTMLLIElement;
  readonly kept: HTMLElement;
  readonly exporter: HTMLButtonElement;
  readonly discard: HTMLButtonElement;
  readonly locked: readonly (HTMLButtonElement | HTMLSelectElement)[];
}

const WRITES: Readonly<Record<DiskWrites, string>> = {
  keep: "keep writes in this browser",
  drop: "drop writes at power-off",
  refuse: "read-only",
};

export function createDiskList(options: DiskListOptions): DiskList {
  const { list, complain, onChange } = options;
  let rows: Row[] = [];
  let isLocked = false;
  const field = createSourceField({
    container: options.newDisk,
    label: "Add a disk",
    placeholder: "address, or drop a file",
    onChosen() {
      if (field.value !== undefined && !isLocked) add(field.value);
      field.value = undefined;
    },
  });

  const diskOf = ({ image, writes }: Row): WebDisk => ({ image, writes });

  function update(): void {
    for (const [index, row] of rows.entries()) {
      row.item.querySelector("b")?.replaceChildren(`vd${String.fromCharCode(0x61 + index)}`);
      for (const control of row.locked) control.disabled = isLocked;
    }
    onChange();
    void refresh();
  }

  async function refresh(): Promise<void> {
    const kept = await listOpfsOverlays().catch(() => []);
    for (const row of rows) {
      const overlay = kept.find(({ name }) => name === overlayNameOf(diskOf(row)));
      const isKept = row.writes === "keep" && overlay !== undefined;
      row.kept.textContent = isKept ? `${sizeText(overlay.bytes)} of changes are kept` : "";
      // Of a machine that is on the status line tells, and it changes.
      row.kept.hidden = !isKept || isLocked;
      row.discard.hidden = !isKept;
    }
  }

  async function discard(row: Row): Promise<void> {
    const name = row.image instanceof File ? row.image.name : row.image;
    if (!confirm(`Discard all changes that were made to '${name}'?`)) return;
    await discardOpfsOverlay(overlayNameOf(diskOf(row)));
    await refresh();
  }

  /** The button tells how far it is, and cannot be pressed meanwhile. */
  async function whileExporting<T>(
    { exporter }: Row,
    work: (onProgress: (progress: ExportProgress) => void) => Promise<T>,
  ): Promise<T> {
    exporter.disabled = true;
    try {
      return await work(({ bytes, totalBytes }) => {
        exporter.textContent = `Export ${Math.floor((100 * bytes) / totalBytes)} %`;
      });
    } finally {
      exporter.disabled = false;
      exporter.textContent = "Export";
    }
  }

  async function save(row: Row): Promise<void> {
    const blob = await whileExporting(row, (onProgress) => options.onExport(rows.indexOf(row), onProgress));
    const url = URL.createObjectURL(blob);
    make("a", { href: url, download: fileNameOf(row.image) }).click();
    // Not at once: the download begins in a task of its own.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  function add(image: Source, writes: DiskWrites = "keep"): void {
    const attempt = (work: () => Promise<void>) => () => void work().catch(complain);
    const name = image instanceof File ? `${image.name} (${sizeText(image.size)})` : image;
    const choice = make("select", {}, ...Object.entries(WRITES).map(([value, text]) => new Option(text, value)));
    choice.value = writes;
    choice.ariaLabel = "What becomes of writes";
    const button = (text: string, onclick: () => void): HTMLButtonElement =>
      make("button", { type: "button", className: "small", textContent: text, onclick });
    const exporter = button(
      "Export",
      attempt(() => save(row)),
    );
    const discarder = button(
      "Discard",
      attempt(() => discard(row)),
    );
    const remover = button("Remove", () => {
      rows = rows.filter((other) => other !== row);
      row.item.remove();
      update();
    });
    const kept = make("span", { className: "hint" });
    const row: Row = {
      image,
      writes,
      item: make(
        "li",
        {},
        make("span", { className: "name", title: name }, make("b", {}), name),
        choice,
        kept,
        make("span", { className: "actions" }, exporter, discarder, remover),
      ),
      kept,
      exporter,
      discard: discarder,
      locked: [choice, discarder, remover],
    };
    choice.addEventListener("change", () => {
      row.writes = choice.value as DiskWrites;
      update();
    });
    rows.push(row);
    list.append(row.item);
    update();
  }

  return {
    get disks() {
      return rows.map(diskOf);
    },
    add,
    lock(locked) {
      isLocked = locked;
      for (const control of options.newDisk.querySelectorAll("input, button")) {
        (control as HTMLInputElement | HTMLButtonElement).disabled = locked;
      }
      update();
    },
    refresh,
  };
}

const fileNameOf = (image: Source): string =>
  image instanceof File ? image.name : (new URL(image, document.baseURI).pathname.split("/").at(-1) ?? "disk.img");
