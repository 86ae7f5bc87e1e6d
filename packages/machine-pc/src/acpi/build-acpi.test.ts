import { describe, expect, it } from "vitest";
import { buildAcpi } from "./build-acpi.ts";
import type { AcpiPlatform } from "./platform.ts";

const platform: AcpiPlatform = {
  interruptOverrides: [
    { irq: 0, gsi: 2, levelTriggered: false },
    { irq: 9, gsi: 9, levelTriggered: true },
  ],
  localApicGpa: 0xfee00000,
  ioApicGpa: 0xfec00000,
  ioApicId: 0,
  cpuCount: 1,
  hpetGpa: 0xfed00000,
  pm: { eventPort: 0x600, controlPort: 0x604, timerPort: 0x608, timer32: true, sciIrq: 9, s5SleepType: 5 },
  reset: { port: 0xcf9, value: 6 },
  serialPorts: [{ port: 0x3f8, irq: 4 }],
  fwCfgPort: 0x510,
  keyboardController: true,
  vga: false,
  pci: {
    ecam: { gpa: 0xe0000000, length: 0x10000000 },
    memory: [{ first: 0xc0000000, last: 0xdfffffff }],
    interrupts: [0, 1, 2, 3].map((i) => ({ gsi: 16 + i, irq: 10 + (i & 1) })),
  },
  virtioWindows: [],
};

function build(change: Partial<AcpiPlatform> = {}) {
  const acpi = buildAcpi({ ...platform, ...change }, 0xf0000);
  const bios = new Uint8Array(0x10000);
  for (const segment of acpi.segments) bios.set(segment.bytes, segment.gpa - 0xf0000);
  const view = new DataView(bios.buffer);
  const u32 = (gpa: number): number => view.getUint32(gpa - 0xf0000, true);
  const tableAt = (gpa: number): Uint8Array => bios.subarray(gpa - 0xf0000, gpa - 0xf0000 + u32(gpa + 4));
  const signature = (gpa: number): string => String.fromCharCode(...bios.subarray(gpa - 0xf0000, gpa - 0xf0000 + 4));
  const rsdtGpa = u32(acpi.rsdpGpa + 16);
  const listed = Array.from({ length: (u32(rsdtGpa + 4) - 36) / 4 }, (_, i) => u32(rsdtGpa + 36 + 4 * i));
  const find = (name: string): number => listed.find((gpa) => signature(gpa) === name) ?? -1;
  return { acpi, bios, view, u32, tableAt, signature, rsdtGpa, listed, find };
}

const sum = (bytes: Uint8Array): number => bytes.reduce((a, b) => a + b, 0) & 0xff;

describe("buildAcpi", () => {
  it("makes an RSDP with both checksums, on a 16-byte boundary in the BIOS area", () => {
    const { acpi, bios } = build();
    expect(acpi.rsdpGpa % 16).toBe(0);
    const root = bios.subarray(acpi.rsdpGpa - 0xf0000);
    expect(String.fromCharCode(...root.subarray(0, 8))).toBe("RSD PTR ");
    expect([sum(root.subarray(0, 20)), sum(root.subarray(0, 36))]).toEqual([0, 0]);
    expect(acpi.end).toBeLessThan(0x100000);
  });

  it("lists the same tables in RSDT and XSDT, all with right checksums", () => {
    const { acpi, u32, view, listed, tableAt, signature, rsdtGpa } = build();
    const xsdtGpa = u32(acpi.rsdpGpa + 24);
    expect(listed.map(signature)).toEqual(["FACP", "APIC", "HPET", "MCFG"]);
    expect(listed.map((_, i) => Number(view.getBigUint64(xsdtGpa - 0xf0000 + 36 + 8 * i, true)))).toEqual(listed);
    for (const gpa of [rsdtGpa, xsdtGpa, ...listed]) expect(sum(tableAt(gpa))).toBe(0);
  });

  it("points from the FADT to DSDT and FACS, in both widths", () => {
    const { find, u32, tableAt, signature } = build();
    const fadt = find("FACP");
    expect(tableAt(fadt).length).toBe(268);
    const [facs, dsdt] = [u32(fadt + 36), u32(fadt + 40)];
    expect([u32(fadt + 132), u32(fadt + 140)]).toEqual([facs, dsdt]);
    expect([signature(facs), signature(dsdt)]).toEqual(["FACS", "DSDT"]);
    expect(facs % 64).toBe(0);
    expect(sum(tableAt(dsdt))).toBe(0);
  });

  it("has S3 in the DSDT where the board has it", () => {
    const dsdtOf = ({ tableAt, u32, find }: ReturnType<typeof build>): string =>
      String.fromCharCode(...tableAt(u32(find("FACP") + 40)));
    expect(dsdtOf(build())).not.toContain("_S3_");
    const type = String.fromCharCode(0x0a, 3, 0x0a, 3, 0, 0);
    expect(dsdtOf(build({ pm: { ...platform.pm, s3SleepType: 3 } }))).toContain(`_S3_\x12\x08\x04${type}`);
  });

  it("describes the PM registers and how to reset", () => {
    const { find, u32, bios } = build();
    const fadt = find("FACP");
    expect([u32(fadt + 48), u32(fadt + 56), u32(fadt + 64), u32(fadt + 76)]).toEqual([0, 0x600, 0x604, 0x608]);
    expect([u32(fadt + 120), bios[fadt - 0xf0000 + 128]]).toEqual([0xcf9, 6]);
    const flags = u32(fadt + 112);
    expect(flags & ((1 << 8) | (1 << 10))).toBe((1 << 8) | (1 << 10));
    const narrow = build({ pm: { ...platform.pm, timer32: false } });
    expect(narrow.u32(narrow.find("FACP") + 112) & (1 << 8)).toBe(0);
  });

  it("lists the APICs and how ISA interrupts reach them", () => {
    const { find, tableAt } = build({ cpuCount: 2 });
    const madt = tableAt(find("APIC"));
    const entries: number[][] = [];
    for (let at = 44; at < madt.length; at += madt[at + 1] as number) {
      entries.push([...madt.subarray(at, at + (madt[at + 1] as number))]);
    }
    expect(entries).toEqual([
      [0, 8, 0, 0, 1, 0, 0, 0],
      [0, 8, 1, 1, 1, 0, 0, 0],
      [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
      [2, 10, 0, 0, 2, 0, 0, 0, 5, 0],
      [2, 10, 0, 9, 9, 0, 0, 0, 13, 0],
      [4, 6, 0xff, 5, 0, 1],
    ]);
  });

  it("says where configuration space is, in MCFG and among the board's resources", () => {
    const { find, u32, tableAt } = build();
    const mcfg = find("MCFG");
    expect([tableAt(mcfg).length, u32(mcfg + 44), u32(mcfg + 48), u32(mcfg + 52)]).toEqual([
      60, 0xe0000000, 0, 0xff00_0000,
    ]);
    const dsdt = [...tableAt(u32(find("FACP") + 40))];
    const fixed = [0x86, 9, 0, 1, 0, 0, 0, 0xe0, 0, 0, 0, 0x10].join();
    expect(dsdt.join()).toContain(fixed);
  });

  it("lists virtio windows where there is no PCI, and no keyboard controller", () => {
    const { listed, signature, u32, find, tableAt, view } = build({
      pci: undefined,
      keyboardController: false,
      virtioWindows: [{ gpa: 0xfeb00200, length: 0x200, gsi: 17 }],
    });
    expect(listed.map(signature)).toEqual(["FACP", "APIC", "HPET"]);
    expect(view.getUint16(find("FACP") - 0xf0000 + 109, true) & 2).toBe(0);
    const dsdt = tableAt(u32(find("FACP") + 40));
    const text = String.fromCharCode(...dsdt);
    expect([text.includes("LNRO0005"), text.includes("COM1"), text.includes("KBD_"), text.includes("PCI0")]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([...dsdt].join()).toContain(
      [0x86, 9, 0, 1, 0, 2, 0xb0, 0xfe, 0, 2, 0, 0, 0x89, 6, 0, 9, 1, 17, 0, 0, 0].join(),
    );
  });

  it("says nothing of an HPET that is not there", () => {
    const { listed, signature, u32, find, tableAt } = build({ hpetGpa: undefined });
    expect(listed.map(signature)).toEqual(["FACP", "APIC", "MCFG"]);
    const dsdt = String.fromCharCode(...tableAt(u32(find("FACP") + 40)));
    expect(dsdt).not.toContain("HPET");
    expect(dsdt).toContain("COM1");
  });
});
