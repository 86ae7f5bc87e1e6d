/** Privileged things programs do. Without the privilege each is a #GP, and the program goes on. */
import { CODE, DATA, PAGE_BYTES, STACK } from "../environment.ts";
import type { Random } from "../random.ts";
import { littleEndian } from "./assembler.ts";
import { COUNTERS, FIRST_SLOT, SLOT_BYTES, SLOTS, STACK_TOP } from "./program.ts";
import { DEVICE_PAGE, EDITABLE_PAGES, SPACES, SPARE_FRAMES, TABLE_WINDOWS, VECTORS } from "./system-tables.ts";

const PTE = { P: 1, RW: 2, US: 4, PCD: 0x10, A: 0x20, D: 0x40, G: 0x100 } as const;
const NX = 0x8000_0000;
const CR0 = { TS: 8, WP: 0x1_0000, AM: 0x4_0000 } as const;
const CR4 = { TSD: 4, PGE: 0x80, UMIP: 0x800, SMAP: 0x20_0000 } as const;
const MSR_FS_BASE = 0xc000_0100;
const MSR_PAT = 0x277;
const MSR_KERNEL_GS_BASE = 0xc000_0102;

type Step = (random: Random, at: number) => readonly number[];

/** `mov eax, imm32`. */
const moveEax = (value: number): number[] => [0xb8, ...littleEndian(value, 4)];
const invalidate = (page: number): number[] => [0x0f, 0x01, 0x3c, 0x25, ...littleEndian(page, 4)];
/** `mov rax, cr3; mov cr3, rax`. */
const RELOAD_CR3 = [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8];
/** `mov dword [address], value`. */
const store = (address: number, value: number): number[] => [
  ...[0xc7, 0x04, 0x25],
  ...littleEndian(address, 4),
  ...littleEndian(value, 4),
];

/** An entry with other rights or another frame, and what makes it count. Code stays where it can be executed, mostly. */
const editPage: Step = (random) => {
  const page = random.pick(EDITABLE_PAGES);
  const entry = random.pick(TABLE_WINDOWS) + (page / PAGE_BYTES) * 8;
  const code = page >= CODE.address && page < STACK.address;
  const precious = code || page === COUNTERS.address;
  const frame = precious || random.oneIn(2) ? page : random.pick(SPARE_FRAMES);
  let bits = PTE.P | PTE.RW | PTE.US | (random.below(2) * (PTE.A | PTE.D)) | (random.oneIn(4) ? PTE.G : 0);
  if (!precious || random.oneIn(4)) bits ^= random.pick([0, 0, PTE.P, PTE.RW, PTE.US, PTE.RW | PTE.US]);
  if (random.oneIn(12)) bits |= PTE.PCD;
  const noExecute = !code && random.oneIn(2) ? store(entry + 4, random.oneIn(2) ? NX : 0) : [];
  return [
    ...noExecute,
    ...store(entry, frame | bits),
    ...(random.oneIn(4) && !(bits & PTE.G) ? RELOAD_CR3 : invalidate(page)),
  ];
};

/** `mov rax, crN; xor eax, bit; mov crN, rax`. */
const toggle = (register: 0 | 4, bit: number): number[] => [
  ...[0x0f, 0x20, 0xc0 | (register << 3), 0x35],
  ...littleEndian(bit, 4),
  ...[0x0f, 0x22, 0xc0 | (register << 3)],
];

/** `push 2bh; push rsp; pushfq; push 33h; push slot; iretq`: to user code. */
const toUser: Step = (random) => [
  ...[0x6a, 0x2b, 0x54, 0x9c, 0x6a, 0x33, 0x68],
  ...littleEndian(FIRST_SLOT + random.below(SLOTS) * SLOT_BYTES, 4),
  ...[0x48, 0xcf],
];

/** The same to the instruction behind it. */
const toUserHere: Step = (_, at) => {
  const length = 13;
  return [0x6a, 0x2b, 0x54, 0x9c, 0x6a, 0x33, 0x68, ...littleEndian(at + length, 4), 0x48, 0xcf];
};

/** `mov ecx, number; mov eax, low; xor edx, edx; wrmsr` of one of `numbers`, or a read of it. */
const msr =
  (...numbers: readonly number[]): Step =>
  (random) => {
    const select = [0xb9, ...littleEndian(random.pick(numbers), 4)];
    if (random.oneIn(2)) return [...select, 0x0f, 0x32];
    return [...select, ...moveEax(random.pick([0, 0x40, 0x80, 0x1000])), 0x31, 0xd2, 0x0f, 0x30];
  };

/** Good and bad ones: null, of either privilege, code, data, system segments, local, beyond the table. */
const SELECTORS = [0, 3, 0x2b, 0x28, 0x18, 0x10, 0x23, 0x33, 0x40, 0x50, 0x07, 0x0f, 0x78, 0xfff8] as const;
const LOADS_OF_ES_DS = [
  [0x8e, 0xd8],
  [0x8e, 0xc0],
] as const;
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
  (random) => [...moveEax(random.pick(selectors)), ...random.pick(takers)];

/** What takes one: MOV to a segment register, LAR, LSL, VERR, VERW, LLDT. */
const selector = selectorFor(SELECTORS, [...LOADS_OF_ES_DS, ...LOADS_OF_ES_DS, ...SELECTOR_QUESTIONS, LLDT]);

/**
 * FS and GS. A null selector keeps its RPL over returns to less privilege in QEMU 7.2; processors clear it, as SDM vol. 2A, "IRET",
 * has it: seen on an AMD EPYC.
 */
const outerSegment = selectorFor(
  SELECTORS.filter((each) => each !== 3),
  LOADS_OF_FS_GS,
);

/** A null one whose RPL is not CPL, which is #GP, QEMU 7.2 takes. */
const stackSegment = selectorFor(
  SELECTORS.filter((each) => each !== 3),
  [[0x8e, 0xd0]],
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

const FLAG_VIF = 0x8_0000;
const FLAG_VIP = 0x10_0000;

/** `push flags; popfq`. */
const popFlags: Step = (random) => [0x68, ...littleEndian(random.pick(FLAG_IMAGES), 4), 0x9d];

/** `push selector; push slot; retfq`: where the selector is of user code it lacks a stack, mostly. */
const farReturn: Step = (random) => [
  ...[0x6a, random.pick([0x10, 0x10, 0x33, 0x18, 0x40]), 0x68],
  ...littleEndian(FIRST_SLOT + random.below(SLOTS) * SLOT_BYTES, 4),
  ...[0x48, 0xcb],
];

/** `mov ecx, slot; mov r11d, flags; sysretq`. VIF and VIP, which it loads, stay as they were in QEMU 7.2. */
const systemReturn: Step = (random) => [
  0xb9,
  ...littleEndian(FIRST_SLOT + random.below(SLOTS) * SLOT_BYTES, 4),
  ...[0x41, 0xbb],
  ...littleEndian(random.pick(FLAG_IMAGES) & ~(FLAG_VIF | FLAG_VIP), 4),
  ...[0x48, 0x0f, 0x07],
];

/** SGDT, SIDT, SLDT, STR, SMSW. */
const storeTable: Step = (random) =>
  random.oneIn(2)
    ? [0x0f, 0x01, random.pick([0x04, 0x0c]), 0x25, ...littleEndian(DATA.address + 8 * random.below(64), 4)]
    : random.pick([
        [0x0f, 0x00, 0xc2],
        [0x0f, 0x00, 0xca],
        [0x0f, 0x01, 0xe2],
      ]);

/** A load from the device, or a store to it, of 1, 2, 4 or 8 bytes. */
const device: Step = (random) => {
  const address = littleEndian(DEVICE_PAGE + random.below(0x1000), 4);
  return [
    ...random.pick([[0x8a], [0x66, 0x8b], [0x8b], [0x48, 0x8b], [0x88], [0x89], [0x48, 0x89]]),
    0x0c,
    0x25,
    ...address,
  ];
};

const constant =
  (...bytes: number[]): Step =>
  () =>
    bytes;

/** What every emulator of a PC does alike. */
const SHARED_STEPS: readonly Step[] = [
  editPage,
  editPage,
  editPage,
  (random) => [0xb8, ...littleEndian(Number(random.pick(SPACES)), 4), 0x0f, 0x22, 0xd8],
  constant(...RELOAD_CR3),
  (random) => invalidate(random.pick(EDITABLE_PAGES)),
  () => toggle(0, CR0.WP),
  () => toggle(0, CR0.WP),
  () => toggle(0, CR0.TS),
  (random) => toggle(4, random.pick([CR4.TSD, CR4.PGE, CR4.UMIP, CR4.SMAP])),
  toUser,
  toUserHere,
  toUserHere,
  constant(0xcd, VECTORS.toKernel),
  constant(0xcd, VECTORS.toKernel),
  constant(0xcd, VECTORS.count),
  constant(0x0f, 0x05), // syscall
  constant(0x0f, 0x01, 0xf8), // swapgs
  constant(0x0f, 0x06), // clts
  constant(0x0f, 0x01, 0xca), // clac
  constant(0x0f, 0x01, 0xcb), // stac
  constant(0xfa), // cli
  constant(0xfb), // sti
  msr(MSR_FS_BASE, MSR_KERNEL_GS_BASE),
  selector,
  selector,
  outerSegment,
  stackSegment,
  taskRegister,
  popFlags,
  farReturn,
  systemReturn,
  storeTable,
  constant(0x44, 0x0f, 0x20, 0xc0), // mov rax, cr8
  (random) => [0xbc, ...littleEndian(STACK_TOP - 8 * random.below(32), 4)],
];

/** What depends on the machine: clocks, identity, devices; and what QEMU leaves out: alignment checks, memory types that are none. */
const STEPS: readonly Step[] = [
  ...SHARED_STEPS,
  nullSelector,
  msr(MSR_PAT),
  constant(0xcd, 0x40), // int 40h, to a gate that user code may not use: the error code is 402h in QEMU 7.2, not 202h
  () => toggle(0, CR0.AM),
  constant(0x31, 0xc0, 0x0f, 0xa2), // xor eax, eax; cpuid
  constant(0x0f, 0x31), // rdtsc
  device,
  device,
  (random) => [random.pick([0xe4, 0xe5, 0xe6, 0xe7]), 0x80 + random.below(16)],
];

/** A random one, for linear address `at`. */
export function systemStep(random: Random, at: number): readonly number[] {
  return random.pick(STEPS)(random, at);
}

/** The same of what is no matter of the machine. */
export function machineStep(random: Random, at: number): readonly number[] {
  return random.pick(SHARED_STEPS)(random, at);
}
