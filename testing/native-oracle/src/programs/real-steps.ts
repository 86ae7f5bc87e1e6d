/** What programs do in real-address mode alone: everything is privilege 0 there, and protected mode is one bit away. */
import { DATA } from "../environment.ts";
import { kernelPage } from "../guest-tables.ts";
import { littleEndian } from "./assembler.ts";
import { WORK_VECTOR } from "./real-tables.ts";
import { type Place, type Step, toggle } from "./system-steps.ts";

const CR0 = { MP: 2, EM: 4, TS: 8, WP: 0x1_0000, AM: 0x4_0000 } as const;
const CR4 = { TSD: 4, PSE: 0x10, PGE: 0x80, UMIP: 0x800, SMAP: 0x20_0000 } as const;
const MSR_FS_BASE = 0xc000_0100;
/** In the data window: what LGDT and LIDT read. */
const TABLE = DATA.address + 0x7d0;

/** `mov ax, word; lmsw ax`, which cannot set PE here: that is for {@link unlimit}. */
const loadStatusWord: Step = ({ random }) => [0xb8, random.pick([0, 2, 2, 8, 10]), 0, 0x0f, 0x01, 0xf0];

/**
 * `push 2; popf; mov eax, cr0; or al, 1; mov cr0, eax; mov bx, selector; mov es, bx; and al, 0feh; mov cr0, eax`: a segment keeps the limit
 * that it was given in protected mode, of 4 GiB or of 64 KiB. No event may come there, of IF or of TF.
 */
const unlimit: Step = ({ random }) => [
  ...[0x68, 2, 0, 0x9d],
  ...[0x0f, 0x20, 0xc0, 0x0c, 1, 0x0f, 0x22, 0xc0],
  ...(random.oneIn(2) ? [0xeb, 0] : []),
  ...[0xbb, random.pick([0x18, 0x28, 0x68]), 0],
  ...[0x8e, random.pick([0xc3, 0xe3, 0xeb])],
  ...[0x24, 0xfe, 0x0f, 0x22, 0xc0],
];

/** A load or a store by a 32-bit address through FS, GS or ES, which may have 4 GiB. */
const farAccess =
  (offsets: readonly number[]): Step =>
  ({ random }) => [
    0x67,
    random.pick([0x26, 0x64, 0x65]),
    random.pick([0x8b, 0x89, 0x01]),
    (random.below(4) << 3) | 5,
    ...littleEndian(DATA.address + 8 * random.below(512) + random.pick(offsets), 4),
  ];

/** `sidt [table]; lidt [table]`, and so LGDT, which changes nothing. */
const reloadTable: Step = ({ random, assembler }) => {
  const digit = random.below(2);
  const size = random.oneIn(2) ? [0x66] : [];
  return [
    ...assembler.withMemory([0x0f, 0x01], digit, TABLE),
    ...assembler.withMemory([...size, 0x0f, 0x01], digit + 2, TABLE),
  ];
};

/** LIDT of a table that ends within it: INT beyond is #GP. The base has 24 bits without a prefix. */
const shortenTable: Step = ({ random, assembler }) => {
  const limit = random.pick([0xff, 0xcb, 0xca, 0x3ff, 0x3ff]);
  const base = kernelPage("idt").gpa;
  return [
    ...assembler.storeWord(TABLE, (limit | ((base & 0xffff) << 16)) >>> 0),
    ...assembler.storeWord(TABLE + 4, (base >>> 16) | random.pick([0, 0xff00])),
    ...assembler.withMemory([0x0f, 0x01], 3, TABLE),
  ];
};

/** `mov ecx, fs.base; mov eax, low; xor edx, edx; wrmsr`, or a read of it. */
const fsBase: Step = ({ random, assembler }) => [
  ...assembler.wide(0xb9, ...littleEndian(MSR_FS_BASE, 4)),
  ...(random.oneIn(2)
    ? [0x0f, 0x32]
    : [...assembler.moveEax(random.pick([0, 0x40, 0x1000])), ...assembler.wide(0x31, 0xd2), 0x0f, 0x30]),
];

const constant =
  (...bytes: number[]): Step =>
  () =>
    bytes;

/** What other emulators do alike. */
export const REAL_STEPS: readonly Step[] = [
  constant(0xcd, WORK_VECTOR),
  constant(0xcd, WORK_VECTOR),
  toggle(0, CR0.WP, CR0.TS, CR0.MP),
  toggle(4, CR4.TSD, CR4.PGE, CR4.UMIP, CR4.PSE),
  loadStatusWord,
  constant(0x0f, 0x06), // clts
  unlimit,
  unlimit,
  farAccess([0]),
  reloadTable,
  shortenTable,
  fsBase,
  ({ random, assembler, mode }: Place) => [...assembler.moveEax(Number(random.pick(mode.spaces))), 0x0f, 0x22, 0xd8],
  constant(0x0f, 0x20, 0xd9), // mov ecx, cr3
  constant(0x0f, 0x22, 0xd1), // mov cr2, ecx
  ({ assembler }) => assembler.withMemory([0x0f, 0x01], 7, DATA.address), // invlpg
];

/** What they do not. */
export const OWN_REAL_STEPS: readonly Step[] = [
  toggle(0, CR0.AM, CR0.EM),
  toggle(4, CR4.SMAP),
  farAccess([0, 0x1_0000]),
  farAccess([0, 0x1_0000]),
  constant(0x0f, 0x34), // sysenter
];
