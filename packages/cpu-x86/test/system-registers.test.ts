import { beforeEach, describe, expect, it } from "vitest";
import { GPR, SEGMENT } from "../src/state/layout.ts";
import { MODE } from "../src/state/mode.ts";
import { BareMachine, CODE32, GDT, PAGE_TABLES, SEL, TSS } from "./bare-machine.ts";

let m: BareMachine;

describe("control registers", () => {
  beforeEach(() => {
    m = new BareMachine().protect();
  });
  const enterLong = (): void => {
    m.mapIdentity();
    m.call("movToCr", 4, 0x20);
    m.call("movToCr", 3, PAGE_TABLES);
    m.cpu.setGpr32(GPR.rcx, 0xc000_0080);
    m.cpu.setGpr32(GPR.rax, 0x100);
    m.cpu.setGpr32(GPR.rdx, 0);
    m.call("wrmsr");
  };

  it("goes through the steps into and out of long mode", () => {
    enterLong();
    expect(m.call("movToCr", 0, 0x8000_0011)).toBe("exit");
    expect([m.cpu.longMode, m.cpu.walker.mode, m.cpu.get32("mode") & MODE.codeSizeMask]).toEqual([
      true,
      "long4",
      MODE.code32,
    ]);
    expect(m.faultOf("movToCr", 4, 0)).toBe("#GP(0)");
    m.call("jumpFar", SEL.code64, 0x100, 32);
    expect(m.cpu.code64).toBe(true);
    expect(m.faultOf("movToCr", 0, 0x11)).toBe("#GP(0)");
    m.call("jumpFar", SEL.code0, 0x100, 64);
    expect(m.call("movToCr", 0, 0x11)).toBe("exit");
    expect([m.cpu.longMode, m.cpu.walker.mode]).toEqual([false, "bare"]);
  });

  it("refuses paging with LME but without PAE, or from code with L", () => {
    enterLong();
    m.call("movToCr", 4, 0);
    expect(m.faultOf("movToCr", 0, 0x8000_0011)).toBe("#GP(0)");
    m.call("movToCr", 4, 0x20);
    m.cpu.set32("segAttributes", 0xa09b, SEGMENT.cs);
    expect(m.faultOf("movToCr", 0, 0x8000_0011)).toBe("#GP(0)");
  });

  it.each([
    ["PG without PE", 0, 0x8000_0010],
    ["NW without CD", 0, 0x2000_0011],
    ["CR4 bits that do not exist", 4, 1 << 14],
    ["PCIDE outside long mode", 4, 1 << 17],
    ["VME, which is not implemented", 4, 1],
  ])("refuses %s", (_, number, value) => {
    const before = [m.cpu.get64("cr0"), m.cpu.get64("cr4")];
    expect(m.faultOf("movToCr", number, value)).toBe("#GP(0)");
    expect([m.cpu.get64("cr0"), m.cpu.get64("cr4")]).toEqual(before);
  });

  it("ignores reserved bits of CR0 and keeps ET", () => {
    m.call("movToCr", 0, 0x1fc0_ffe1);
    expect(m.cpu.get64("cr0")).toBe(0x31n);
  });

  it("does not know CR1, CR5 and CR9, and is for CPL 0", () => {
    for (const number of [1, 5, 9]) {
      expect(m.faultOf("movToCr", number, 0)).toBe("#UD");
      expect(m.faultOf("movFromCr", number, 0)).toBe("#UD");
    }
    m.user();
    expect(m.faultOf("movToCr", 0, 0x11)).toBe("#GP(0)");
    expect(m.faultOf("movFromCr", 3, 0)).toBe("#GP(0)");
  });

  it("leaving protected mode keeps the segment caches until they are loaded", () => {
    expect(m.call("movToCr", 0, 0x10)).toBe("exit");
    expect(m.cpu.get32("mode")).toBe(MODE.code32 | MODE.stack32 | MODE.realAddressing);
  });

  it("PAE: malformed PDPTEs refuse the load and keep the old CR3", () => {
    m.write64(0x20_0000, 0x1n);
    m.write64(0x20_1000, 0x3n);
    m.call("movToCr", 4, 0x20);
    m.call("movToCr", 3, 0x20_0000);
    expect(m.call("movToCr", 0, 0x8000_0011)).toBe("exit");
    expect(m.faultOf("movToCr", 3, 0x20_1000)).toBe("#GP(0)");
    expect([m.cpu.get64("cr3"), m.cpu.walker.registers.cr3]).toEqual([0x20_0000n, 0x20_0000]);
    m.call("movToCr", 0, 0x11);
    m.call("movToCr", 3, 0x20_1000);
    expect(m.faultOf("movToCr", 0, 0x8000_0011)).toBe("#GP(0)");
    expect([m.cpu.low("cr0"), m.cpu.walker.mode]).toEqual([0x11, "bare"]);
  });

  it("PCIDE wants CR3[11:0] zero; bit 63 of CR3 is not kept", () => {
    m = new BareMachine().long();
    m.call("movToCr", 3, PAGE_TABLES | 0x18);
    expect(m.faultOf("movToCr", 4, 0x2_0020)).toBe("#GP(0)");
    m.call("movToCr", 3, PAGE_TABLES);
    expect(m.call("movToCr", 4, 0x2_0020)).toBe("jump");
    expect(m.call("movToCr", 3, (1n << 63n) | BigInt(PAGE_TABLES + 5))).toBe("jump");
    expect(m.cpu.get64("cr3")).toBe(BigInt(PAGE_TABLES + 5));
    expect(m.faultOf("movToCr", 0, 0x11)).toBe("#GP(0)");
    expect(m.faultOf("movToCr", 3, 1n << 40n)).toBe("#GP(0)");
    expect(m.faultOf("movToCr", 4, 0x2_1020)).toBe("#GP(0)");
  });

  it("CR8 is the task priority", () => {
    m = new BareMachine().long();
    expect(m.call("movToCr", 8, 9)).toBe("exit");
    m.call("movFromCr", 8, GPR.rbx * 8);
    expect([m.cpu.host.taskPriority, m.cpu.gpr64(GPR.rbx)]).toEqual([9, 9n]);
    expect(m.faultOf("movToCr", 8, 16)).toBe("#GP(0)");
  });

  it("LMSW sets but cannot clear PE; CLTS clears TS", () => {
    m.call("lmsw", 0xffff);
    expect(m.cpu.low("cr0")).toBe(0x1f);
    m.call("clts");
    m.call("lmsw", 0);
    expect(m.cpu.low("cr0")).toBe(0x11);
    m.user();
    expect([m.faultOf("clts"), m.faultOf("lmsw", 1)]).toEqual(["#GP(0)", "#GP(0)"]);
  });
});

describe("debug registers", () => {
  beforeEach(() => {
    m = new BareMachine().protect();
  });

  it("fixes reserved bits of DR6 and DR7", () => {
    m.call("movToDr", 6, 0xffff_ffff);
    m.call("movToDr", 7, 0xffff_d0ff);
    expect([m.cpu.low("dr", 6), m.cpu.low("dr", 7)]).toEqual([0xffff_efff, 0xffff_04ff]);
  });

  it("DR4 and DR5 are aliases without CR4.DE", () => {
    m.call("movToDr", 4, 0);
    m.call("movFromDr", 4, GPR.rax * 8);
    expect(m.cpu.gpr64(GPR.rax)).toBe(0xffff_0ff0n);
    m.call("movToCr", 4, 8);
    expect(m.faultOf("movFromDr", 4, 0)).toBe("#UD");
  });

  it("GD makes any access #DB with BD", () => {
    m.call("movToDr", 7, 0x2000);
    expect(m.call("movFromDr", 0, 0)).toBe("fault");
    m.take();
    expect([m.cpu.rip, m.cpu.low("dr", 6) & 0x2000, m.cpu.low("dr", 7)]).toEqual([0x8010n, 0x2000, 0x400]);
  });

  it("refuses upper bits of DR6 and DR7 in 64-bit mode only", () => {
    m.long();
    expect(m.faultOf("movToDr", 7, 1n << 32n)).toBe("#GP(0)");
    expect(m.call("movToDr", 0, 1n << 40n)).toBe("next");
  });
});

describe("table registers", () => {
  beforeEach(() => {
    m = new BareMachine().protect();
  });

  it("LGDT takes 24 bits of base with a 16-bit operand, SGDT gives 32", () => {
    m.write16(0x5000, 0x7f);
    m.write32(0x5002, 0xff12_3456);
    m.call("lgdt", 0x5000, 16);
    expect([m.cpu.get64("gdtrBase"), m.cpu.get32("gdtrLimit")]).toEqual([0x12_3456n, 0x7f]);
    m.call("lgdt", 0x5000, 32);
    m.write32(0x6006, 0xeeee_eeee);
    m.call("sgdt", 0x6000, 32);
    expect([m.read16(0x6000), m.read32(0x6002), m.read32(0x6006)]).toEqual([0x7f, 0xff12_3456, 0xeeee_eeee]);
  });

  it("LIDT is ten bytes in 64-bit mode, canonical", () => {
    m.long();
    m.write16(0x5000, 0xfff);
    m.write64(0x5002, 0xffff_8000_1234_5678n);
    m.call("lidt", 0x5000, 64);
    expect(m.cpu.get64("idtrBase")).toBe(0xffff_8000_1234_5678n);
    m.write64(0x5002, 0x1234_8000_1234_5678n);
    expect(m.faultOf("lidt", 0x5000, 64)).toBe("#GP(0)");
  });

  it("bases are canonical by what the processor can have, not by CR4.LA57", () => {
    const takes = (model: string, base: bigint): readonly string[] => {
      m = new BareMachine(model).long();
      m.write16(0x5000, 0xfff);
      m.write64(0x5002, base);
      m.setSystem(SEL.spare, Number(base & 0xffff_ffffn), 0x67, 0x89);
      m.write64(GDT + SEL.spare + 8, base >> 32n);
      const table = m.call("lidt", 0x5000, 64);
      if (table === "fault") m.fault();
      const task = m.call("ltr", SEL.spare);
      return [table, task === "fault" ? m.fault() : task];
    };
    expect(takes("max,+la57", 0xff00_0000_0000_0000n)).toEqual(["next", "next"]);
    expect(takes("max", 0xff00_0000_0000_0000n)).toEqual(["fault", "#GP(68)"]);
    expect(takes("max,+la57", 0xaa00_0000_0000_0000n)).toEqual(["fault", "#GP(68)"]);
  });

  it("stores across pages, or not at all", () => {
    m.long();
    m.write64(PAGE_TABLES + 0x1000, 0x87n);
    expect(m.call("sidt", 0x5ffc, 64)).toBe("next");
    expect(m.read16(0x5ffc)).toBe(0xfff);
    expect(m.faultOf("sidt", 0x4000_0000n - 4n, 64)).toBe("#PF(2)");
  });

  it("UMIP keeps SGDT, SIDT, SLDT, STR and SMSW from user code", () => {
    m.call("movToCr", 4, 0x800);
    expect(m.call("checkUmip")).toBe("next");
    m.user();
    for (const name of ["sgdt", "sidt", "checkUmip"] as const) expect(m.faultOf(name, 0x5000, 32)).toBe("#GP(0)");
  });

  it("LTR marks the TSS busy and refuses a busy one", () => {
    expect(m.read8(GDT + SEL.tss + 5)).toBe(0x8b);
    expect(m.faultOf("ltr", SEL.tss)).toBe("#GP(28)");
    m.setSystem(SEL.spare, TSS, 0x67, 0x09);
    expect(m.faultOf("ltr", SEL.spare)).toBe("#NP(68)");
    expect([m.faultOf("ltr", 0), m.faultOf("ltr", 0x0c), m.faultOf("lldt", SEL.tss)]).toEqual([
      "#GP(0)",
      "#GP(c)",
      "#GP(28)",
    ]);
    m.user();
    expect(m.faultOf("ltr", SEL.spare)).toBe("#GP(0)");
  });
});

describe("flags that privilege guards", () => {
  beforeEach(() => {
    m = new BareMachine().protect();
  });

  it("CLI and STI need IOPL", () => {
    m.user();
    expect([m.faultOf("cli"), m.faultOf("sti")]).toEqual(["#GP(0)", "#GP(0)"]);
    m.cpu.rflags = 0x3202;
    expect(m.call("cli")).toBe("next");
    expect(m.call("sti")).toBe("exit");
    expect([m.cpu.rflags, m.cpu.get32("interruptShadow")]).toEqual([0x3202, 1]);
  });

  it("STI shadows only if it enables", () => {
    m.cpu.rflags = 0x202;
    expect(m.call("sti")).toBe("next");
    expect(m.cpu.get32("interruptShadow")).toBe(0);
  });

  it("POPF takes IOPL at CPL 0 and IF at CPL <= IOPL, and pops", () => {
    m.call("popf", 0x003f_7fd7, 32);
    expect([m.cpu.rflags, m.cpu.rsp]).toEqual([0x24_7fd7, 0x7004n]);
    m.user();
    m.cpu.rflags = 0x1002;
    m.call("popf", 0x3202, 32);
    expect(m.cpu.rflags).toBe(0x1002);
    m.call("popf", 0xffff_0000, 16);
    expect(m.cpu.rflags).toBe(0x1002);
  });

  it("POPFD leaves VIF and VIP as they are", () => {
    m.cpu.rflags = 0x18_0002;
    m.call("popf", 2, 32);
    expect(m.cpu.rflags).toBe(0x18_0002);
  });

  it("STAC and CLAC need CPL 0, and CR4.SMAP only to have an effect", () => {
    expect([m.call("stac"), m.cpu.rflags & 0x4_0000]).toEqual(["next", 0x4_0000]);
    expect([m.call("clac"), m.cpu.rflags & 0x4_0000]).toEqual(["next", 0]);
    m.call("movToCr", 4, 1 << 21);
    const before = m.cpu.low("tlbContext");
    expect(m.call("stac")).toBe("next");
    expect([m.cpu.rflags & 0x4_0000, m.cpu.low("tlbContext") === before]).toEqual([0x4_0000, false]);
    m.call("clac");
    expect(m.cpu.low("tlbContext")).toBe(before);
    m.user();
    expect(m.faultOf("stac")).toBe("#UD");
  });
});

describe("fast system calls", () => {
  beforeEach(() => {
    m = new BareMachine().long();
    m.cpu.set64("star", (0x0013_0008n << 32n) | 0x1234n);
    m.cpu.set64("lstar", 0xffff_8000_0000_1000n);
    m.cpu.set64("cstar", 0x2000n);
    m.cpu.set64("sfmask", 0x4_7700n);
  });

  it("SYSCALL and SYSRET are each other's reverse", () => {
    m.user();
    m.cpu.rflags = 0x346;
    m.cpu.rip = 0x7fff_1234_5678n;
    expect(m.call("syscall")).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rip, m.cpu.gpr64(GPR.rcx), m.cpu.gpr64(GPR.r11), m.cpu.rflags]).toEqual([
      0,
      0xffff_8000_0000_1000n,
      0x7fff_1234_5678n,
      0x346n,
      0x46,
    ]);
    expect([m.selector("cs"), m.selector("ss"), m.cpu.get32("mode")]).toEqual([0x08, 0x10, MODE.code64]);
    m.cpu.setGpr64(GPR.r11, 0x246n);
    expect(m.call("sysret", 64)).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rip, m.selector("cs"), m.selector("ss"), m.cpu.rflags]).toEqual([
      3,
      0x7fff_1234_5678n,
      0x23,
      0x1b,
      0x246,
    ]);
    m.setFlat(0, SEL.code64);
    expect(m.call("sysret", 32)).toBe("jump");
    expect([m.cpu.code64, m.selector("cs"), m.cpu.rip]).toEqual([false, 0x13, 0x1234_5678n]);
  });

  it("from 32-bit code it uses CSTAR on AMD's and is undefined on Intel's", () => {
    m.setFlat(3, SEL.code3);
    expect(m.call("syscall")).toBe("jump");
    expect([m.cpu.rip, m.cpu.code64]).toEqual([0x2000n, true]);
  });

  it("needs EFER.SCE, and SYSRET CPL 0", () => {
    m.user();
    expect(m.faultOf("sysret", 64)).toBe("#GP(0)");
    m.cpu.set64("efer", 0xd00n);
    expect([m.faultOf("syscall"), m.faultOf("sysret", 64)]).toEqual(["#UD", "#UD"]);
  });

  it("SYSENTER and SYSEXIT work in protected mode", () => {
    m = new BareMachine().protect();
    expect(m.faultOf("sysenter")).toBe("#GP(0)");
    m.cpu.set64("sysenterCs", 8n);
    m.cpu.set64("sysenterEsp", 0x9999n);
    m.cpu.set64("sysenterEip", 0x8888n);
    m.user();
    m.cpu.rflags = 0x202;
    expect(m.call("sysenter")).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rip, m.cpu.rsp, m.cpu.rflags, m.selector("ss")]).toEqual([0, 0x8888n, 0x9999n, 2, 0x10]);
    m.cpu.setGpr32(GPR.rcx, 0x5000);
    m.cpu.setGpr32(GPR.rdx, 0x4000);
    expect(m.call("sysexit", 32)).toBe("jump");
    expect([m.cpu.cpl, m.cpu.rip, m.cpu.rsp, m.selector("cs"), m.selector("ss")]).toEqual([
      3,
      0x4000n,
      0x5000n,
      0x1b,
      0x23,
    ]);
  });

  it("SWAPGS exchanges the bases and is for 64-bit code at CPL 0", () => {
    m.cpu.set64("kernelGsBase", 0xffff_8000_dead_0000n);
    m.cpu.set64("segBase", 0x1111_2222n, SEGMENT.gs);
    expect(m.call("swapgs")).toBe("next");
    expect([m.cpu.get64("segBase", SEGMENT.gs), m.cpu.get64("kernelGsBase")]).toEqual([
      0xffff_8000_dead_0000n,
      0x1111_2222n,
    ]);
    m.user();
    expect(m.faultOf("swapgs")).toBe("#GP(0)");
    m.setFlat(0, SEL.code0);
    expect(m.faultOf("swapgs")).toBe("#UD");
  });

  it("FS and GS base instructions need CR4.FSGSBASE and canonical values", () => {
    expect(m.faultOf("readSegmentBase", SEGMENT.fs, 0, 64)).toBe("#UD");
    m.call("movToCr", 4, 0x1_0020);
    expect(m.faultOf("writeSegmentBase", SEGMENT.fs, 1n << 57n)).toBe("#GP(0)");
    m.call("writeSegmentBase", SEGMENT.fs, 0x7fff_ffff_0000n);
    m.call("readSegmentBase", SEGMENT.fs, GPR.rdi * 8, 64);
    expect(m.cpu.gpr64(GPR.rdi)).toBe(0x7fff_ffff_0000n);
    m.call("readSegmentBase", SEGMENT.fs, GPR.rdi * 8, 32);
    expect(m.cpu.gpr64(GPR.rdi)).toBe(0xffff_0000n);
  });
});

describe("real mode with a protected-mode past", () => {
  it("runs 16-bit code after the far jump", () => {
    m = new BareMachine().protect();
    m.setDescriptor(SEL.spare, 0xffff, CODE32 & ~0x00cf_0000);
    m.call("jumpFar", SEL.spare, 0x100, 32);
    m.call("movToCr", 0, 0x10);
    m.call("jumpFar", 0x1000, 0x20, 16);
    expect([m.cpu.get32("mode") & MODE.codeSizeMask, m.cpu.get64("segBase", SEGMENT.cs)]).toEqual([
      MODE.code16,
      0x1_0000n,
    ]);
  });
});
