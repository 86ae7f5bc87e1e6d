import { expect, test } from "vitest";
import { createMemoryChardev } from "./memory-chardev.ts";

test("one megabyte pasted at once reaches a reader of one byte at a time, whole and in order", () => {
  const chardev = createMemoryChardev();
  const pasted = Uint8Array.from({ length: 1024 * 1024 }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
  chardev.send(pasted);
  expect(chardev.unread).toBe(pasted.length);
  const got = new Uint8Array(pasted.length);
  let at = 0;
  for (let part = chardev.read(1); part.length > 0; part = chardev.read(1)) got[at++] = part[0] as number;
  expect(at).toBe(pasted.length);
  expect(Buffer.compare(got, pasted)).toBe(0);
});

test("pasted in pieces against a reader of a FIFO's depth", () => {
  const chardev = createMemoryChardev();
  let sum = 0;
  let count = 0;
  const drain = (times: number): void => {
    for (let index = 0; index < times; index++) {
      const part = chardev.read(14);
      for (const byte of part) sum = (sum * 33 + byte) >>> 0;
      count += part.length;
    }
  };
  let expected = 0;
  for (let piece = 0; piece < 1000; piece++) {
    const bytes = Uint8Array.from({ length: 1 + ((piece * 7) % 200) }, (_, index) => (piece ^ index) & 0xff);
    for (const byte of bytes) expected = (expected * 33 + byte) >>> 0;
    chardev.send(bytes);
    drain(piece % 5);
  }
  while (chardev.unread > 0) drain(1);
  expect(sum).toBe(expected);
  expect(count).toBeGreaterThan(90_000);
});

test("keeps output until it is taken", () => {
  const chardev = createMemoryChardev();
  const line = new TextEncoder().encode("hello\r\n");
  for (let index = 0; index < 2000; index++) chardev.write(line);
  expect(chardev.text()).toBe("hello\r\n".repeat(2000));
  expect(chardev.takeOutput()).toHaveLength(14_000);
  expect(chardev.text()).toBe("");
});

test("waitFor sees text that is already there and text that comes in bytes", async () => {
  const chardev = createMemoryChardev();
  const encoder = new TextEncoder();
  chardev.write(encoder.encode("login: "));
  await chardev.waitFor("login:");
  const password = chardev.waitFor("Password:");
  for (const character of "Password:") chardev.write(encoder.encode(character));
  await password;
});
