import { joined } from "../bytes/fields.ts";
import {
  type Aml,
  arg,
  defineName,
  device,
  eisaId,
  ifTrue,
  integer,
  method,
  name,
  packageOf,
  returns,
  scope,
  store,
  string,
} from "./aml.ts";
import type { AcpiPlatform, PciPlatform } from "./platform.ts";
import {
  busRange,
  io,
  ioRange,
  irq,
  memory32Fixed,
  memoryRange,
  resourceTemplate,
  sharedInterrupt,
} from "./resources.ts";

/** PCI has 32 device numbers a bus and four interrupt lines a slot. */
const PCI_SLOTS = 32;
const PCI_PINS = 4;
/** _STA of a device that is there, enabled and working, but not shown to users. */
const STA_PRESENT_HIDDEN = 0x0b;

/** The DSDT's definition block: what cannot be found by probing, so that the OS's own drivers find it. */
export function dsdtBody(platform: AcpiPlatform): Aml {
  const { pci, hpetGpa, virtioWindows } = platform;
  const legacy = legacyDevices(platform);
  return [
    interruptModel(),
    sleepStates(platform),
    scope(
      "\\_SB",
      ...(pci === undefined ? [legacy] : [pciBridge(pci, legacy), boardResources(pci)]),
      ...(hpetGpa === undefined ? [] : [hpet(hpetGpa)]),
      ...virtioWindows.map(virtioWindow),
    ),
  ].flat();
}

/** \_PIC: the OS says with 1 that it uses the IOAPIC; _PRT answers accordingly. */
function interruptModel(): Aml {
  return [...defineName("\\PICM", integer(0)), ...method("\\_PIC", 1, store(arg(0), name("\\PICM")))];
}

/** What PM1a_CNT and PM1b_CNT are given for each sleeping state there is. */
function sleepStates({ pm }: AcpiPlatform): Aml {
  const state = (path: string, type: number): Aml =>
    defineName(path, packageOf(integer(type), integer(type), integer(0), integer(0)));
  return [...(pm.s3SleepType === undefined ? [] : state("\\_S3", pm.s3SleepType)), ...state("\\_S5", pm.s5SleepType)];
}

/** The host bridge; `children` are the devices whose ports lie in its range. */
function pciBridge(pci: PciPlatform, children: Aml): Aml {
  return device(
    "PCI0",
    defineName("_HID", eisaId("PNP0A03")),
    defineName("_UID", integer(0)),
    defineName("_BBN", integer(0)),
    defineName(
      "_CRS",
      resourceTemplate(
        busRange(0, 0xff),
        io(0xcf8, 8),
        ioRange(0, 0xcf7),
        ioRange(0xd00, 0xffff),
        memoryRange(0xa0000, 0xbffff),
        ...pci.memory.map(({ first, last }) => memoryRange(first, last)),
      ),
    ),
    pciRouting(pci),
    children,
  );
}

/** Memory of the board itself: guests use the MCFG table only if its window is listed here. PCI Firmware Specification. */
function boardResources({ ecam }: PciPlatform): Aml {
  return device(
    "MRES",
    defineName("_HID", eisaId("PNP0C02")),
    defineName("_UID", integer(0)),
    defineName("_CRS", resourceTemplate(memory32Fixed(ecam.gpa, ecam.length))),
  );
}

/** Lines are rotated by slot, as PCI boards do, so that the first pins of neighbouring slots do not share a line. */
function pciRouting(pci: PciPlatform): Aml {
  const table = (pick: (line: number) => number): Aml => {
    const rows: Aml[] = [];
    for (let slot = 0; slot < PCI_SLOTS; slot++) {
      for (let pin = 0; pin < PCI_PINS; pin++) {
        const source = integer(pick((slot + pin) % PCI_PINS));
        rows.push(packageOf(integer(slot * 0x10000 + 0xffff), integer(pin), integer(0), source));
      }
    }
    return packageOf(...rows);
  };
  const line = (i: number): { readonly gsi: number; readonly irq: number } =>
    pci.interrupts[i] as { readonly gsi: number; readonly irq: number };
  return joined(
    defineName(
      "PRTA",
      table((i) => line(i).gsi),
    ),
    defineName(
      "PRTP",
      table((i) => line(i).irq),
    ),
    method("_PRT", 0, ifTrue(name("\\PICM"), returns(name("PRTA"))), returns(name("PRTP"))),
  );
}

/** Devices with fixed ports. */
function legacyDevices(platform: AcpiPlatform): Aml {
  return [
    fixedDevice("PIC_", "PNP0000", io(0x20, 2), io(0xa0, 2), io(0x4d0, 2), irq(2)),
    fixedDevice("TMR_", "PNP0100", io(0x40, 4), irq(0)),
    fixedDevice("RTC_", "PNP0B00", io(0x70, 2), irq(8)),
    fixedDevice("SPKR", "PNP0800", io(0x61, 1)),
    ...(platform.keyboardController ? keyboardAndMouse() : []),
    ...platform.serialPorts.map(({ port, irq: number }, i) =>
      device(
        `COM${i + 1}`,
        defineName("_HID", eisaId("PNP0501")),
        defineName("_UID", integer(i + 1)),
        defineName("_CRS", resourceTemplate(io(port, 8), irq(number))),
      ),
    ),
    platform.fwCfgPort === undefined ? [] : fwCfg(platform.fwCfgPort),
  ].flat();
}

function keyboardAndMouse(): readonly Aml[] {
  return [fixedDevice("KBD_", "PNP0303", io(0x60, 1), io(0x64, 1), irq(1)), fixedDevice("MOU_", "PNP0F13", irq(12))];
}

/** A virtio device over MMIO, by the identifier that Linux's driver knows. */
function virtioWindow({ gpa, length, gsi }: AcpiPlatform["virtioWindows"][number], index: number): Aml {
  return device(
    `VR${index.toString(16).toUpperCase().padStart(2, "0")}`,
    defineName("_HID", string("LNRO0005")),
    defineName("_UID", integer(index)),
    defineName("_CRS", resourceTemplate(memory32Fixed(gpa, length), sharedInterrupt(gsi))),
  );
}

function fixedDevice(path: string, id: string, ...descriptors: readonly Aml[]): Aml {
  return device(path, defineName("_HID", eisaId(id)), defineName("_CRS", resourceTemplate(...descriptors)));
}

/** QEMU docs/specs/fw_cfg.rst, "ACPI Interface". */
function fwCfg(port: number): Aml {
  return device(
    "FWCF",
    defineName("_HID", string("QEMU0002")),
    defineName("_STA", integer(STA_PRESENT_HIDDEN)),
    defineName("_CRS", resourceTemplate(io(port, 12))),
  );
}

function hpet(gpa: number): Aml {
  return device(
    "HPET",
    defineName("_HID", eisaId("PNP0103")),
    defineName("_UID", integer(0)),
    defineName("_CRS", resourceTemplate(memory32Fixed(gpa, 0x400))),
  );
}
