export {
  ACPI_DISABLE,
  ACPI_ENABLE,
  type AcpiPm,
  type AcpiPmOptions,
  type AcpiPmState,
  createAcpiPm,
  DEFAULT_S5_SLEEP_TYPE,
  PM_TIMER_HZ,
  PM_TIMER_OFFSET,
  PM1_CONTROL_OFFSET,
  PM1_EVENT_OFFSET,
  S3_SLEEP_TYPE,
} from "./acpi/acpi-pm.ts";
export { type ApicBus, type ApicBusMember, createApicBus } from "./apic/apic-bus.ts";
export type { ApicTimerState } from "./apic/apic-timer.ts";
export { createIoApic, type IoApic, type IoApicOptions, type IoApicState } from "./apic/io-apic.ts";
export { createLocalApic, type LocalApic } from "./apic/local-apic.ts";
export { DEFAULT_APIC_BASE } from "./apic/local-apic-core.ts";
export type { LocalApicOptions, LocalApicState } from "./apic/local-apic-state.ts";
export { createTscWire, type TscWire } from "./apic/tsc-wire.ts";
export { createFwCfg, type FwCfg, type FwCfgOptions, type FwCfgState } from "./fw-cfg/fw-cfg.ts";
export {
  type FwCfgItems,
  KEY_BOOT_DEVICE,
  KEY_CMDLINE_ADDRESS,
  KEY_CMDLINE_DATA,
  KEY_CMDLINE_SIZE,
  KEY_CPU_COUNT,
  KEY_INITRD_ADDRESS,
  KEY_INITRD_DATA,
  KEY_INITRD_SIZE,
  KEY_KERNEL_ADDRESS,
  KEY_KERNEL_DATA,
  KEY_KERNEL_SIZE,
  KEY_MAX_CPUS,
  KEY_NOGRAPHIC,
  KEY_RAM_SIZE,
  KEY_SETUP_ADDRESS,
  KEY_SETUP_DATA,
  KEY_SETUP_SIZE,
  KEY_UUID,
} from "./fw-cfg/fw-cfg-items.ts";
export { createHpet, type Hpet, type HpetOptions, type HpetState } from "./hpet/hpet.ts";
export type { HpetTimerState } from "./hpet/hpet-timer.ts";
export { createI8042, type I8042Options, type I8042State } from "./i8042/i8042.ts";
export type { Ps2DeviceState } from "./i8042/ps2-device.ts";
export type { PciBar } from "./pci/base-address.ts";
export { gateByMaster } from "./pci/bus-master.ts";
export type { PciCapability } from "./pci/capability.ts";
export type { MsiState, PciMsiOptions } from "./pci/msi.ts";
export type { MsixState, PciMsixOptions } from "./pci/msix.ts";
export {
  createI440fxHostBridge,
  createPiix3IsaBridge,
  createPiix4PowerManagement,
  type Piix3Options,
  type Piix4PowerManagementOptions,
} from "./pci/pc-functions.ts";
export {
  createPciFunction,
  type PciDevice,
  type PciFunction,
  type PciFunctionOptions,
  type PciFunctionState,
  type PciIdentity,
  type PciRegister,
} from "./pci/pci-function.ts";
export { createPciHost, ECAM_LENGTH, type PciHost, type PciHostOptions, type PciHostState } from "./pci/pci-host.ts";
export type { PciPin, PciSlot } from "./pci/pci-slot.ts";
export type { I8259State } from "./pic/i8259.ts";
export { createPicPair, type PicPair, type PicPairOptions, type PicPairState } from "./pic/pic-pair.ts";
export { createDebugExit, type DebugExitOptions, type DebugExitState } from "./reset/debug-exit.ts";
export {
  createResetControl,
  RESET_VALUE,
  type ResetControlOptions,
  type ResetControlState,
} from "./reset/reset-control.ts";
export {
  createSystemControlPortA,
  type SystemControlPortAOptions,
  type SystemControlPortAState,
} from "./reset/system-control-port-a.ts";
export { createRtc, type Rtc, type RtcOptions, type RtcState } from "./rtc/rtc.ts";
export {
  createPcTestDevice,
  type PcTestDeviceOptions,
  type PcTestDeviceState,
} from "./test-device/pc-test-device.ts";
export { createPit, type Pit, type PitOptions, type PitState } from "./time/pit.ts";
export type { PitChannelState } from "./time/pit-channel.ts";
export {
  createSystemControlPortB,
  type SpeakerCounter,
  type SystemControlPortBOptions,
  type SystemControlPortBState,
} from "./time/system-control-port-b.ts";
export { createIsaVga, type IsaVgaOptions, type IsaVgaState } from "./vga/isa-vga.ts";
