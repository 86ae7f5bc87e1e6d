import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readlinkSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { findHostFunctions } from "./host-library.ts";
import { createPtyChardev } from "./pty-chardev.ts";

const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;
const folder = mkdtempSync(join(tmpdir(), "tsvm-pty-"));
afterAll(() => rmSync(folder, { recursive: true }));
const isPossible = findHostFunctions({ grantpt: ["i32"] }) !== undefined;
/** As a program at the terminal opens it: it is not to become anybody's controlling terminal, and the test not to hang. */
const openTerminal = (path: string): number => openSync(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
const text = (input: Uint8Array): string => new TextDecoder().decode(input);

test.runIf(isPossible)("a terminal carries every byte both ways, for one user after another", async () => {
  const pty = createPtyChardev();
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (let user = 0; user < 2; user++) {
    const terminal = openTerminal(pty.path);
    writeSync(terminal, all);
    const heard: number[] = [];
    await expect.poll(() => heard.push(...pty.read(300))).toBe(256);
    expect(heard).toEqual([...all]);
    pty.write(all);
    const back = new Uint8Array(300);
    let got = 0;
    await expect
      .poll(() => {
        got += readSome(terminal, back.subarray(got));
        return got;
      })
      .toBe(256);
    expect([...back.subarray(0, got)]).toEqual([...all]);
    closeSync(terminal);
  }
  expect(execFileSync("sh", ["-c", 'stty -a <"$1"', "sh", pty.path]).toString()).toMatch(/-icanon.*-echo /s);
  pty.dispose();
});

test.runIf(isPossible)("nobody at the terminal holds neither the guest nor the host's memory", async () => {
  const pty = createPtyChardev();
  for (let i = 0; i < 100; i++) pty.write(new Uint8Array(64 * 1024).fill(0x2e));
  await pty.flush();
  expect(pty.backlog).toBe(0);
  const terminal = openTerminal(pty.path);
  writeSync(terminal, "still here");
  await expect.poll(() => text(pty.read(100))).toBe("still here");
  let kept = 0;
  const buffer = new Uint8Array(256 * 1024);
  await expect
    .poll(() => {
      kept += readSome(terminal, buffer);
      return kept;
    })
    .toBeGreaterThan(64 * 1024);
  closeSync(terminal);
  pty.dispose();
});

/** What is there, without waiting for it. */
function readSome(terminal: number, buffer: Uint8Array): number {
  try {
    return readSync(terminal, buffer);
  } catch {
    return 0;
  }
}

test.runIf(isPossible)("a link leads to it while it lasts, and replaces only links", () => {
  const link = join(folder, "console");
  const first = createPtyChardev({ link });
  const second = createPtyChardev({ link });
  expect(readlinkSync(link)).toBe(second.path);
  second.dispose();
  first.dispose();
  expect(existsSync(link)).toBe(false);
  writeFileSync(link, "precious");
  expect(() => createPtyChardev({ link })).toThrow(
    expect.objectContaining({ code: "BACKEND_OPEN", message: `cannot make link '${link}': EEXIST` }),
  );
});

test("where Node has no foreign functions, one line says so", () => {
  const real = process.getBuiltinModule;
  const spy = vi
    .spyOn(process, "getBuiltinModule")
    .mockImplementation((id: string) => (id === "node:ffi" ? undefined : real(id)) as never);
  expect(() => createPtyChardev()).toThrow(
    expect.objectContaining({
      code: "BACKEND_UNAVAILABLE",
      message: "pty: needs Linux and Node 26 or newer; use a socket instead",
    }),
  );
  spy.mockRestore();
});
