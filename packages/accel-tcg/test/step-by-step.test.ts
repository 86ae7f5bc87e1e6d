// One instruction a run and many a run are the same machine: decoded runs, caches and chained blocks are not to be seen.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Bits, CODE, DATA, STACK, TinyMachine } from "./tiny-machine.ts";

/** Instructions that mean the same kind of thing in all modes; some end the program with an exception. */
const PIECES = [
  "90",
  "fe c0", // inc al
  "04 f1", // add al, f1h
  "10 c2", // adc dl, al
  "d0 e0", // shl al, 1
  "f6 e1", // mul cl
  "f6 f1", // div cl
  "b1 05", // mov cl, 5
  "b5 00", // mov ch, 0
  "fe c9", // dec cl
  "50", // push
  "58", // pop
  "9c", // pushf
  "9d", // popf, TF and all
  "88 07", // mov [bx], al
  "88 0f", // mov [bx], cl
  "8a 07", // mov al, [bx]
  "fe 07", // inc byte [bx]
  "00 07", // add [bx], al
  "89 07", // mov [bx], ax
  "8b 47 fd", // mov ax, [bx - 3]
  "aa", // stosb
  "f3 aa", // rep stosb
  "f3 a4", // rep movsb
  "f3 ac", // rep lodsb
  "f2 ae", // repne scasb
  "e6 80", // out 80h, al
  "e4 81", // in al, 81h
  "eb 00", // jmp to the next
  "eb 01", // jmp over one byte
  "75 03", // jnz
  "e2 fa", // loop back
  "fb", // sti
  "fa", // cli
  "8e d0", // mov ss, ax
  "0f a2", // cpuid
  "c3", // ret
  "cd 40", // int 40h
  "cc", // int3
  "cf", // iret
  "66 50", // push with the other operand size
  "87 07", // xchg [bx], ax
  "0f b1 0f", // cmpxchg [bx], cx
  "0f c1 07", // xadd [bx], ax
  "0f 23 f8", // mov dr7, ax
] as const;

const BUDGET = 300;

interface Outcome {
  readonly exit: string;
  readonly count: number;
  readonly regs: Readonly<Record<string, bigint>>;
  readonly ram: readonly number[];
  readonly log: readonly string[];
}

/** A machine that can be put back to where it was made. */
class Rerun {
  readonly #m: TinyMachine;
  readonly #fresh: TinyMachine;
  readonly #regs: Readonly<Record<string, bigint>>;

  constructor(bits: Bits) {
    this.#m = new TinyMachine(bits);
    this.#fresh = new TinyMachine(bits);
    this.#regs = this.#fresh.vcpu.save().regs;
  }

  run(code: string, pointer: number, execute: (m: TinyMachine) => string): Outcome {
    const m = this.#m;
    m.copyRamFrom(this.#fresh);
    m.log.splice(0);
    m.code(CODE, `${code} f4`);
    m.set({ ...this.#regs, rdi: BigInt(pointer), rbx: BigInt(pointer), rsi: BigInt(DATA + 0x20), rcx: 3n });
    const before = m.vcpu.instructionCount;
    const exit = execute(m);
    const ram = [CODE, DATA, STACK - 0x400].flatMap((at) =>
      Array.from({ length: 0x100 }, (_, i) => m.read32(at + i * 4)),
    );
    return {
      exit,
      count: m.vcpu.instructionCount - before,
      regs: m.vcpu.save().regs,
      ram,
      log: m.log.filter(isNoFetch),
    };
  }
}

/** Code in device memory is fetched 16 bytes at a time, ahead of its execution. */
const isNoFetch = (access: string): boolean => !/^load .* 16$/.test(access);

function oneByOne(count: number): (m: TinyMachine) => string {
  return (m) => {
    const before = m.vcpu.instructionCount;
    let exit = "intr";
    while (exit === "intr" && m.vcpu.instructionCount - before < count) exit = m.run(1);
    return exit;
  };
}

describe.each([64, 32, 16] as const)("%i-bit code", (bits) => {
  it("ends the same however it is cut into runs", () => {
    const machine = new Rerun(bits);
    const program = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 40 });
    const pointer = fc.oneof(fc.constant(DATA), fc.integer({ min: CODE, max: CODE + 60 }));
    fc.assert(
      fc.property(program, pointer, fc.integer({ min: 2, max: 30 }), (pieces, target, budget) => {
        const code = pieces.join(" ");
        const whole = machine.run(code, target, (m) => m.run(BUDGET));
        const steps = machine.run(code, target, oneByOne(whole.count));
        expect(steps).toEqual(whole);
        // Runs of other lengths stop elsewhere, so they are compared where programs end.
        if (whole.exit !== "hlt") return;
        const parts = machine.run(code, target, (m) => {
          let exit = "intr";
          while (exit === "intr") exit = m.run(budget);
          return exit;
        });
        expect(parts).toEqual(whole);
      }),
      { numRuns: 150 },
    );
  });
});

describe("more code than there are records for", () => {
  it("is decoded anew, and ends where it should", () => {
    const m = new TinyMachine(64);
    // A record each: the arena has room for a million and a half.
    const [first, last] = [0x10_0000, 0x2a_0000];
    m.fill(first, last, 0x90);
    m.code(last, "f4").set({ rip: BigInt(first) });
    expect(m.run(8_000_000)).toBe("hlt");
    expect([m.rip, m.vcpu.instructionCount]).toEqual([last + 1, last - first + 1]);
    // And once more over what was forgotten.
    m.code(first + 0x2000, "f4").set({ rip: BigInt(first) });
    expect(m.run(8_000_000)).toBe("hlt");
    expect(m.rip).toBe(first + 0x2001);
  });
});
