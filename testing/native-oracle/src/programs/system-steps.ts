/** Privileged things programs do in protected and long mode. Without the privilege each is a #GP, and the program goes on. */
import { type CodeBits, DATA, type Environment, PAGE_BYTES } from "../environment.ts";
import { kernelPage } from "../guest-tables.ts";
import type { Random } from "../random.ts";
import { type Assembler, littleEndian } from "./assembler.ts";
import type { Mode } from "./mode.ts";
import { chooseEdit, PTE } from "./page-edit.ts";
import { COUNTERS, FIRST_SLOT, privilegedStackTop, SLOT_BYTES, SLOTS } from "./program.ts";
import { CODE_SELECTORS, DEVICE_PAGE, EDITABLE_PAGES, TABLE_WINDOWS, VECTORS } from "./system-tables.ts";

const NX = 0x8000_0000;
const CR0 = { TS: 8, WP: 0x1_0000, AM: 0x4_0000 } as const;
const CR4 = { TSD: 4, PSE: 0x10, PGE: 0x80, UMIP: 0x800, SMAP: 0x20_0000 } as const;
const MSR_FS_BASE = 0xc000_0100;
const MSR_PAT = 0x277;
const MSR_KERNEL_GS_BASE = 0xc000_0102;
/** User data, which spans everything. */
const USER_STACK = 0x2b;

/** Where a step goes. */
export interface Place {
  readonly random: Random;
  readonly environment: Environment;
  readonly assembler: Assembler;
  /** Linear address of its first byte. */
  readonly at: number;
  /**
   * Whether programs have no segments that a return to less privilege takes away: interrupts come at any time and must not be noticed.
   * QEMU 7.2's IRETQ takes them away at the same privilege, too (seed 1129300132); an AMD EPYC does not, nor SDM vol. 2A, "IRET".
   */
  readonly keepsSegments: boolean;
  /** Whether interrupts must not come at privilege 0, where they would be seen on the program's stack. */
  readonly staysQuiet: boolean;
  readonly mode: Mode;
  /** Whether pages of data may become executable. */
  readonly executesData: boolean;
  /**
   * Whether pages may be global, though the other space has another frame there: processors may or may not go on with the first one's.
   * QEMU 7.2 does not, we do (seed 1129704638). SDM vol. 3A, "Global Pages".
   */
  readonly hasGlobalPages: boolean;
  /** Whether the entry of the large page may become a table. */
  readonly splitsLargePages: boolean;
}

/** Bytes of one, at its place. */
export type Step = (place: Place) => readonly number[];

const MOV_FROM_CR3 = [0x0f, 0x20, 0xd8] as const;
const MOV_TO_CR3 = [0x0f, 0x22, 0xd8] as const;
const RELOAD_CR3 = [...MOV_FROM_CR3, ...MOV_TO_CR3] as const;
const MOV_FROM_CR4 = [0x0f, 0x20, 0xe0] as const;
const MOV_TO_CR4 = [0x0f, 0x22, 0xe0] as const;

/** `mov eax, cr4; xor eax, PGE; mov cr4, eax; xor eax, PGE; mov cr4, eax`: no translation is left, of whatever size or space. */
const dropAll = (assembler: Assembler): number[] => {
  const flip = [...assembler.wide(0x35, ...littleEndian(CR4.PGE, 4)), ...MOV_TO_CR4];
  return [...MOV_FROM_CR4, ...flip, ...flip];
};

/** INVLPG. */
const invalidate = (assembler: Assembler, page: number): number[] => assembler.withMemory([0x0f, 0x01], 7, page);

/** An entry with other rights or another frame, and what makes it count. Code stays where it can be executed, mostly. */
const editPage: Step = (place) => {
  const { random, assembler, executesData, mode } = place;
  const page = random.pick(EDITABLE_PAGES);
  const entry = random.pick(TABLE_WINDOWS) + (page / PAGE_BYTES) * mode.entryBytes;
  const edit = chooseEdit(place, page);
  const bits = edit.bits | (random.oneIn(12) ? PTE.PCD : 0);
  const noExecute =
    mode.entryBytes === 8 && !edit.isCode && random.oneIn(2)
      ? assembler.storeWord(entry + 4, random.oneIn(2) || !executesData ? NX : 0)
      : [];
  return [
    ...noExecute,
    ...assembler.storeWord(entry, edit.frame | bits),
    ...(random.oneIn(4) && !(bits & PTE.G) ? RELOAD_CR3 : invalidate(assembler, page)),
  ];
};

/** `mov eax, crN; xor eax, bit; mov crN, eax`. */
export const toggle =
  (register: 0 | 4, ...bits: readonly number[]): Step =>
  ({ random, assembler }) => [
    ...[0x0f, 0x20, 0xc0 | (register << 3)],
    ...assembler.wide(0x35, ...littleEndian(random.pick(bits), 4)),
    ...[0x0f, 0x22, 0xc0 | (register << 3)],
  ];

/** What code of each width pushes by default, and returns from far with, has a prefix for 32 and 64 bits. */
const frameOf = ({ environment: { codeBits } }: Place): number[] =>
  codeBits === 64 ? [0x48] : codeBits === 16 ? [0x66] : [];

const pushByte = ({ assembler }: Place, value: number): number[] => assembler.wide(0x6a, value);
const pushWord = ({ assembler }: Place, value: number | bigint): number[] =>
  assembler.wide(0x68, ...littleEndian(value, 4));

const chooseSlot = (random: Random): number => FIRST_SLOT + random.below(SLOTS) * SLOT_BYTES;

/** `pushf`, and `or dword [esp], 200h` where code at privilege 0 has no interrupts. */
const pushFlags = ({ assembler, staysQuiet, environment: { codeBits } }: Place): number[] => [
  ...assembler.wide(0x9c),
  ...(staysQuiet
    ? [...(codeBits === 16 ? [0x67] : []), ...assembler.wide(0x81, 0x0c, 0x24, ...littleEndian(IF, 4))]
    : []),
];

/** `push 2bh; push esp; pushf; push selector; push target; iret`: to user code. */
const returnToUser = (place: Place, target: number): number[] => {
  const { assembler, environment } = place;
  return [
    ...pushByte(place, USER_STACK),
    ...assembler.wide(0x54),
    ...pushFlags(place),
    ...pushByte(place, CODE_SELECTORS[environment.codeBits].user),
    ...pushWord(place, assembler.codeOffset(target)),
    ...frameOf(place),
    0xcf,
  ];
};

const toUser: Step = (place) => returnToUser(place, chooseSlot(place.random));

/** The same to the instruction behind it. */
const toUserHere: Step = (place) => returnToUser(place, place.at + returnToUser(place, place.at).length);

/** `mov ecx, number; mov eax, low; xor edx, edx; wrmsr` of one of `numbers`, or a read of it. */
const msr =
  (...numbers: readonly number[]): Step =>
  ({ random, assembler }) => {
    const select = assembler.wide(0xb9, ...littleEndian(random.pick(numbers), 4));
    if (random.oneIn(2)) return [...select, 0x0f, 0x32];
    const value = random.pick([0, 0x40, 0x80, 0x1000]);
    return [...select, ...assembler.moveEax(value), ...assembler.wide(0x31, 0xd2), 0x0f, 0x30];
  };

/** Good and bad ones: null, of either privilege, code, data, system segments, local, beyond the table. */
const SELECTORS = [0, 3, 0x2b, 0x28, 0x18, 0x10, 0x23, 0x33, 0x40, 0x50, 0x07, 0x0f, 0x78, 0xfff8] as const;
/** Without those that a return to less privilege takes away: null with RPL, and of privilege 0. */
const KEPT_SELECTORS = SELECTORS.filter((each) => ![3, 0x10, 0x18].includes(each));
const MOV_ES = [0x8e, 0xc0] as const;
const MOV_SS = [0x8e, 0xd0] as const;
const MOV_DS = [0x8e, 0xd8] as const;
const LOADS_OF_FS_GS = [
  [0x8e, 0xe0],
  [0x8e, 0xe8],
] as const;
const SELECTOR_QUESTIONS = [
  [0x0f, 0x02, 0xd0],
  [0x0f, 0x03, 0xd0],
  [0x0f, 0x00, 0xe0],
  [0x0f, 0x00, 0xe8],
] as const;
const LLDT = [0x0f, 0x00, 0xd0] as const;
const LTR = [0x0f, 0x00, 0xd8] as const;

/** `mov eax, selector` and one of `takers`. */
const selectorFor =
  (selectors: readonly number[], takers: readonly (readonly number[])[]): Step =>
  ({ random, assembler }) => [...assembler.moveEax(random.pick(selectors)), ...random.pick(takers)];

/** LAR, LSL, VERR, VERW. */
const selector = selectorFor(SELECTORS, SELECTOR_QUESTIONS);

/** DS or ES; outside 64-bit code as it was again, since programs find their counters there. */
const dataSegment: Step = (place) => {
  const { random, environment, assembler, keepsSegments } = place;
  const [name, load] = random.pick([["ds", MOV_DS] as const, ["es", MOV_ES] as const]);
  const loaded = selectorFor(keepsSegments ? KEPT_SELECTORS : SELECTORS, [load])(place);
  if (environment.codeBits === 64) return loaded;
  return [...loaded, ...assembler.moveEax(environment.segments[name].selector), ...load];
};

/**
 * FS and GS. A null selector keeps its RPL over returns to less privilege in QEMU 7.2; processors clear it, as SDM vol. 2A, "IRET",
 * has it: seen on an AMD EPYC.
 */
const outerSegment: Step = (place) => {
  const selectors = place.keepsSegments ? KEPT_SELECTORS : SELECTORS.filter((each) => each !== 3);
  return selectorFor(selectors, LOADS_OF_FS_GS)(place);
};

/** A null one whose RPL is not CPL, which is #GP, QEMU 7.2 takes. */
const stackSegment = selectorFor(
  SELECTORS.filter((each) => each !== 3),
  [MOV_SS],
);

/** A null one, which is #GP, QEMU 7.2 takes, and gives up at the next event ("fatal: invalid tss"). SDM vol. 2A, "LTR". */
const taskRegister = selectorFor(
  SELECTORS.filter((each) => each > 3),
  [LTR],
);

/** What QEMU does not do by the manual. */
const nullSelector = selectorFor([0, 3], [...LOADS_OF_FS_GS, LTR]);

/** NT, IOPL, AC, RF, VIP, VIF, IF, DF and arithmetic flags; never TF. */
const FLAG_IMAGES = [0x202, 0x4202, 0x3202, 0x1002, 0x4_0202, 0x1_0202, 0x18_0202, 0x602, 0x8d7, 2] as const;

const IF = 0x200;
const FLAG_VIF = 0x8_0000;
const FLAG_VIP = 0x10_0000;

/** `push flags; popf`. */
const popFlags: Step = (place) => [
  ...pushWord(place, place.random.pick(FLAG_IMAGES) & (place.staysQuiet ? ~IF : -1)),
  ...place.assembler.wide(0x9d),
];

/** `push selector; push slot; retf`: where the selector is of user code it lacks a stack, mostly. */
const farReturn: Step = (place) => {
  const { random, assembler, environment } = place;
  const { user, kernel } = CODE_SELECTORS[environment.codeBits];
  return [
    ...pushByte(place, random.pick([kernel, kernel, user, 0x18, 0x40])),
    ...pushWord(place, assembler.codeOffset(chooseSlot(random))),
    ...frameOf(place),
    0xcb,
  ];
};

/** `mov ecx, slot; mov r11d, flags; sysretq`. VIF and VIP, which it loads, stay as they were in QEMU 7.2. */
const systemReturn: Step = ({ random }) => [
  0xb9,
  ...littleEndian(chooseSlot(random), 4),
  ...[0x41, 0xbb],
  ...littleEndian(random.pick(FLAG_IMAGES) & ~(FLAG_VIF | FLAG_VIP), 4),
  ...[0x48, 0x0f, 0x07],
];

/** SGDT, SIDT, SLDT, STR, SMSW. */
const storeTable: Step = ({ random, assembler }) =>
  random.oneIn(2)
    ? assembler.withMemory([0x0f, 0x01], random.below(2), DATA.address + 8 * random.below(64))
    : random.pick([
        [0x0f, 0x00, 0xc2],
        [0x0f, 0x00, 0xca],
        [0x0f, 0x01, 0xe2],
      ]);

/** Loads and stores of CL or as much as 64-bit code has of rCX. */
const NARROW_ACCESSES = [[0x8a], [0x66, 0x8b], [0x8b], [0x88], [0x89]] as const;
const WIDE_ACCESSES = [
  [0x48, 0x8b],
  [0x48, 0x89],
] as const;

/** A load from the device, or a store to it, of 1, 2, 4 or 8 bytes. */
const device: Step = ({ random, assembler, environment }) => {
  const accesses = environment.codeBits === 64 ? [...NARROW_ACCESSES, ...WIDE_ACCESSES] : NARROW_ACCESSES;
  return assembler.withMemory(random.pick(accesses), 1, DEVICE_PAGE + random.below(0x1000));
};

const constant =
  (...bytes: number[]): Step =>
  () =>
    bytes;

/** What every emulator of a PC does alike, in every mode. */
const SHARED_STEPS: readonly Step[] = [
  editPage,
  editPage,
  editPage,
  ({ random, assembler, mode }) => [...assembler.moveEax(Number(random.pick(mode.spaces))), ...MOV_TO_CR3],
  constant(...RELOAD_CR3),
  ({ random, assembler }) => invalidate(assembler, random.pick(EDITABLE_PAGES)),
  toggle(0, CR0.WP),
  toggle(0, CR0.WP),
  toggle(0, CR0.TS),
  toggle(4, CR4.TSD, CR4.PGE, CR4.UMIP, CR4.SMAP),
  toUser,
  toUserHere,
  toUserHere,
  constant(0xcd, VECTORS.toKernel),
  constant(0xcd, VECTORS.toKernel),
  constant(0xcd, VECTORS.count),
  constant(0x0f, 0x01, 0xf8), // swapgs
  constant(0x0f, 0x06), // clts
  constant(0x0f, 0x01, 0xca), // clac
  constant(0x0f, 0x01, 0xcb), // stac
  constant(0xfa), // cli
  (place) => (place.staysQuiet ? popFlags(place) : [0xfb]), // sti
  msr(MSR_FS_BASE, MSR_KERNEL_GS_BASE),
  selector,
  dataSegment,
  dataSegment,
  outerSegment,
  stackSegment,
  taskRegister,
  popFlags,
  farReturn,
  storeTable,
  ({ random, assembler, environment }) =>
    assembler.wide(0xbc, ...littleEndian(privilegedStackTop(environment) - 8 * random.below(32), 4)),
];

/** Without the local descriptors that SS may be of, no interrupt can return. */
const localTable: Step = (place) => (place.keepsSegments ? selector(place) : selectorFor(SELECTORS, [LLDT])(place));

/** What is the same in 64-bit code alone. 16-bit code is in the LDT, and does not go on without. */
const MODE_STEPS: Readonly<Record<CodeBits, readonly Step[]>> = {
  64: [
    constant(0x0f, 0x05), // syscall
    constant(0x44, 0x0f, 0x20, 0xc0), // mov rax, cr8
    localTable,
    systemReturn,
  ],
  32: [localTable],
  16: [],
};

/** A load, a store or an addition, of 32 bits, through what maps RAM once more. */
const largePage: Step = ({ random, assembler, mode: { largePage = 0, wideAlias = largePage } }) =>
  assembler.withMemory(
    random.pick([[0x8b], [0x89], [0x01], [0x03]]),
    random.below(4),
    random.pick([largePage, largePage, wideAlias]) +
      random.pick([DATA.address, COUNTERS.address]) +
      0x80 +
      random.below(0x2000),
  );

const PS = 0x80;
/** What a large page may have in place of another frame: reserved bits, memory types that are none. SDM vol. 3A, "32-Bit Paging". */
const LARGE_BITS = [0, 0, 0, PTE.P, PTE.RW, PTE.US, PTE.A, PTE.D, PTE.G, PS, 0x20_0000] as const;

/**
 * Its entry with other rights, or as a table of pages; the directory is where it is in RAM. Where it may be a table, or was, one INVLPG or load
 * of CR3 leaves translations of other pages, and of global ones, with which processors may go on.
 */
const editLargePage: Step = ({
  random,
  assembler,
  executesData,
  splitsLargePages,
  mode: { entryBytes, largePage = 0 },
}) => {
  const directory = kernelPage(random.pick(["lowPd", "otherPd"])).gpa;
  const table = splitsLargePages && random.oneIn(4) ? kernelPage("lowPt").gpa | PS : 0;
  const bits = (PTE.P | PTE.RW | PTE.US | PS) ^ random.pick(LARGE_BITS);
  return [
    ...assembler.storeWord(directory + entryBytes, table ^ bits),
    ...(entryBytes === 8 && executesData && random.oneIn(3)
      ? assembler.storeWord(directory + 12, random.oneIn(2) ? NX : 0)
      : []),
    ...(splitsLargePages ? dropAll(assembler) : invalidate(assembler, largePage + DATA.address)),
  ];
};

/** The second entry of the third level, which counts when CR3 is loaded. */
const editPointer: Step = ({ random, assembler, mode: { wideAlias } }) =>
  wideAlias === undefined
    ? RELOAD_CR3
    : [
        ...assembler.storeWord(
          kernelPage("lowPdpt").gpa + 8,
          kernelPage(random.pick(["lowPd", "otherPd"])).gpa | random.pick([0, PTE.P, PTE.P]),
        ),
        ...RELOAD_CR3,
      ];

/** `mov edx, the next instruction; mov ecx, esp; sysenter`: in user code then, whatever it was before. */
const systemEnter: Step = ({ assembler, at }) => [
  ...assembler.wide(0xba, ...littleEndian(at + SYSTEM_ENTER_BYTES, 4)),
  ...assembler.wide(0x89, 0xe1),
  ...[0x0f, 0x34],
];
const SYSTEM_ENTER_BYTES = 9;

/** Of 32-bit code outside long mode alone. */
const LEGACY_STEPS: readonly Step[] = [
  largePage,
  largePage,
  largePage,
  editLargePage,
  editLargePage,
  editPointer,
  toggle(4, CR4.PSE),
  systemEnter,
];

/** What depends on the machine: clocks, identity, devices; and what QEMU leaves out: alignment checks, memory types that are none. */
const OWN_STEPS: readonly Step[] = [
  nullSelector,
  msr(MSR_PAT),
  constant(0xcd, 0x40), // int 40h, to a gate that user code may not use: the error code is 402h in QEMU 7.2, not 202h
  toggle(0, CR0.AM),
  constant(0x31, 0xc0, 0x0f, 0xa2), // xor eax, eax; cpuid
  constant(0x0f, 0x31), // rdtsc
  device,
  device,
  ({ random }) => [random.pick([0xe4, 0xe5, 0xe6, 0xe7]), 0x80 + random.below(16)],
];

const stepsOf = (own: readonly Step[]): Readonly<Record<CodeBits, readonly Step[]>> => ({
  64: [...SHARED_STEPS, ...MODE_STEPS[64], ...own],
  32: [...SHARED_STEPS, ...MODE_STEPS[32], ...own],
  16: [...SHARED_STEPS, ...MODE_STEPS[16], ...own],
});
const STEPS = stepsOf(OWN_STEPS);
const MACHINE_STEPS = stepsOf([]);

/** A random one of protected mode. @param own whether what is a matter of the machine is among them */
export function protectedStep(place: Place, own: boolean): readonly number[] {
  const { random, environment, mode } = place;
  const legacy = !mode.long && environment.codeBits === 32 && random.oneIn(6);
  const steps = own ? STEPS : MACHINE_STEPS;
  return random.pick(legacy ? LEGACY_STEPS : steps[environment.codeBits])(place);
}
