/**
 * Registers and bits of the local APIC, spelt as SDM vol. 3A, "Local APIC", spells them. A register's number is its
 * MSR minus 0x800 in x2APIC mode and its MMIO offset divided by 16 in xAPIC mode.
 */
export const REG_ID = 0x02;
export const REG_VERSION = 0x03;
export const REG_TPR = 0x08;
export const REG_APR = 0x09;
export const REG_PPR = 0x0a;
export const REG_EOI = 0x0b;
export const REG_RRD = 0x0c;
export const REG_LDR = 0x0d;
export const REG_DFR = 0x0e;
export const REG_SVR = 0x0f;
export const REG_ISR = 0x10;
export const REG_TMR = 0x18;
export const REG_IRR = 0x20;
export const REG_ESR = 0x28;
export const REG_ICR_LOW = 0x30;
export const REG_ICR_HIGH = 0x31;
export const REG_LVT_TIMER = 0x32;
export const REG_TIMER_INITIAL = 0x38;
export const REG_TIMER_CURRENT = 0x39;
export const REG_TIMER_DIVIDE = 0x3e;
export const REG_SELF_IPI = 0x3f;

/** The local vector table in register order, from REG_LVT_TIMER on. */
export const LVT_TIMER = 0;
export const LVT_LINT0 = 3;
export const LVT_LINT1 = 4;
export const LVT_ERROR = 5;
export const LVT_COUNT = 6;
/** Writable bits of timer, thermal sensor, performance counters, LINT0, LINT1 and error. */
export const LVT_MASKS = [0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff] as const;
export const LVT_MASKED = 0x1_0000;
export const LVT_LEVEL = 0x8000;
export const LVT_REMOTE_IRR = 0x4000;

/** Version 0x14 with six entries in the local vector table. */
export const VERSION: number = 0x14 | ((LVT_COUNT - 1) << 16);

export const SVR_ENABLE = 0x100;
export const SVR_MASK = 0x3ff;
export const SVR_RESET = 0xff;

export const DFR_FLAT = 0xffff_ffff;

export const ESR_SEND_ILLEGAL_VECTOR = 0x20;
export const ESR_RECEIVE_ILLEGAL_VECTOR = 0x40;
export const ESR_ILLEGAL_REGISTER = 0x80;

export const ICR_LOGICAL = 0x800;
export const ICR_ASSERT = 0x4000;
export const ICR_LEVEL = 0x8000;
/** Delivery status is read-only and always idle. */
export const ICR_LOW_MASK = 0xccfff;
export const SHORTHAND_SELF = 1;
export const SHORTHAND_ALL = 2;

/** Delivery modes of ICR, LVT, I/O APIC redirection entries and MSI data alike. */
export const DELIVERY_FIXED = 0;
export const DELIVERY_LOWEST_PRIORITY = 1;
export const DELIVERY_NMI = 4;
export const DELIVERY_INIT = 5;
export const DELIVERY_STARTUP = 6;
export const DELIVERY_EXTINT = 7;

/** Vectors below are exceptions and illegal in messages. */
export const FIRST_LEGAL_VECTOR = 16;

export const MSR_APIC_BASE = 0x1b;
export const MSR_TSC_DEADLINE = 0x6e0;
export const MSR_X2APIC = 0x800;
export const MSR_X2APIC_END = 0x8ff;
export const APIC_BASE_BSP = 0x100;
export const APIC_BASE_EXTD = 0x400;
export const APIC_BASE_EN = 0x800;
