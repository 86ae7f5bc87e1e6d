/** What programs do in virtual-8086 mode alone: they ask their monitor, and try what they may not. */
import { PAGE_BYTES } from "../environment.ts";
import { littleEndian } from "./assembler.ts";
import { MONITOR } from "./monitor.ts";
import { chooseEdit } from "./page-edit.ts";
import type { Place, Step } from "./system-steps.ts";
import { EDITABLE_PAGES } from "./system-tables.ts";

/** As the monitor takes it. */
const NX = 0x1_0000;
const CR0 = { TS: 8, WP: 0x1_0000, AM: 0x4_0000 } as const;
const CR4 = { TSD: 4, PGE: 0x80, UMIP: 0x800 } as const;
const [EAX, ECX, EDX, EBX] = [0, 1, 2, 3];

const call = (vector: number): number[] => [0xcd, vector];

const move = ({ assembler }: Place, register: number, value: number): number[] =>
  assembler.move(register, BigInt(value >>> 0));

/** An entry with other rights or another frame. Code stays where it can be executed, mostly. */
const editPage: Step = (place) => {
  const { random, executesData } = place;
  const page = random.pick(EDITABLE_PAGES);
  const { isCode, frame, bits } = chooseEdit(place, page);
  const noExecute = !isCode && (!executesData || random.oneIn(2)) ? NX : 0;
  return [
    ...move(place, EBX, page),
    ...move(place, ECX, frame | bits | noExecute),
    ...move(place, EDX, random.below(2) * PAGE_BYTES),
    ...call(MONITOR.edit),
  ];
};

/** A bit of a control register. */
const ask =
  (vector: number, ...bits: readonly number[]): Step =>
  (place) => [...move(place, EAX, place.random.pick(bits)), ...call(vector)];

/** `mov al, 127; add al, 1; into`: IOPL 3, or 0 again. */
const otherPrivilege: Step = () => [0xb0, 0x7f, 4, 1, 0xce];

/** MOV of control and debug registers, CLTS, LMSW, LGDT, LIDT, INVLPG, WBINVD, RDMSR, WRMSR, HLT: #GP. */
const privileged: Step = ({ random }) =>
  random.pick([
    [0x0f, 0x20, 0xc0],
    [0x0f, 0x22, 0xc0],
    [0x0f, 0x22, 0xd8],
    [0x0f, 0x21, 0xf8],
    [0x0f, 0x06],
    [0x0f, 0x01, 0xf0],
    [0x0f, 0x01, 0x16, 0, 0x40],
    [0x0f, 0x01, 0x1e, 0, 0x40],
    [0x0f, 0x01, 0x3e, 0, 0x40],
    [0x0f, 0x09],
    [0x0f, 0x32],
    [0x0f, 0x30],
    [0xf4],
  ]);

/** `mov edx, the next instruction; movzx ecx, sp; sysenter`. */
const systemEnter: Step = (place) => {
  const enter = [0x66, 0x0f, 0xb7, 0xcc, 0x0f, 0x34];
  const target = (at: number): number[] => move(place, EDX, Number(place.assembler.codeOffset(at)));
  return [...target(place.at + target(0).length + enter.length), ...enter];
};

/** OUT to a port that is closed, however high IOPL is. */
const closedPort: Step = ({ random }) => [random.pick([0xe4, 0xe5, 0xe6, 0xe7]), 0x80 + random.below(16)];

/** What other emulators do alike. */
export const VIRTUAL_STEPS: readonly Step[] = [
  editPage,
  editPage,
  editPage,
  () => call(MONITOR.space),
  ask(MONITOR.control, CR0.TS, CR0.WP),
  ask(MONITOR.features, CR4.TSD, CR4.PGE, CR4.UMIP),
  otherPrivilege,
  otherPrivilege,
  privileged,
  systemEnter,
  closedPort,
];

/** What they leave out. */
export const OWN_VIRTUAL_STEPS: readonly Step[] = [
  ask(MONITOR.control, CR0.AM),
  ({ random }) => [0xba, ...littleEndian(random.below(0x400), 2), random.pick([0xec, 0xed, 0xee, 0xef])],
  ({ random }) => [0xba, ...littleEndian(random.below(0x400), 2), 0x66, random.pick([0xed, 0xef])],
];
