import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { createStdioChardev } from "./stdio-chardev.ts";
import { enterRawMode } from "./terminal.ts";

class FakeHost extends EventEmitter {
  readonly pid = 42;
  readonly killed: string[] = [];
  kill(pid: number, signal: string): void {
    this.killed.push(`${pid} ${signal}`);
  }
}

class FakeTerminal extends PassThrough {
  readonly isTTY = true;
  readonly modes: boolean[] = [];
  setRawMode(raw: boolean): void {
    this.modes.push(raw);
  }
}

test("a pipe is left as it is", () => {
  const host = new FakeHost();
  expect(enterRawMode({ isTTY: false }, host).raw).toBe(false);
  expect(host.eventNames()).toEqual([]);
});

test("dispose restores once and leaves no listener", () => {
  const host = new FakeHost();
  const input = new FakeTerminal();
  const terminal = enterRawMode(input, host);
  terminal.dispose();
  terminal.dispose();
  expect(input.modes).toEqual([true, false]);
  expect(host.eventNames()).toEqual([]);
});

test("process exit restores", () => {
  const host = new FakeHost();
  const input = new FakeTerminal();
  enterRawMode(input, host);
  host.emit("exit");
  expect(input.modes).toEqual([true, false]);
});

test.each(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])("%s restores, then takes its effect", (signal) => {
  const host = new FakeHost();
  const input = new FakeTerminal();
  enterRawMode(input, host);
  host.emit(signal);
  expect(input.modes).toEqual([true, false]);
  expect(host.killed).toEqual([`42 ${signal}`]);
  expect(host.listenerCount(signal)).toBe(0);
});

test("after a stop and continuation the terminal is raw again", () => {
  const host = new FakeHost();
  const input = new FakeTerminal();
  enterRawMode(input, host);
  host.emit("SIGCONT");
  expect(input.modes).toEqual([true, false, true]);
});

test("a terminal that is gone cannot make the restoration fail", () => {
  const host = new FakeHost();
  const input = {
    isTTY: true,
    setRawMode(raw: boolean): void {
      if (!raw) throw new Error("EIO");
    },
  };
  expect(() => enterRawMode(input, host).dispose()).not.toThrow();
});

test("Ctrl-C goes to the guest, unless an interrupt handler is given", () => {
  const interrupts: string[] = [];
  for (const onInterrupt of [undefined, (signal: string) => interrupts.push(signal)]) {
    const input = new FakeTerminal();
    const chardev = createStdioChardev({
      input,
      output: new PassThrough(),
      host: new FakeHost(),
      ...(onInterrupt && { onInterrupt }),
    });
    input.emit("data", Buffer.from("a\x03b"));
    expect(String(Buffer.from(chardev.read(9)))).toBe(onInterrupt ? "ab" : "a\x03b");
    chardev.dispose();
  }
  expect(interrupts).toEqual(["SIGINT"]);
});
