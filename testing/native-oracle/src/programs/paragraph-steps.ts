/**
 * Things that programs do where selectors are paragraphs: far transfers between segments that hold the same code, segment loads, flags,
 * software interrupts, and what is beyond 64 KiB. Those of one mode alone are in real-steps.ts and virtual-steps.ts.
 */
import { DATA } from "../environment.ts";
import { littleEndian } from "./assembler.ts";
import { FIRST_SLOT, privilegedStackTop, SLOT_BYTES, SLOTS } from "./program.ts";
import type { Place, Step } from "./system-steps.ts";
import { VECTORS } from "./system-tables.ts";

const OPERAND_SIZE = 0x66;
const ADDRESS_SIZE = 0x67;

const chooseSlot = ({ random }: Place): number => FIRST_SLOT + random.below(SLOTS) * SLOT_BYTES;

/** `push word`. */
const push = (value: number): number[] => [0x68, ...littleEndian(value, 2)];
/** `push dword`. */
const pushWide = (value: number): number[] => [OPERAND_SIZE, 0x68, ...littleEndian(value, 4)];
/** `mov ax, value`. */
const moveAx = (value: number): number[] => [0xb8, ...littleEndian(value, 2)];

/** Segments that reach all slots: below 8820h, and less than 64 KiB before the end. */
const CODE_SEGMENTS = [0x400, 0x3ff, 0x401, 0, 0x123, 0x800, 0x882] as const;
/** Segments of data, which lie in RAM whatever the offset is. */
const DATA_SEGMENTS = [0, 4, 0x10, 0x80, 0x100, 0x200, 0x400, 0x7ff, 0x800, 0xa80, 0xfff, 0x1000] as const;

/** Bytes that go to linear `target` in `segment`: as many, whatever they are. */
type Way = (place: Place, segment: number, target: number) => readonly number[];

const offsetIn = (segment: number, target: number): number => target - segment * 16;

/** `dword [pointer]`: segment and offset. */
const storePointer = ({ assembler }: Place, pointer: number, segment: number, offset: number): number[] =>
  assembler.storeWord(pointer, segment * 0x1_0000 + offset);

const POINTER: number = DATA.address + 0x7c0;

/** JMP, RETF, IRET, and JMP through memory, of 16 and 32 bits. */
const WAYS: readonly Way[] = [
  (_, segment, target) => [0xea, ...littleEndian(offsetIn(segment, target), 2), ...littleEndian(segment, 2)],
  (_, segment, target) => [
    ...[OPERAND_SIZE, 0xea],
    ...littleEndian(offsetIn(segment, target), 4),
    ...littleEndian(segment, 2),
  ],
  (_, segment, target) => [...push(segment), ...push(offsetIn(segment, target)), 0xcb],
  (_, segment, target) => [...pushWide(segment), ...pushWide(offsetIn(segment, target)), OPERAND_SIZE, 0xcb],
  (_, segment, target) => [0x9c, ...push(segment), ...push(offsetIn(segment, target)), 0xcf],
  (_, segment, target) => [
    ...[OPERAND_SIZE, 0x9c],
    ...pushWide(segment),
    ...pushWide(offsetIn(segment, target)),
    ...[OPERAND_SIZE, 0xcf],
  ],
  (place, segment, target) => [
    ...storePointer(place, POINTER, segment, offsetIn(segment, target)),
    ...place.assembler.withMemory([0xff], 5, POINTER),
  ],
];

/** Where programs have their code. */
const homeOf = ({ environment }: Place): number => environment.segments.cs.selector;

/** What is seen of another code segment: PUSH CS, MOV from CS, a load through it, a near call that is not returned from. */
const looksAround = (place: Place): readonly number[] =>
  place.random.pick([
    [],
    [0x0e],
    [0x8c, 0xc9],
    [0x2e, 0x8b, 0x0e, ...littleEndian(place.random.below(0x4000), 2)],
    [0xe8, 0, 0],
  ]);

/** Into another segment and back behind it. */
const visit: Step = (place) => {
  const { random, at } = place;
  const [there, back] = [random.pick(WAYS), random.pick(WAYS)];
  const segment = random.pick(CODE_SEGMENTS);
  const first = at + there(place, segment, at).length;
  const inside = looksAround(place);
  const last = first + inside.length + back(place, segment, at).length;
  return [...there(place, segment, first), ...inside, ...back(place, homeOf(place), last)];
};

/** To any slot, where programs have their code. */
const goElsewhere: Step = (place) => place.random.pick(WAYS)(place, homeOf(place), chooseSlot(place));

/** Likewise, but it is another segment, in which computed jumps lead elsewhere. */
const moveAway: Step = (place) => place.random.pick(WAYS)(place, place.random.pick(CODE_SEGMENTS), chooseSlot(place));

/** `call far there; jmp short behind; there: retf`, direct or through memory, of 16 or 32 bits. */
const callFar: Step = (place) => {
  const { random, at, assembler } = place;
  const segment = random.pick(CODE_SEGMENTS);
  const wide = random.oneIn(2) ? [OPERAND_SIZE] : [];
  const end = [0xeb, wide.length + 1, ...wide, 0xcb];
  const direct = (target: number): number[] => [
    ...[...wide, 0x9a],
    ...littleEndian(offsetIn(segment, target), 2 + 2 * wide.length),
    ...littleEndian(segment, 2),
  ];
  const throughMemory = (target: number): number[] => [
    ...storePointer(place, POINTER, segment, offsetIn(segment, target)),
    ...assembler.withMemory([0xff], 3, POINTER),
  ];
  const call = wide.length > 0 || random.oneIn(2) ? direct : throughMemory;
  return [...call(at + call(at).length + 2), ...end];
};

/** ModRM numbers of segment registers, with their prefixes. */
const [ES, SS, DS, FS, GS] = [0, 2, 3, 4, 5];
const OVERRIDE: Readonly<Record<number, number>> = { 0: 0x26, 2: 0x36, 3: 0x3e, 4: 0x64, 5: 0x65 };
const POP: Readonly<Record<number, readonly number[]>> = { 0: [0x07], 3: [0x1f], 4: [0x0f, 0xa1], 5: [0x0f, 0xa9] };
const LOAD_POINTER: Readonly<Record<number, readonly number[]>> = {
  0: [0xc4],
  3: [0xc5],
  4: [0x0f, 0xb4],
  5: [0x0f, 0xb5],
};

const moveTo = (register: number, selector: number): number[] => [...moveAx(selector), 0x8e, 0xc0 | (register << 3)];

/** MOV, POP, or LDS and the like, which change CX, too. */
const loadBy = (place: Place, register: number, selector: number): readonly number[] => {
  const { random, assembler } = place;
  const roll = random.below(3);
  if (roll === 0) return moveTo(register, selector);
  if (roll === 1) return [...push(selector), ...(POP[register] as readonly number[])];
  return [
    ...storePointer(place, POINTER, selector, random.below(0x1_0000)),
    ...assembler.withMemory(LOAD_POINTER[register] as readonly number[], 1, POINTER),
  ];
};

/** A load, a store or an addition of 16 or 32 bits through a segment, in the data window where it can be. */
const accessThrough = ({ random }: Place, register: number, selector: number): readonly number[] => {
  const offset = DATA.address + 8 * random.below(512) - selector * 16;
  return [
    OVERRIDE[register] as number,
    ...(random.oneIn(2) ? [OPERAND_SIZE] : []),
    random.pick([0x8b, 0x89, 0x01, 0x03]),
    (random.below(4) << 3) | 6,
    ...littleEndian(offset < 0 ? random.below(0x8000) : offset, 2),
  ];
};

/** DS or ES, and as it was again, since programs find their counters there. */
const dataSegment: Step = (place) => {
  const { random, environment } = place;
  const [name, register] = random.pick([["ds", DS] as const, ["es", ES] as const]);
  const selector = random.pick(DATA_SEGMENTS);
  return [
    ...loadBy(place, register, selector),
    ...accessThrough(place, register, selector),
    ...moveTo(register, environment.segments[name].selector),
  ];
};

const outerSegment: Step = (place) => {
  const { random } = place;
  const register = random.pick([FS, GS]);
  const selector = random.pick(DATA_SEGMENTS);
  return [...loadBy(place, register, selector), ...(random.oneIn(2) ? accessThrough(place, register, selector) : [])];
};

/** SS and SP so that the stack is where it was, a push or a pop, and both as they were. */
const stackSegment: Step = (place) => {
  const { random, environment } = place;
  const top = privilegedStackTop(environment);
  const { selector, base } = environment.segments.ss;
  const other = random.pick([0, 0x80, 0x1ff, 0x201, 0x800, 0xa00]);
  return [
    ...moveTo(SS, other),
    ...[0xbc, ...littleEndian(top + base - other * 16, 2)],
    ...random.pick([[0x9c], [0x50], [0x66, 0x51], [0x58], [0x06], [0xc8, 8, 0, 1, 0xc9], [0x60, 0x61]]),
    ...moveTo(SS, selector),
    ...[0xbc, ...littleEndian(top, 2)],
  ];
};

/** NT, IOPL, IF, DF and arithmetic flags; TF. */
const FLAG_IMAGES = [0x202, 0x4202, 0x3202, 0x1002, 0x602, 0x8d7, 2, 0x302, 0x102] as const;
/** AC, RF, ID, VIF and VIP as well. */
const WIDE_FLAG_IMAGES = [...FLAG_IMAGES, 0x4_0202, 0x1_0202, 0x20_0202, 0x18_0202, 0x3d_7fd7 & ~0x100] as const;

/** POPF or IRET of 16 or 32 bits, and mostly all flags in ECX behind it. */
const popFlags: Step = (place) => [
  ...takeFlags(place),
  ...(place.random.oneIn(3) ? [] : [OPERAND_SIZE, 0x9c, OPERAND_SIZE, 0x59]),
];

const takeFlags: Step = (place) => {
  const { random, at } = place;
  const wide = random.oneIn(2);
  const image = random.pick(wide ? WIDE_FLAG_IMAGES : FLAG_IMAGES);
  const flags = wide ? pushWide(image) : push(image);
  const size = wide ? [OPERAND_SIZE] : [];
  if (random.oneIn(2)) return [...flags, ...size, 0x9d];
  const frame = (target: number): number[] => [
    ...flags,
    ...(wide ? pushWide(homeOf(place)) : push(homeOf(place))),
    ...(wide ? pushWide(offsetIn(homeOf(place), target)) : push(offsetIn(homeOf(place), target))),
    ...[...size, 0xcf],
  ];
  return frame(at + frame(at).length);
};

/** `pushf; pop cx`, of 16 or 32 bits. */
const readFlags: Step = ({ random }) => (random.oneIn(2) ? [0x9c, 0x59] : [OPERAND_SIZE, 0x9c, OPERAND_SIZE, 0x59]);

/** INT of a service, or of a vector that has none. Never INT 3, which ends a program. */
const interrupt: Step = ({ random }) => [
  0xcd,
  random.pick([VECTORS.toKernel, VECTORS.count, VECTORS.count, 0, 1, 4, 5, 0x0d, 0x20, 0x40, 0xff]),
];

/** `mov al, 127 or 0; add al, 1; into`. */
const overflow: Step = ({ random }) => [0xb0, random.pick([0x7f, 0x7f, 0]), 4, 1, 0xce];

/** BOUND of AX, in range or not. */
const bound: Step = ({ random, assembler }) => [
  ...assembler.storeWord(POINTER, random.pick([0x7fff_8000, 0x10_0000, 0x10_fff0])),
  ...assembler.withMemory([0x62], 0, POINTER),
];

/** SGDT, SIDT, SMSW. */
const storeTable: Step = ({ random, assembler }) =>
  random.oneIn(2)
    ? assembler.withMemory([0x0f, 0x01], random.below(2), DATA.address + 8 * random.below(64))
    : [0x0f, 0x01, 0xe1];

/** SLDT, STR, LLDT, LTR, VERR, VERW, LAR, LSL, ARPL: there are none here. */
const ofProtectedMode: Step = ({ random }) =>
  random.pick([
    [0x0f, 0x00, 0xc0 | (random.below(6) << 3)],
    [0x0f, 0x02, 0xd0],
    [0x0f, 0x03, 0xd0],
    [0x63, 0xc8],
  ]);

/** Words and doublewords across the end of 64 KiB: data, strings, the stack, ESP of 32 bits. */
const beyondSegment: Step = ({ random }) =>
  random.pick([
    [0x8b, 0x0e, 0xff, 0xff],
    [0x36, 0x8b, 0x0e, 0xff, 0xff],
    [0x2e, 0x8b, 0x0e, 0xff, 0xff],
    [OPERAND_SIZE, 0x8b, 0x0e, random.pick([0xfd, 0xfe]), 0xff],
    [OPERAND_SIZE, 0x26, 0x01, 0x0e, 0xfd, 0xff],
    [0xbf, 0xff, 0xff, 0xab],
    [0xbe, 0xff, 0xff, 0xad],
    [ADDRESS_SIZE, 0x8b, 0x0d, ...littleEndian(random.pick([0xffff, 0x1_0000, 0xffff_f000]), 4)],
    [ADDRESS_SIZE, 0x64, 0x89, 0x0d, ...littleEndian(random.pick([0x4000, 0x1_4000]), 4)],
    [0xbc, 2, 0, OPERAND_SIZE, 0x50],
    [0xbc, 0xff, 0xff, 0x58],
    [0xbc, 6, 0, 0x60],
  ]);

/** Near and far transfers to where 64 KiB have ended. */
const beyondCode: Step = (place) => {
  const { random } = place;
  const beyond = littleEndian(random.pick([0x1_0000, 0x1_8820, 0x8000_0000]), 4);
  return random.pick([
    [OPERAND_SIZE, 0xe9, ...beyond],
    [OPERAND_SIZE, 0xe8, ...beyond],
    [OPERAND_SIZE, 0x0f, 0x80 | random.below(16), ...beyond],
    [OPERAND_SIZE, 0xea, ...beyond, ...littleEndian(homeOf(place), 2)],
    [OPERAND_SIZE, 0x9a, ...beyond, ...littleEndian(homeOf(place), 2)],
    [OPERAND_SIZE, 0x68, ...beyond, OPERAND_SIZE, 0xc3],
    [...pushWide(homeOf(place)), OPERAND_SIZE, 0x68, ...beyond, OPERAND_SIZE, 0xcb],
    [OPERAND_SIZE, 0x9c, ...pushWide(homeOf(place)), OPERAND_SIZE, 0x68, ...beyond, OPERAND_SIZE, 0xcf],
  ]);
};

const restack: Step = ({ random, environment }) => [
  0xbc,
  ...littleEndian(privilegedStackTop(environment) - 2 * random.below(64), 2),
];

const constant =
  (...bytes: number[]): Step =>
  () =>
    bytes;

/** What both modes have and other emulators do alike. */
export const PARAGRAPH_STEPS: readonly Step[] = [
  visit,
  visit,
  callFar,
  callFar,
  goElsewhere,
  dataSegment,
  dataSegment,
  outerSegment,
  outerSegment,
  stackSegment,
  popFlags,
  popFlags,
  readFlags,
  interrupt,
  interrupt,
  overflow,
  bound,
  storeTable,
  ofProtectedMode,
  constant(0x9c, 0x58, 0x80, 0xcc, 1, 0x50, 0x9d), // pushf; pop ax; or ah, 1; push ax; popf: single steps until the handler has enough
  restack,
  constant(0xfa), // cli
  constant(0xfb), // sti
];

/** What others leave out, or where a program goes astray. */
export const OWN_PARAGRAPH_STEPS: readonly Step[] = [
  moveAway,
  constant(0xf1), // int1, which is #UD in QEMU 7.2
  beyondSegment,
  beyondSegment,
  beyondCode,
  constant(0x31, 0xc0, 0x0f, 0xa2), // xor ax, ax; cpuid
  constant(0x0f, 0x31), // rdtsc
  ({ random }) => [random.pick([0xe4, 0xe5, 0xe6, 0xe7]), 0x80 + random.below(16)],
];
