// What system instructions do in generated code against the helpers that know all of it: the same state, whatever it was before.
import { describe, expect, it } from "vitest";
import { RECORD } from "../src/decode/decoded-insn.ts";
import { Decoder } from "../src/decode/decoder.ts";
import { EXIT_CODE } from "../src/interpreter/exits.ts";
import { recomputeMode, setNullSegment } from "../src/segments/cache.ts";
import { CR4, EFER, FLAG } from "../src/state/bits.ts";
import { AT, GPR, SEGMENT, STATE_END } from "../src/state/layout.ts";
import { SCRATCH_RECORDS } from "../src/state/memory-map.ts";
import type { HelperName } from "../src/system/helpers.ts";
import { BareMachine, CODE32, CODE64, DATA32, DPL3, FLAT_LOW, GDT, SEL } from "./bare-machine.ts";
import { compileHandler, instantiateHandler } from "./insn-machine.ts";

const STACK = 0x7000;
const ROUNDS = 400;
const ACCESSED = 1 << 8;
/** Flat segments as kernels have them: accessed already. */
const KERNEL_CS = 0x70;
const KERNEL_SS = 0x78;
const USER_CS32 = 0x80;
const USER_SS = 0x88;
const USER_CS64 = 0x90;

/** A small generator: 32 random bits a call. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
}

class Pair {
  readonly fast: BareMachine;
  readonly slow: BareMachine;
  readonly #decoder: Decoder;
  readonly #handlers = new Map<string, (record: number) => number>();
  /** How often generated code did it alone. */
  alone = 0;

  constructor(make: () => BareMachine) {
    this.fast = make();
    this.slow = make();
    this.#decoder = new Decoder(this.fast.cpu.u8.buffer, () => true);
  }

  both(change: (m: BareMachine) => void): void {
    change(this.fast);
    change(this.slow);
  }

  /** Runs the instruction on one machine and the helper on the other. */
  compare(hex: string, helper: HelperName, args: (m: BareMachine) => readonly (number | bigint)[]): void {
    const bytes = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
    const { cpu } = this.slow;
    const [given, start] = [args(this.slow), cpu.rip];
    cpu.rip = start + BigInt(bytes.length);
    const result = this.slow.call(helper, ...given);
    if (result === "fault") cpu.rip = start;
    this.#run(bytes, hex, start);
    // Where nothing waits, nobody can see the shadow of STI.
    if (this.fast.cpu.get32("interruptRequest") === 0) this.both((m) => m.cpu.set32("interruptShadow", 0));
    expect(differences(this.fast, this.slow)).toEqual([]);
    this.both((m) => m.cpu.set32("pendingVector", 0));
  }

  #run(bytes: Uint8Array, hex: string, start: bigint): void {
    const { cpu } = this.fast;
    this.#decoder.decode(bytes, 0, bytes.length, cpu.get32("mode"), SCRATCH_RECORDS, 0, 0);
    cpu.set64("gpr", start, GPR.pageRip);
    const key = `${hex} ${cpu.view.getUint16(SCRATCH_RECORDS + RECORD.handler, true)}`;
    const handler = this.#handlers.get(key) ?? this.#instantiate();
    this.#handlers.set(key, handler);
    const calls = this.#helperCalls;
    const exit = handler(SCRATCH_RECORDS);
    if (exit === EXIT_CODE.fault) cpu.rip = start;
    else if (exit === EXIT_CODE.next) cpu.rip = start + BigInt(bytes.length);
    if (calls === this.#helperCalls && exit !== EXIT_CODE.fault) this.alone++;
  }

  #helperCalls = 0;

  #instantiate(): (record: number) => number {
    const { cpu, memory } = this.fast;
    const number = cpu.view.getUint16(SCRATCH_RECORDS + RECORD.handler, true);
    return instantiateHandler(compileHandler(number), cpu, memory, () => this.#helperCalls++);
  }
}

const IGNORED = new Set(["helperArgs", "bounce", "effectiveAddress", "fuel", "exitReason"]);

function differences(a: BareMachine, b: BareMachine): string[] {
  const places = Object.entries(AT).sort(([, x], [, y]) => x - y);
  const found: string[] = [];
  for (const [i, [field, at]] of places.entries()) {
    if (IGNORED.has(field)) continue;
    const end = places[i + 1]?.[1] ?? STATE_END;
    for (let word = at; word < end; word += 4) {
      if (field === "gpr" && word >= at + GPR.pageRip * 8) continue;
      const [x, y] = [a.cpu.u32[word >> 2] as number, b.cpu.u32[word >> 2] as number];
      if (x !== y) found.push(`${field}+${word - at}: ${x.toString(16)} is to be ${y.toString(16)}`);
    }
  }
  return found;
}

/** A machine with accessed flat segments, FSGSBASE, in 64-bit code or flat 32-bit code, at CPL 0. */
function kernel(bits: 32 | 64): BareMachine {
  const m = bits === 64 ? new BareMachine().long() : new BareMachine().protect();
  for (const [selector, high] of [
    [KERNEL_CS, bits === 64 ? CODE64 : CODE32],
    [KERNEL_SS, DATA32],
    [USER_CS32, CODE32 | DPL3],
    [USER_SS, DATA32 | DPL3],
    [USER_CS64, CODE64 | DPL3],
  ] as const)
    m.setDescriptor(selector, FLAT_LOW, high | ACCESSED);
  const { cpu } = m;
  if (bits === 64) cpu.set64("cr4", BigInt(0x20 | CR4.FSGSBASE | CR4.PGE | CR4.PKE));
  cpu.set64("efer", cpu.get64("efer") | BigInt(EFER.SCE));
  cpu.linear.pagingChanged(false);
  for (const segment of [SEGMENT.fs, SEGMENT.gs]) setNullSegment(cpu, segment, 0);
  if (bits === 64) for (const segment of [SEGMENT.ds, SEGMENT.es]) setNullSegment(cpu, segment, 0);
  return m;
}

/** Flags that may be set in images, and what may wait, at random but the rare ones rarely. */
function randomImage(random: () => number): number {
  const rare = random() % 8 === 0 ? FLAG.TF | FLAG.NT | FLAG.VM | FLAG.RF | FLAG.VIP | (3 << 12) : 0;
  return (random() & (0x8d5 | FLAG.IF | FLAG.DF | FLAG.ID | rare | (random() % 4 === 0 ? FLAG.AC : 0))) | 2;
}

function shake(pair: Pair, random: () => number, cpl: 0 | 3, code: number): void {
  const [flags, waits] = [randomImage(random) & ~(FLAG.VM | FLAG.NT | FLAG.VIP), random() % 6 === 0];
  const fuel = random() % 8 === 0 ? 1 : 100_000;
  pair.both((m) => {
    const { cpu } = m;
    m.setFlat(cpl, code);
    cpu.rflags = flags;
    recomputeMode(cpu);
    cpu.set32("interruptRequest", waits ? 1 : 0);
    cpu.set32("interruptShadow", 0);
    cpu.set32("fuel", fuel);
    cpu.rip = 0x1_0000n;
    cpu.rsp = BigInt(STACK);
  });
}

describe.each([64, 32] as const)("in flat %i-bit code", (bits) => {
  const wide = bits === 64;
  const codes = wide ? [KERNEL_CS, USER_CS64 | 3] : [KERNEL_CS, USER_CS32 | 3];
  const simple: readonly (readonly [string, string, HelperName])[] = [
    ["CLI", "fa", "cli"],
    ["STI", "fb", "sti"],
    ...(wide
      ? ([
          ["STAC", "0f01cb", "stac"],
          ["CLAC", "0f01ca", "clac"],
          ["SWAPGS", "0f01f8", "swapgs"],
          ["SYSCALL", "0f05", "syscall"],
        ] as const)
      : ([["SYSENTER", "0f34", "sysenter"]] as const)),
  ];

  it.each(simple)("%s does what its helper does", (_, hex, helper) => {
    const random = randomNumbers(bits);
    const pair = new Pair(() => kernel(bits));
    for (let round = 0; round < ROUNDS; round++) {
      const cpl = random() % 2 === 0 ? 0 : 3;
      shake(pair, random, cpl, codes[cpl === 0 ? 0 : 1] as number);
      const mask = random() % 4 === 0 ? random() : 0x4_7700 | FLAG.AC;
      const base = BigInt(random());
      const star = BigInt(random()) << 32n;
      const smap = helper.endsWith("ac") && random() % 8 !== 0 ? CR4.SMAP : 0;
      pair.both(({ cpu }) => {
        cpu.setLow("cr4", (cpu.low("cr4") & ~CR4.SMAP) | smap);
        cpu.set64("sfmask", BigInt(mask >>> 0));
        cpu.set64("lstar", 0xffff_ffff_8100_0000n + base);
        cpu.set64("star", star);
        cpu.set64("sysenterCs", (star >> 40n) & 0xffffn);
        cpu.set64("sysenterEsp", base);
        cpu.set64("sysenterEip", base + 5n);
        cpu.set64("kernelGsBase", base);
      });
      pair.compare(hex, helper, () => []);
    }
    expect(pair.alone).toBeGreaterThan(ROUNDS / 8);
  });

  it(wide ? "SYSRET does what its helper does" : "SYSEXIT does what its helper does", () => {
    const random = randomNumbers(bits + 1);
    const pair = new Pair(() => kernel(bits));
    for (let round = 0; round < ROUNDS; round++) {
      const cpl = random() % 8 === 0 ? 3 : 0;
      shake(pair, random, cpl, codes[cpl === 0 ? 0 : 1] as number);
      const [rip, image, rsp] = [random(), randomImage(random), random()];
      const high = random() % 6 === 0 ? 0x8000n : 0x7fffn;
      const star = BigInt(random()) << 32n;
      pair.both(({ cpu }) => {
        cpu.set64("star", star);
        cpu.set64("sysenterCs", (star >> 44n) & 0xffffn);
        cpu.setGpr64(GPR.rcx, (high << 32n) | BigInt(rip));
        cpu.setGpr64(GPR.rdx, BigInt(rsp));
        cpu.setGpr64(GPR.r11, BigInt(image));
      });
      if (wide) pair.compare("480f07", "sysret", () => [64]);
      else pair.compare("0f35", "sysexit", () => [32]);
    }
    expect(pair.alone).toBeGreaterThan(ROUNDS / 8);
  });

  it("POPF does what its helper does", () => {
    const random = randomNumbers(bits + 2);
    const pair = new Pair(() => kernel(bits));
    for (let round = 0; round < ROUNDS; round++) {
      const cpl = random() % 2 === 0 ? 0 : 3;
      shake(pair, random, cpl, codes[cpl === 0 ? 0 : 1] as number);
      const image = randomImage(random);
      pair.both((m) => {
        m.write64(STACK, BigInt(image));
        m.cpu.linear.reach(STACK, 0, 8, m.cpu.explicitAccess);
      });
      pair.compare("9d", "popf", () => [image, bits]);
    }
    expect(pair.alone).toBeGreaterThan(ROUNDS / 8);
  });

  it("IRET does what its helper does", () => {
    const random = randomNumbers(bits + 3);
    const pair = new Pair(() => kernel(bits));
    const pick = <T>(...list: readonly T[]): T => list[random() % list.length] as T;
    for (let round = 0; round < ROUNDS * 2; round++) {
      shake(pair, random, 0, KERNEL_CS);
      const user = random() % 2 === 0;
      const usual = user
        ? [wide ? USER_CS64 | 3 : USER_CS32 | 3, USER_SS | 3]
        : [KERNEL_CS, wide ? pick(0, KERNEL_SS) : KERNEL_SS];
      const odd = [pick(0, KERNEL_CS, USER_CS32 | 3, USER_CS64 | 3, 0x65), pick(0, KERNEL_SS | 3, USER_SS, 0x65, 3)];
      const [cs, ss] = random() % 5 === 0 ? odd : usual;
      const high = random() % 8 === 0 && wide ? 0x1_8000n : 0n;
      const frame = [(high << 32n) | BigInt(random()), cs as number, randomImage(random), random(), ss as number];
      const guarded = random() % 10 === 0;
      const blocked = random() % 10 === 0 ? 1 : 0;
      pair.both((m) => {
        for (const [i, value] of frame.entries()) {
          if (wide) m.write64(STACK + i * 8, BigInt(value));
          else m.write32(STACK + i * 4, Number(BigInt(value) & 0xffff_ffffn));
        }
        const { cpu } = m;
        if (wide) for (const segment of [SEGMENT.ds, SEGMENT.es]) setNullSegment(cpu, segment, 0);
        if (guarded) m.cpu.set32("segAttributes", 0xc093, SEGMENT.fs);
        else setNullSegment(cpu, SEGMENT.fs, 0);
        if (!wide) {
          const own = user && !guarded;
          for (const segment of [SEGMENT.ds, SEGMENT.es]) cpu.set32("segAttributes", own ? 0xc0f3 : 0xc093, segment);
        }
        cpu.set32("nmiBlocked", blocked);
        for (const at of [STACK, 0x1000]) cpu.linear.reach(at, 0, 8, 0);
      });
      pair.compare(wide ? "48cf" : "cf", "returnFromInterrupt", () => [bits]);
    }
    expect(pair.alone).toBeGreaterThan(ROUNDS / 4);
  });
});

describe.each([64, 32] as const)("data segments in flat %i-bit code", (bits) => {
  const { es, ss, ds, fs, gs } = SEGMENT;
  const pops = new Map([
    [fs, "0fa1"],
    [gs, "0fa9"],
    ...(bits === 32
      ? ([
          [es, "07"],
          [ds, "1f"],
        ] as const)
      : []),
  ]);
  const random = randomNumbers(bits + 4);
  const pick = <T>(...list: readonly T[]): T => list[random() % list.length] as T;

  /** A machine with a descriptor that is hardly ever out of the ordinary, at CPL 0 as a rule. */
  function prepare(pair: Pair): number {
    const cpl = random() % 8 === 0 ? 3 : 0;
    shake(pair, random, cpl, cpl === 0 ? KERNEL_CS : (bits === 64 ? USER_CS64 : USER_CS32) | 3);
    const odd = 1 << (random() % 24);
    const high = (DATA32 | ACCESSED | pick(0, DPL3)) ^ (random() % 4 === 0 ? odd & 0xf0_ff00 : 0);
    const [baseLow, baseHigh] = pick([0, 0], [0, 0], [random() & 0xffff_0000, random() & 0xff00_00ff]);
    const limit = random() % 8 === 0 ? 0xffff ^ (1 << (random() % 16)) : 0xffff;
    const [isKnown, tableLimit] = [random() % 8 !== 0, random() % 8 === 0 ? SEL.spare + 6 : 0x1ff];
    pair.both((m) => {
      for (const segment of [es, ds]) {
        if (bits === 64) setNullSegment(m.cpu, segment, 0);
        else m.call("movToSegment", segment, cpl === 0 ? KERNEL_SS : USER_SS | 3);
      }
      m.setDescriptor(SEL.spare, (baseLow | limit) >>> 0, (high | baseHigh) >>> 0);
      m.cpu.set32("gdtrLimit", tableLimit);
      m.cpu.linear.flushAll();
      if (isKnown) m.cpu.linear.reach(GDT, 0, 8, 0);
    });
    return random() % 3 === 0 ? random() % 4 : SEL.spare | pick(0, 0, random() % 8);
  }

  it("are loaded by MOV as its helper loads them", () => {
    const pair = new Pair(() => kernel(bits));
    for (let round = 0; round < ROUNDS * 4; round++) {
      const selector = prepare(pair);
      const segment = pick(es, ds, fs, gs, fs, gs, ss);
      pair.both(({ cpu }) => cpu.setGpr64(GPR.rax, BigInt(selector | 0xabc_0000)));
      pair.compare(`8e${(0xc0 | (segment << 3)).toString(16)}`, "movToSegment", () => [segment, selector]);
    }
    expect(pair.alone).toBeGreaterThan(ROUNDS);
  });

  it("are loaded by POP as its helper loads them", () => {
    const pair = new Pair(() => kernel(bits));
    for (let round = 0; round < ROUNDS * 4; round++) {
      const selector = prepare(pair);
      const segment = pick(...pops.keys());
      pair.both((m) => {
        m.write64(STACK, BigInt(selector | 0x123_0000));
        m.cpu.linear.reach(STACK, 0, 8, m.cpu.explicitAccess);
      });
      pair.compare(pops.get(segment) as string, "popSegment", () => [segment, selector, bits / 8]);
    }
    expect(pair.alone).toBeGreaterThan(ROUNDS);
  });
});

describe("MOV from CR, protection keys, FS and GS bases", () => {
  it("do what their helpers do", () => {
    const random = randomNumbers(7);
    const pair = new Pair(() => kernel(64));
    for (let round = 0; round < 64; round++) {
      const cpl = random() % 4 === 0 ? 3 : 0;
      shake(pair, random, cpl, cpl === 0 ? KERNEL_CS : USER_CS64 | 3);
      const base = (BigInt(random() & 0x1_ffff) << 32n) | BigInt(random());
      pair.both(({ cpu }) => {
        cpu.set64("cr2", base);
        cpu.setGpr64(GPR.rax, base);
      });
      const number = random() % 9;
      const modrm = (0xc0 | ((number & 7) << 3)).toString(16);
      pair.compare(`${number === 8 ? "44" : ""}0f20${modrm}`, "movFromCr", () => [number, 0]);
      const [keys, key, index] = [random() % 3, random() % 3, random() % 8 === 0 ? 1 : 0];
      pair.both(({ cpu }) => {
        cpu.set32("pkru", keys);
        cpu.linear.protectionKeysChanged();
        cpu.setGpr64(GPR.rcx, BigInt(index));
      });
      pair.compare("0f01ee", "rdpkru", () => []);
      pair.both(({ cpu }) => cpu.setGpr64(GPR.rax, BigInt(key)));
      pair.compare("0f01ef", "wrpkru", () => []);
      pair.both(({ cpu }) => cpu.setGpr64(GPR.rax, base));
      pair.compare("f3480faed0", "writeSegmentBase", () => [SEGMENT.fs, pair.slow.cpu.gpr64(GPR.rax)]);
      pair.compare("f3480faec8", "readSegmentBase", () => [SEGMENT.gs, 0, 64]);
    }
    expect(pair.alone).toBeGreaterThan(32);
  });
});
