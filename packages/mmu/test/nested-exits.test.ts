import { describe, expect, test } from "vitest";
import {
  createNestedTranslator,
  createTables,
  EPT_D,
  EPT_R,
  EPT_VIOLATION_FETCH,
  EPT_VIOLATION_LINEAR,
  EPT_VIOLATION_READ,
  EPT_VIOLATION_TRANSLATED,
  EPT_VIOLATION_WRITE,
  EPT_W,
  EPT_X,
  EPTP_AD,
  guestView,
  LabMemory,
  type MapOptions,
  NPF_FINAL,
  NPF_TABLE,
  type PagingMode,
  PTE_D,
  type TableFormat,
  type Tables,
  type Translator,
} from "../src/index.ts";

const GVA = 0x40_0123n;
/** The guest's memory: tables from 0x1000 on, the page at 0x10_0000; the host has it 4 GByte higher. */
const PAGE = 0x10_0000;
const SHIFT = 2 ** 32;
const RIGHTS = (EPT_R | EPT_W | EPT_X) << 3;

interface Machine {
  readonly memory: LabMemory;
  readonly translator: Translator;
  readonly guest: Tables;
  readonly host: Tables;
}

interface Variation {
  readonly host: "ept4" | "long4" | "process";
  readonly mode?: Exclude<PagingMode, "bare"> & TableFormat;
  readonly accessedDirty?: boolean;
  readonly guestPage?: MapOptions;
  /** Host rights of the guest's page and of the 15 frames its tables may be in. */
  readonly hostPage?: MapOptions;
  readonly hostTables?: MapOptions;
}

function frames(): () => number {
  let next = 0;
  return () => {
    next += 0x1000;
    return next;
  };
}

function machineWith({ host: kind, mode = "long4", accessedDirty = false, ...rights }: Variation): Machine {
  const memory = new LabMemory();
  const format = kind === "ept4" ? "ept4" : "long4";
  const host = createTables({ format, memory, allocateFrame: frames() });
  for (let gpa = 0x1000; gpa < 0x10_000; gpa += 0x1000) host.map(gpa, gpa + SHIFT, rights.hostTables);
  host.map(PAGE, PAGE + SHIFT, rights.hostPage);
  const view = guestView(memory, (gpa) => gpa + SHIFT);
  const guest = createTables({ format: mode, memory: view, allocateFrame: frames() });
  guest.map(GVA - 0x123n, PAGE, rights.guestPage);
  const registers = { cr3: host.root, nxe: true };
  const translator = createNestedTranslator({
    memory,
    guest: { mode, registers: { cr3: guest.root, nxe: true, wp: true } },
    host:
      kind === "ept4"
        ? { kind: "ept", eptp: host.root + 0x1e + (accessedDirty ? EPTP_AD : 0) }
        : kind === "process"
          ? { kind, mode: "long4", registers, hvaBase: 0 }
          : { kind: "npt", mode: "long4", registers },
  });
  return { memory, translator, guest, host };
}

const READ = { kind: "read", user: true } as const;
const WRITE = { kind: "write", user: true } as const;
const FETCH = { kind: "fetch", user: true } as const;
const FINAL = EPT_VIOLATION_LINEAR | EPT_VIOLATION_TRANSLATED;

describe("EPT violations", () => {
  test.each([
    ["write", WRITE, { writable: false }, EPT_VIOLATION_WRITE, EPT_R | EPT_X],
    ["fetch", FETCH, { executable: false }, EPT_VIOLATION_FETCH, EPT_R | EPT_W],
    ["read", READ, { readable: false, writable: false }, EPT_VIOLATION_READ, EPT_X],
  ])("by a %s of the page", (_name, access, hostPage, kind, rights) => {
    const { translator } = machineWith({ host: "ept4", hostPage });
    expect(translator.translate(GVA, access).outcome).toEqual({
      receiver: "hypervisor",
      cause: "ept-violation",
      qualification: kind | (rights << 3) | FINAL,
      gpa: PAGE + 0x123,
    });
  });

  test("at a table without rights: a read by the walk, whatever the access", () => {
    const { translator, guest } = machineWith({ host: "ept4", hostTables: { readable: false, writable: false } });
    const { outcome, references } = translator.translate(GVA, WRITE);
    expect(outcome).toMatchObject({
      qualification: EPT_VIOLATION_READ | (EPT_X << 3) | EPT_VIOLATION_LINEAR,
      gpa: guest.root,
    });
    expect(references).toHaveLength(4);
  });

  test("accessed and dirty flags of EPT make the walk's reads writes", () => {
    const { translator, guest } = machineWith({ host: "ept4", accessedDirty: true, hostTables: { writable: false } });
    expect(translator.translate(GVA, READ).outcome).toMatchObject({
      qualification: EPT_VIOLATION_READ | EPT_VIOLATION_WRITE | ((EPT_R | EPT_X) << 3) | EPT_VIOLATION_LINEAR,
      gpa: guest.root,
    });
  });

  test("read-only tables do while no flag of the guest is to be set", () => {
    const used = machineWith({ host: "ept4", hostTables: { writable: false } });
    expect(used.translator.translate(GVA, WRITE).outcome).toMatchObject({ receiver: "none" });

    const fresh = machineWith({ host: "ept4", hostTables: { writable: false }, guestPage: { dirty: false } });
    expect(fresh.translator.translate(GVA, READ).outcome).toMatchObject({ receiver: "none" });
    const pte = fresh.guest.entryAddress(GVA, 1) as number;
    expect(fresh.translator.translate(GVA, WRITE).outcome).toMatchObject({
      qualification: EPT_VIOLATION_WRITE | ((EPT_R | EPT_X) << 3) | EPT_VIOLATION_LINEAR,
      gpa: pte,
    });
    expect(fresh.memory.load32(pte + SHIFT) & PTE_D).toBe(0);
  });

  test("misconfigurations tell the address only", () => {
    const { translator, memory, host } = machineWith({ host: "ept4" });
    memory.store32(host.entryAddress(PAGE, 1) as number, EPT_W);
    const outcome = { receiver: "hypervisor", cause: "ept-misconfiguration", gpa: PAGE + 0x123 };
    expect(translator.translate(GVA, READ).outcome).toEqual(outcome);
  });

  test("PDPTE loads have no linear address, and the old PDPTEs stay", () => {
    const { translator } = machineWith({ host: "ept4", mode: "pae" });
    expect(translator.writeCr3(0x5_0000)).toEqual({
      receiver: "hypervisor",
      cause: "ept-violation",
      qualification: EPT_VIOLATION_READ,
      gpa: 0x5_0000,
    });
    expect(translator.translate(GVA, READ).outcome).toMatchObject({ receiver: "none", hpa: PAGE + SHIFT + 0x123 });
  });
});

describe("dirty flags of the host's entries for guest tables", () => {
  const clean = { dirty: false };
  const leafOf = ({ memory, host, guest }: Machine): number => {
    return memory.load32(host.entryAddress(guest.root, 1) as number);
  };

  test("are set by walks under EPT with accessed and dirty flags, and under NPT", () => {
    const ept = machineWith({ host: "ept4", accessedDirty: true, hostTables: clean });
    ept.translator.translate(GVA, READ);
    expect(leafOf(ept) & EPT_D).toBe(EPT_D);
    const npt = machineWith({ host: "long4", hostTables: clean });
    npt.translator.translate(GVA, READ);
    expect(leafOf(npt) & PTE_D).toBe(PTE_D);
  });

  test("are not set where the walk is a program", () => {
    const naive = machineWith({ host: "process", hostTables: clean });
    naive.translator.translate(GVA, READ);
    expect(leafOf(naive) & PTE_D).toBe(0);
  });
});

describe("nested page faults", () => {
  test("at the page: the access as a user's", () => {
    const { translator } = machineWith({ host: "long4", hostPage: { writable: false } });
    expect(translator.translate(GVA, { kind: "write", user: false }).outcome).toEqual({
      receiver: "hypervisor",
      cause: "nested-page-fault",
      exitInfo1: NPF_FINAL + 0b111,
      gpa: PAGE + 0x123,
    });
  });

  test("at a table: a user's write, whatever the access", () => {
    const { translator, guest } = machineWith({ host: "long4", hostTables: { user: false } });
    expect(translator.translate(GVA, { kind: "fetch", user: false }).outcome).toEqual({
      receiver: "hypervisor",
      cause: "nested-page-fault",
      exitInfo1: NPF_TABLE + 0b111,
      gpa: guest.root,
    });
  });

  test("XD of the host stops fetches", () => {
    const { translator } = machineWith({ host: "long4", hostPage: { executable: false } });
    expect(translator.translate(GVA, FETCH).outcome).toMatchObject({ exitInfo1: NPF_FINAL + 0b10101 });
  });
});

test("naive nesting: the host kernel hears of the process's fault; a flag update is a walk more", () => {
  const refused = machineWith({ host: "process", hostPage: { writable: false } });
  expect(refused.translator.translate(GVA, WRITE).outcome).toEqual({
    receiver: "hypervisor",
    cause: "host-page-fault",
    errorCode: 0b111,
    hva: PAGE + 0x123,
    gpa: PAGE + 0x123,
  });
  const fresh = machineWith({ host: "process", guestPage: { dirty: false } });
  expect(fresh.translator.translate(GVA, WRITE).references).toHaveLength(28);
  expect(fresh.translator.translate(GVA, WRITE).references).toHaveLength(24);
});

describe.each(["ept4", "long4", "process"] as const)("under %s the guest hears", (host) => {
  test("of its own faults, before the host looks at the page", () => {
    const { translator } = machineWith({ host, guestPage: { writable: false }, hostPage: { writable: false } });
    expect(translator.translate(GVA, WRITE).outcome).toEqual({ receiver: "guest", vector: 14, errorCode: 0b111 });
  });

  test("of addresses that are not canonical, without a walk", () => {
    const { translator } = machineWith({ host });
    const { outcome, references } = translator.translate(1n << 47n, READ);
    expect(outcome).toEqual({ receiver: "guest", vector: 13, errorCode: 0 });
    expect(references).toEqual([]);
  });
});

test("rights in the answer are those of both dimensions", () => {
  const { translator } = machineWith({ host: "ept4", guestPage: { executable: false }, hostPage: { writable: false } });
  expect(translator.translate(GVA, READ).outcome).toMatchObject({ permits: 1 });
  expect(machineWith({ host: "ept4" }).translator.translate(GVA, READ).outcome).toMatchObject({ permits: 0x13 });
});

test("the unused qualification bits stay clear", () => {
  const { translator } = machineWith({ host: "ept4", hostPage: { writable: false } });
  const { outcome } = translator.translate(GVA, WRITE);
  const qualification = "qualification" in outcome ? outcome.qualification : -1;
  expect(qualification & ~(7 | RIGHTS | FINAL)).toBe(0);
});

test("hvaBase must be an address of a page", () => {
  const options = (hvaBase: number) =>
    ({
      memory: new LabMemory(),
      guest: { mode: "long4", registers: {} },
      host: { kind: "process", mode: "long4", registers: {}, hvaBase },
    }) as const;
  for (const hvaBase of [-4096, 1, Number.NaN, 2 ** 48]) {
    expect(() => createNestedTranslator(options(hvaBase))).toThrowError(expect.objectContaining({ code: "MMU_HOST" }));
  }
});
