import { beforeEach, describe, expect, test } from "vitest";
import { InsnMachine } from "../../test/insn-machine.ts";
import { CR4 } from "../state/bits.ts";

const RDTSC = "0f31";
const RDTSCP = "0f01f9";
let m: InsnMachine;

beforeEach(() => {
  m = new InsnMachine(64);
  m.nowNs = 0x1_2345_6789 + 0.8;
  m.set({ rax: -1n, rdx: -1n, rcx: -1n });
});

describe("the time-stamp counter", () => {
  test("is the clock in whole nanoseconds, in two clean halves", () => {
    m.run(RDTSC);
    expect([m.get("rax"), m.get("rdx"), m.get("rcx")]).toEqual([0x2345_6789n, 1n, 0xffff_ffff_ffff_ffffn]);
  });

  test("is ahead of it by IA32_TSC_ADJUST, with carry and modulo 2^64", () => {
    m.cpu.set64("tscAdjust", 0xffff_ffffn);
    m.run(RDTSC);
    expect([m.get("rax"), m.get("rdx")]).toEqual([0x2345_6788n, 2n]);
    m.cpu.set64("tscAdjust", -0x1_2345_678an & 0xffff_ffff_ffff_ffffn);
    m.run(RDTSC);
    expect([m.get("rax"), m.get("rdx")]).toEqual([0xffff_ffffn, 0xffff_ffffn]);
  });

  test("comes with IA32_TSC_AUX by RDTSCP", () => {
    m.cpu.setLow("tscAux", 0x8000_0007);
    m.run(RDTSCP);
    expect([m.get("rax"), m.get("rdx"), m.get("rcx")]).toEqual([0x2345_6789n, 1n, 0x8000_0007n]);
  });

  test.each([RDTSC, RDTSCP])("%s: TSD keeps it from user code, and from nobody else", (hex) => {
    m.cpu.setLow("cr4", CR4.TSD);
    m.run(hex);
    expect([m.fault, m.get("rdx")]).toEqual(["none", 1n]);
    m.set({ rdx: 5n });
    m.cpu.set32("cpl", 3);
    m.run(hex);
    expect([m.fault, m.get("rdx")]).toEqual(["#GP(0)", 5n]);
  });
});
