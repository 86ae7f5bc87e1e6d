// The x87 and MXCSR in the legacy region of FXSAVE and XSAVE. SDM vol. 1, "FXSAVE Area" and "Legacy Region of an XSAVE Area".
import type { IrBuilder, Val } from "@tsvm/tcg";
import { FCW } from "../softfloat/status-word.ts";
import { AT, ELEMENT_SIZE } from "../state/layout.ts";
import { Words } from "./words.ts";

/** Bytes of the region. */
export const LEGACY_BYTES = 512;
/** Where XMM registers are. */
export const XMM_REGISTERS = 160;
/** MXCSR after reset. */
export const MXCSR_RESET = 0x1f80;
/** MXCSR bits that exist, DAZ among them. */
export const MXCSR_MASK = 0xffff;
/** Where MXCSR is, and its mask behind it. */
export const MXCSR_AT = 24;
/** Byte offsets in the region: control words and instruction pointer, data pointer, registers of 16 bytes. */
const CONTROL = 0;
const DATA = 16;
const REGISTERS = 32;
const REGISTER_BYTES = 16;

/** Fields that are 0 after FNINIT, in words. */
const CLEARED = [AT.fpuStatus, AT.fpuTag, AT.fpuOpcode, AT.fpuCs, AT.fpuDs];
const POINTERS = [AT.fpuIp, AT.fpuDp];

/** Does `move` for each register: where it is in CPU state (i32), and in the region. `status`: FSW, which has TOP. */
function forEachRegister(w: Words, status: Val, move: (state: Val, at: number) => void): void {
  const top = w.shr(status, 11);
  for (let i = 0; i < 8; i++)
    move(w.shl(w.and(w.add(top, i), 7), Math.log2(ELEMENT_SIZE.fpr)), REGISTERS + i * REGISTER_BYTES);
}

/** The control words, pointers and registers of the x87. @param wide i32: pointers are 64 bits, without selectors. */
export function saveX87(b: IrBuilder, area: Val, wide: Val): void {
  const w = new Words(b);
  const status = w.load(AT.fpuStatus);
  w.store(CONTROL, w.or(w.and(w.load(AT.fpuControl), 0xffff), w.shl(status, 16)), area);
  w.store(CONTROL + 4, w.or(w.and(w.load(AT.fpuTag), 0xff), w.shl(w.and(w.load(AT.fpuOpcode), 0x7ff), 16)), area);
  for (const [at, pointer, selector] of [
    [CONTROL + 8, AT.fpuIp, AT.fpuCs],
    [DATA, AT.fpuDp, AT.fpuDs],
  ] as const) {
    w.store(at, w.load(pointer), area);
    w.store(at + 4, b.select(wide, w.load(pointer + 4), w.and(w.load(selector), 0xffff)), area);
  }
  forEachRegister(w, status, (state, at) => {
    b.store("i64.store", area, at, b.load("i64.load", state, AT.fpr));
    b.store("i64.store", area, at + 8, b.load("i64.load16_u", state, AT.fpr + 8));
  });
}

/** The reverse of {@link saveX87}. */
export function loadX87(b: IrBuilder, area: Val, wide: Val): void {
  const w = new Words(b);
  const control = w.load(CONTROL, area);
  const status = w.shr(control, 16);
  const second = w.load(CONTROL + 4, area);
  w.store(AT.fpuControl, w.and(control, 0xffff));
  w.store(AT.fpuStatus, status);
  w.store(AT.fpuTag, w.and(second, 0xff));
  w.store(AT.fpuOpcode, w.and(w.shr(second, 16), 0x7ff));
  for (const [at, pointer, selector] of [
    [CONTROL + 8, AT.fpuIp, AT.fpuCs],
    [DATA, AT.fpuDp, AT.fpuDs],
  ] as const) {
    const upper = w.load(at + 4, area);
    w.store(pointer, w.load(at, area));
    w.store(pointer + 4, b.select(wide, upper, w.const(0)));
    w.store(selector, b.select(wide, w.const(0), w.and(upper, 0xffff)));
  }
  forEachRegister(w, status, (state, at) => {
    b.store("i64.store", state, AT.fpr, b.load("i64.load", area, at));
    b.store("i64.store16", state, AT.fpr + 8, b.load("i64.load16_u", area, at + 8));
  });
}

/** x87 state as after FNINIT, and with empty registers' contents gone. */
export function initializeX87(b: IrBuilder): void {
  const w = new Words(b);
  w.store(AT.fpuControl, w.const(FCW.INITIAL));
  for (const field of CLEARED) w.store(field, w.const(0));
  for (const field of POINTERS) b.store("i64.store", undefined, field, b.const(0));
  const zero = b.vector(0n, 0n);
  for (let i = 0; i < 8; i++) b.store("v128.store", undefined, AT.fpr + i * ELEMENT_SIZE.fpr, zero);
}

/** i32: the x87 is as {@link initializeX87} leaves it. */
export function isX87Initial(b: IrBuilder): Val {
  const w = new Words(b);
  const fields = CLEARED.map((field) => w.load(field));
  const pointers = POINTERS.flatMap((field) => [w.load(field), w.load(field + 4)]);
  let registers = b.load("v128.load", undefined, AT.fpr);
  for (let i = 1; i < 8; i++)
    registers = b.op("v128.or", registers, b.load("v128.load", undefined, AT.fpr + i * ELEMENT_SIZE.fpr));
  const used = w.or(...fields, ...pointers, b.op("v128.any_true", registers));
  return b.both(w.isZero(used), w.eq(w.load(AT.fpuControl), FCW.INITIAL));
}

export function saveMxcsr(b: IrBuilder, area: Val): void {
  const w = new Words(b);
  w.store(MXCSR_AT, w.load(AT.mxcsr), area);
  w.store(MXCSR_AT + 4, w.load(AT.mxcsrMask), area);
}

/** i32: reserved bits are set, which is #GP(0). */
export function isMxcsrBad(b: IrBuilder, area: Val): Val {
  const w = new Words(b);
  return b.op("i32.ne", w.without(w.load(MXCSR_AT, area), w.load(AT.mxcsrMask)), w.const(0));
}

export function loadMxcsr(b: IrBuilder, area: Val): void {
  const w = new Words(b);
  w.store(AT.mxcsr, w.load(MXCSR_AT, area));
}
