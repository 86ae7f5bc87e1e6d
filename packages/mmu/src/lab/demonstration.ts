import { createAgileTranslator } from "./agile.ts";
import { createTables, type TableFormat, type Tables } from "./build-tables.ts";
import { guestView, LabMemory } from "./lab-memory.ts";
import { createNativeTranslator } from "./native.ts";
import { createNestedTranslator } from "./nested.ts";
import { createShadowTranslator } from "./shadow.ts";
import type { GuestPaging, Scheme, Translator, Walk } from "./translator.ts";

/** Page sizes of 4-level and 5-level paging. */
export type PageSize = "4K" | "2M" | "1G";

/** Which walk to demonstrate. */
export interface DemonstrationOptions {
  readonly scheme: Exclude<Scheme, "hashed">;
  readonly guest: PageSize;
  /** Not under `native`. */
  readonly host: PageSize;
  readonly guestLevels: 4 | 5;
  readonly hostLevels: 4 | 5;
  /** `agile`: guest levels walked in two dimensions, 0 to one more than there are; default 1. */
  readonly nestedLevels?: number;
}

/** One walk through tables made for it. */
export interface Demonstration {
  readonly options: DemonstrationOptions;
  readonly memory: LabMemory;
  readonly gva: bigint;
  /** What the guest has in CR3. */
  readonly cr3: number;
  readonly walk: Walk;
  /** Of the access before, which software-made tables were filled in by. */
  readonly hiddenFaults: number;
}

const PAGE_SHIFTS = { "4K": 12, "2M": 21, "1G": 30 } as const satisfies Record<PageSize, number>;
/** Every index of it is another, and so are all four parts of its offset in a 1-GByte page. */
const GVA = 0x7f12_3456_7abcn;
/** Where the page is in guest physical memory; the tables are at its beginning. */
const PAGE_GPA = 2 ** 30;
const TABLES_BYTES = 2 ** 16;
/** Guest physical memory begins where a page of any size can; shadow tables are below it. */
const GUEST_HPA = 2 ** 33;
const SHADOW_HPA = 2 ** 32;
const HVA_BASE = 2 ** 46;

/** Makes tables and walks them: a user's read of one address, in the state that walks of it stay in. */
export function demonstrate(options: DemonstrationOptions): Demonstration {
  const memory = new LabMemory();
  const mode = options.guestLevels === 4 ? "long4" : "long5";
  const physical = options.scheme === "native" ? memory : guestView(memory, (gpa) => gpa + GUEST_HPA);
  const tables = createTables({ format: mode, memory: physical, allocateFrame: framesFrom(0x1000) });
  const pageShift = PAGE_SHIFTS[options.guest];
  const inPage = Number(GVA % BigInt(2 ** pageShift));
  tables.map(GVA - BigInt(inPage), PAGE_GPA, { pageShift });
  const guest = { mode, registers: { cr3: tables.root, wp: true, nxe: true } } as const;
  const translator = create(memory, guest, options, PAGE_GPA + inPage);
  const read = { kind: "read", user: true } as const;
  const { hiddenFaults } = translator.translate(GVA, read);
  return { options, memory, gva: GVA, cr3: tables.root, walk: translator.translate(GVA, read), hiddenFaults };
}

function create(
  memory: LabMemory,
  guest: GuestPaging & { readonly mode: "long4" | "long5" },
  options: DemonstrationOptions,
  pageGpa: number,
): Translator {
  const { scheme, host, hostLevels, nestedLevels = 1 } = options;
  const shift = PAGE_SHIFTS[host];
  const levels = hostLevels;
  const allocateFrame = framesFrom(SHADOW_HPA);
  const mode = `long${levels}` as const;
  const process = (): { kind: "process"; mode: "long4" | "long5"; registers: { cr3: number }; hvaBase: number } => {
    return {
      kind: "process",
      mode,
      registers: { cr3: place(memory, mode, shift, HVA_BASE, pageGpa).root },
      hvaBase: HVA_BASE,
    };
  };
  const eptp = (): number => place(memory, `ept${levels}`, shift, 0, pageGpa).root + (levels === 4 ? 0x1e : 0x26);
  switch (scheme) {
    case "native":
      return createNativeTranslator({ memory, guest });
    case "naive":
      return createNestedTranslator({ memory, guest, host: process() });
    case "ept":
      return createNestedTranslator({ memory, guest, host: { kind: "ept", eptp: eptp() } });
    case "npt": {
      const registers = { cr3: place(memory, mode, shift, 0, pageGpa).root };
      return createNestedTranslator({ memory, guest, host: { kind: "npt", mode, registers } });
    }
    case "shadow":
      return createShadowTranslator({ memory, guest, host: process(), allocateFrame });
    case "agile": {
      const nestedFrom = (): number => nestedLevels;
      return createAgileTranslator({ memory, guest, host: { kind: "ept", eptp: eptp() }, allocateFrame, nestedFrom });
    }
  }
}

/** The host's tables: the guest's tables and the page, wherever the guest thinks that they are. */
function place(memory: LabMemory, format: TableFormat, pageShift: 12 | 21 | 30, base: number, pageGpa: number): Tables {
  const tables = createTables({ format, memory, allocateFrame: framesFrom(0x1000) });
  const bytes = 2 ** pageShift;
  for (let gpa = 0; gpa < TABLES_BYTES; gpa += bytes) tables.map(base + gpa, gpa + GUEST_HPA, { pageShift });
  const page = pageGpa - (pageGpa % bytes);
  tables.map(base + page, page + GUEST_HPA, { pageShift });
  return tables;
}

/** Frames one after another. */
function framesFrom(first: number): () => number {
  let next = first;
  return () => {
    next += 0x1000;
    return next - 0x1000;
  };
}
