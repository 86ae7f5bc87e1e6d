import { createFakeChardev, createFakeClock, createProbeLine, testDevice } from "@tsvm-testing/fakes";
import { describe, expect, it } from "vitest";
import { createUart16550 } from "./uart-16550.ts";

const RBR = 0;
const THR = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;
const CHARACTER_NS = 86_806;

function setUp() {
  const clock = createFakeClock();
  const chardev = createFakeChardev();
  const irq = createProbeLine();
  const uart = createUart16550({ irq, chardev, clock });
  const region = uart.regions[0];
  if (region === undefined) throw new Error("no region");
  return {
    uart,
    clock,
    chardev,
    irq,
    inb: (offset: number): number => region.read(offset, 1),
    outb: (offset: number, value: number): void => region.write(offset, 1, value),
  };
}

/** A guest that has done what a driver does on open: FIFO with trigger 8, receive interrupts. */
function setUpOpen() {
  const guest = setUp();
  guest.outb(FCR, 0x81);
  guest.outb(IER, 0x05);
  return guest;
}

testDevice(
  "createUart16550",
  () => {
    const { uart, clock, chardev, irq } = setUp();
    const disturb = (random: () => number): void => {
      chardev.feed(String.fromCharCode(random() & 0xff).repeat(random() % 20));
      if (random() % 16 === 0) uart.sendBreak();
    };
    return { device: uart, clock, disturb, outputs: [irq] };
  },
  // What it receives next hangs on what its chardev holds.
  { keptOverReset: ["receiver"], continuesAlike: false },
);

describe("transmitter", () => {
  it("has room at once and hands bytes over in one batch", () => {
    const { inb, outb, chardev, clock } = setUp();
    for (const character of "hello") {
      expect(inb(LSR) & 0x60).toBe(0x60);
      outb(THR, character.charCodeAt(0));
    }
    expect(chardev.writes).toBe(0);
    clock.advance(1_000_000);
    expect(chardev.output).toBe("hello");
    expect(chardev.writes).toBe(1);
  });

  it("hands over early when the buffer is full, and on flush", () => {
    const { outb, chardev, uart } = setUp();
    for (let i = 0; i < 4097; i++) outb(THR, 0x78);
    expect(chardev.output.length).toBe(4096);
    uart.flush();
    expect(chardev.output.length).toBe(4097);
  });

  it("raises THR empty on enabling and withdraws it when IIR named it", () => {
    const { inb, outb, irq } = setUp();
    outb(IER, 0x02);
    expect(irq.level).toBe(true);
    expect(inb(IIR)).toBe(0x02);
    expect(irq.level).toBe(false);
    expect(inb(IIR)).toBe(0x01);
    outb(THR, 0x41);
    expect(irq.level).toBe(true);
    expect(inb(IIR)).toBe(0x02);
  });

  it("passes the THRE test of Linux: enabling again raises it again", () => {
    const { inb, outb } = setUp();
    outb(IER, 0x02);
    const first = inb(IIR) & 1;
    outb(IER, 0);
    outb(IER, 0x02);
    const second = inb(IIR) & 1;
    expect([first, second]).toEqual([0, 0]);
  });

  it("does not raise it again when IER is written with the bit already set", () => {
    const { inb, outb } = setUp();
    outb(IER, 0x02);
    inb(IIR);
    outb(IER, 0x03);
    expect(inb(IIR)).toBe(0x01);
  });

  it("leaves it pending when IIR named something more urgent", () => {
    const { inb, outb, uart } = setUp();
    outb(IER, 0x06);
    uart.sendBreak();
    expect(inb(IIR)).toBe(0x06);
    inb(LSR);
    expect(inb(IIR)).toBe(0x02);
  });
});

describe("what a driver probes", () => {
  it("keeps four bits of IER, five of MCR and all of SCR", () => {
    const { inb, outb } = setUp();
    outb(IER, 0xff);
    outb(MCR, 0xff);
    outb(SCR, 0x5a);
    expect([inb(IER), inb(MCR), inb(SCR)]).toEqual([0x0f, 0x1f, 0x5a]);
  });

  it("shows its FIFOs in IIR only when they are enabled", () => {
    const { inb, outb } = setUp();
    expect(inb(IIR)).toBe(0x01);
    outb(FCR, 0x01);
    expect(inb(IIR)).toBe(0xc1);
  });

  it("loops OUT2 and RTS back to DCD and CTS", () => {
    const { inb, outb } = setUp();
    outb(MCR, 0x1a);
    expect(inb(MSR) & 0xf0).toBe(0x90);
    outb(MCR, 0x15);
    expect(inb(MSR) & 0xf0).toBe(0x60);
  });

  it("holds exactly 16 characters in loopback and reports the overrun", () => {
    const { inb, outb } = setUp();
    outb(FCR, 0x07);
    outb(MCR, 0x10);
    for (let i = 0; i < 256; i++) outb(THR, i);
    expect(inb(LSR) & 0x02).toBe(0x02);
    let count = 0;
    while ((inb(LSR) & 1) !== 0) expect(inb(RBR)).toBe(count++);
    expect(count).toBe(16);
  });

  it("keeps the newest character on an overrun without FIFO", () => {
    const { inb, outb } = setUp();
    outb(MCR, 0x10);
    outb(THR, 0x11);
    outb(THR, 0x22);
    expect(inb(LSR) & 0x03).toBe(0x03);
    expect(inb(RBR)).toBe(0x22);
  });

  it("keeps the divisor behind DLAB", () => {
    const { inb, outb } = setUp();
    outb(LCR, 0x83);
    outb(0, 0x34);
    outb(1, 0x12);
    expect([inb(0), inb(1)]).toEqual([0x34, 0x12]);
    outb(LCR, 0x03);
    expect(inb(IER)).toBe(0);
  });

  it("reports changes of the modem lines once, and RI only when it falls", () => {
    const { inb, outb, irq } = setUp();
    outb(MCR, 0x10);
    inb(MSR);
    outb(IER, 0x08);
    outb(MCR, 0x14);
    expect(inb(MSR) & 0x0f).toBe(0);
    outb(MCR, 0x10);
    expect(irq.level).toBe(true);
    expect(inb(IIR)).toBe(0x00);
    expect(inb(MSR) & 0x0f).toBe(0x04);
    expect(irq.level).toBe(false);
  });
});

describe("receiver", () => {
  it("interrupts at the trigger level", () => {
    const { inb, irq, chardev } = setUpOpen();
    chardev.feed("12345678");
    expect(irq.level).toBe(true);
    expect(inb(IIR)).toBe(0xc4);
    expect(inb(RBR)).toBe(0x31);
    expect(irq.level).toBe(false);
  });

  it("announces a lone character after four character times", () => {
    const { inb, irq, chardev, clock } = setUpOpen();
    chardev.feed("x");
    expect(irq.level).toBe(false);
    clock.advance(4 * CHARACTER_NS);
    expect(irq.level).toBe(true);
    expect(inb(IIR)).toBe(0xcc);
    expect(inb(RBR)).toBe(0x78);
    expect(irq.level).toBe(false);
    expect(inb(LSR) & 1).toBe(0);
  });

  it("starts the timeout again whenever a character is read", () => {
    const { inb, irq, chardev, clock } = setUpOpen();
    chardev.feed("ab");
    clock.advance(3 * CHARACTER_NS);
    inb(RBR);
    clock.advance(3 * CHARACTER_NS);
    expect(irq.level).toBe(false);
    clock.advance(CHARACTER_NS);
    expect(irq.level).toBe(true);
  });

  it("loses nothing of a paste, and fills one FIFO a FIFO's time", () => {
    const { inb, irq, chardev, clock } = setUpOpen();
    const paste = Array.from({ length: 1000 }, (_, i) => String.fromCharCode(33 + (i % 90))).join("");
    chardev.feed(paste);
    let received = "";
    let mostAtOnce = 0;
    for (let turns = 0; received.length < paste.length && turns < 1000; turns++) {
      let atOnce = 0;
      while (irq.level || atOnce > 0) {
        if ((inb(LSR) & 1) === 0) break;
        received += String.fromCharCode(inb(RBR));
        atOnce++;
      }
      mostAtOnce = Math.max(mostAtOnce, atOnce);
      clock.advance(4 * CHARACTER_NS);
    }
    expect(received).toBe(paste);
    expect(mostAtOnce).toBe(16);
    expect(clock.now()).toBeGreaterThan(950 * CHARACTER_NS);
  });

  it("leaves input in the chardev until a driver listens, through the driver's initialisation", () => {
    const { inb, outb, chardev, clock } = setUp();
    chardev.feed("ls\n");
    outb(FCR, 0x07);
    outb(FCR, 0x00);
    for (const register of [LSR, RBR, IIR, MSR]) inb(register);
    expect(chardev.waiting).toBe("ls\n");
    outb(FCR, 0x81);
    outb(IER, 0x05);
    clock.advance(1_000_000);
    expect([inb(RBR), inb(RBR), inb(RBR)]).toEqual([0x6c, 0x73, 0x0a]);
  });

  it("keeps input through what Linux does when it opens the port, LSR read twice before RBR", () => {
    const { inb, outb, chardev } = setUp();
    chardev.feed("k");
    for (const command of [0x01, 0x07, 0x00]) outb(FCR, command);
    for (const register of [LSR, RBR, IIR, MSR, LSR, LSR]) inb(register);
    for (const probe of [0x02, 0x00, 0x02, 0x00]) outb(IER, probe);
    for (const register of [LSR, IIR, LSR, RBR, IIR, MSR]) inb(register);
    expect(chardev.waiting).toBe("k");
  });

  it("serves a guest that polls, but not one that looks at LSR between transmissions", () => {
    const { inb, outb, chardev } = setUp();
    chardev.feed("k");
    for (let i = 0; i < 100; i++) {
      inb(LSR);
      inb(LSR);
      outb(THR, 0x2e);
    }
    expect(chardev.waiting).toBe("k");
    for (let i = 0; i < 100 && (inb(LSR) & 1) === 0; i++);
    expect(inb(RBR)).toBe(0x6b);
  });

  it("gives unread characters back to the line when the FIFO is reset", () => {
    const { inb, outb, chardev, clock } = setUpOpen();
    chardev.feed("0123456789abcdefXYZ");
    inb(RBR);
    outb(IER, 0);
    outb(FCR, 0x83);
    expect(inb(LSR) & 1).toBe(0);
    outb(IER, 0x05);
    let received = "";
    for (let i = 0; i < 10; i++) {
      while ((inb(LSR) & 1) !== 0) received += String.fromCharCode(inb(RBR));
      clock.advance(20 * CHARACTER_NS);
    }
    expect(received).toBe("123456789abcdefXYZ");
  });

  it("takes one character at a time without FIFO", () => {
    const { inb, outb, chardev, irq, clock } = setUp();
    outb(IER, 0x01);
    chardev.feed("ab");
    expect(irq.level).toBe(true);
    expect(inb(IIR)).toBe(0x04);
    expect(inb(RBR)).toBe(0x61);
    expect(irq.level).toBe(false);
    clock.advance(CHARACTER_NS);
    expect(inb(RBR)).toBe(0x62);
  });

  it("carries a break as a null character with BI, ahead of waiting input", () => {
    const { inb, irq, chardev, uart } = setUpOpen();
    uart.sendBreak();
    chardev.feed("h");
    expect(irq.level).toBe(true);
    expect(inb(IIR)).toBe(0xc6);
    expect(inb(LSR) & 0x91).toBe(0x91);
    expect(inb(LSR) & 0x10).toBe(0);
    expect(inb(RBR)).toBe(0);
    expect(inb(RBR)).toBe(0x68);
  });

  it("shows BI only when the break has come to the top", () => {
    const { inb, chardev, uart } = setUpOpen();
    chardev.feed("a");
    uart.sendBreak();
    expect(inb(LSR) & 0x90).toBe(0x80);
    inb(RBR);
    expect(inb(LSR) & 0x90).toBe(0x90);
  });

  it("keeps a break for later when the FIFO is full", () => {
    const { inb, chardev, uart } = setUpOpen();
    chardev.feed("0123456789abcdef");
    uart.sendBreak();
    for (let i = 0; i < 16; i++) inb(RBR);
    expect(inb(LSR) & 0x11).toBe(0x11);
  });

  it("does not listen to the line in loopback", () => {
    const { inb, outb, chardev } = setUpOpen();
    outb(MCR, 0x10);
    chardev.feed("z");
    expect(inb(LSR) & 1).toBe(0);
    outb(MCR, 0);
    expect(inb(LSR) & 1).toBe(1);
  });
});

describe("restore", () => {
  it("drives the interrupt line and goes on with a running timeout", () => {
    const before = setUpOpen();
    before.chardev.feed("q");
    before.clock.advance(2 * CHARACTER_NS);
    const state = before.uart.save();
    const after = setUp();
    after.clock.stall(2 * CHARACTER_NS);
    after.uart.restore(state);
    expect(after.irq.level).toBe(false);
    after.clock.advance(2 * CHARACTER_NS);
    expect(after.irq.level).toBe(true);
    expect(after.inb(RBR)).toBe(0x71);
  });
});
