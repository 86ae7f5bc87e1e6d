import type { Gpa } from "@tsvm/contracts";
import { type Bytes, u8, u16, u32, u64, zeros } from "../bytes/fields.ts";
import type { AcpiPlatform } from "./platform.ts";
import { genericAddress, SPACE_IO, table } from "./tables.ts";

/** FADT flags. ACPI Specification, "Fixed ACPI Description Table Fixed Feature Flags". */
const WBINVD = 1 << 0;
const PROC_C1 = 1 << 2;
/** These two set: the buttons are no fixed features. */
const PWR_BUTTON = 1 << 4;
const SLP_BUTTON = 1 << 5;
const TMR_VAL_EXT = 1 << 8;
const RESET_REG_SUP = 1 << 10;

/** IA-PC boot architecture flags: legacy devices, an 8042 keyboard controller, no VGA to be probed for. */
const LEGACY_DEVICES = 1 << 0;
const CONTROLLER_8042 = 1 << 1;
const VGA_NOT_PRESENT = 1 << 2;

const PM1_EVT_LEN = 4;
const PM1_CNT_LEN = 2;
const PM_TMR_LEN = 4;
/** "No such state": more microseconds than C2 and C3 may take to leave. */
const NO_C2_LATENCY = 101;
const NO_C3_LATENCY = 1001;
/** CMOS index of the century. */
const RTC_CENTURY = 0x32;

/**
 * Fixed ACPI Description Table, revision 5. There is no SMI command port, which says that the machine is in ACPI mode from
 * the start.
 */
export function fadt(platform: AcpiPlatform, facsGpa: Gpa, dsdtGpa: Gpa): Uint8Array {
  return table("FACP", 5, [
    ...u32(facsGpa),
    ...u32(dsdtGpa),
    ...u8(0),
    ...u8(0), // preferred profile: unspecified
    ...u16(platform.pm.sciIrq),
    ...zeros(8), // SMI_CMD and the four values for it
    ...portBlocks(platform),
    ...u8(0), // CST_CNT
    ...u16(NO_C2_LATENCY),
    ...u16(NO_C3_LATENCY),
    ...zeros(8), // cache flushing without WBINVD, duty cycle, day and month alarm
    ...u8(RTC_CENTURY),
    ...u16(bootFlags(platform)),
    ...u8(0),
    ...u32(featureFlags(platform)),
    ...genericAddress(SPACE_IO, 8, platform.reset.port),
    ...u8(platform.reset.value),
    ...zeros(3),
    ...u64(facsGpa),
    ...u64(dsdtGpa),
    ...extendedBlocks(platform),
    ...genericAddress(0, 0, 0), // sleep control and status: of reduced hardware only
    ...genericAddress(0, 0, 0),
  ]);
}

/** Without these flags a guest does not look for what they stand for. */
function bootFlags({ keyboardController, vga }: AcpiPlatform): number {
  return LEGACY_DEVICES | (vga ? 0 : VGA_NOT_PRESENT) | (keyboardController ? CONTROLLER_8042 : 0);
}

/** The 32-bit port addresses and the lengths, as ACPI 1.0 has them. */
function portBlocks({ pm }: AcpiPlatform): Bytes {
  return [
    ...u32(pm.eventPort),
    ...u32(0), // PM1b
    ...u32(pm.controlPort),
    ...u32(0),
    ...u32(0), // PM2
    ...u32(pm.timerPort),
    ...zeros(8), // GPE0, GPE1
    ...[PM1_EVT_LEN, PM1_CNT_LEN, 0, PM_TMR_LEN, 0, 0, 0],
  ];
}

/** The same blocks as generic addresses. */
function extendedBlocks({ pm }: AcpiPlatform): Bytes {
  const none = genericAddress(0, 0, 0);
  return [
    ...genericAddress(SPACE_IO, PM1_EVT_LEN * 8, pm.eventPort),
    ...none,
    ...genericAddress(SPACE_IO, PM1_CNT_LEN * 8, pm.controlPort),
    ...none,
    ...none,
    ...genericAddress(SPACE_IO, PM_TMR_LEN * 8, pm.timerPort),
    ...none,
    ...none,
  ];
}

function featureFlags({ pm }: AcpiPlatform): number {
  const timer = pm.timer32 ? TMR_VAL_EXT : 0;
  return WBINVD | PROC_C1 | PWR_BUTTON | SLP_BUTTON | timer | RESET_REG_SUP;
}
