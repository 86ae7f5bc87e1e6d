import { afterEach, describe, expect, it } from "vitest";
import { type BytePort, connectPortConsole, createPortChardev, type PortSink } from "./port-chardev.ts";

const opened: { dispose(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.dispose();
});

function connect(sink: PortSink) {
  const { port1, port2 } = new MessageChannel();
  const chardev = createPortChardev(port1 as unknown as BytePort);
  const console = connectPortConsole(port2 as unknown as BytePort, sink);
  opened.push(chardev, console);
  return { chardev, console };
}

const text = (chunks: readonly Uint8Array[]): string => chunks.map((bytes) => new TextDecoder().decode(bytes)).join("");
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("createPortChardev", () => {
  it("carries what the guest writes, and counts it until it was taken", async () => {
    const chunks: Uint8Array[] = [];
    const { chardev } = connect((chunk) => void chunks.push(chunk));
    for (const character of "login: ") chardev.write(bytes(character));
    expect(chardev.backlog).toBe(7);
    await chardev.flush();
    expect(text(chunks)).toBe("login: ");
    expect(chunks).toHaveLength(1);
    expect(chardev.backlog).toBe(0);
    await chardev.flush();
  });

  it("sends nothing more while the reader is busy, then the rest in one piece", async () => {
    const chunks: Uint8Array[] = [];
    let take = (): void => {};
    const { chardev } = connect((chunk) => {
      chunks.push(chunk);
      return new Promise((resolve) => {
        take = resolve;
      });
    });
    chardev.write(bytes("one "));
    await expect.poll(() => chunks.length).toBe(1);
    for (const word of ["two ", "three ", "four"]) {
      chardev.write(bytes(word));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(chunks).toHaveLength(1);
    expect(chardev.backlog).toBe(18);
    const flushed = chardev.flush();
    take();
    await expect.poll(() => chunks.length).toBe(2);
    take();
    await flushed;
    expect(text(chunks)).toBe("one two three four");
  });

  it("delivers a paste of a megabyte whole, and tells of it", async () => {
    const { chardev, console } = connect(() => {});
    const paste = Uint8Array.from({ length: 1 << 20 }, (_, i) => i * 13);
    const got: Uint8Array[] = [];
    chardev.onInput(() => {
      for (let part = chardev.read(16); part.length > 0; part = chardev.read(16)) got.push(part.slice());
    });
    console.send(paste.slice());
    console.send("é");
    const length = (): number => got.reduce((sum, part) => sum + part.length, 0);
    await expect.poll(length).toBe(paste.length + 2);
    expect(Buffer.compare(Buffer.concat(got), Buffer.concat([paste, bytes("é")]))).toBe(0);
  });

  it("does not keep anybody waiting once it is disposed", async () => {
    const { chardev } = connect(() => new Promise(() => {}));
    chardev.write(bytes("lost"));
    const flushed = chardev.flush();
    chardev.dispose();
    await flushed;
    chardev.write(bytes("late"));
    expect(chardev.backlog).toBe(0);
  });
});
