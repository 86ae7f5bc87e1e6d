// Chromium before our page: what a person does with mouse and keyboard, done by a test.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";

/** Debian's. */
const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
] as const;

/** The page as `pnpm run web` serves it, built anew. */
export interface PageServer {
  readonly url: string;
  stop(): Promise<void>;
}

export async function servePage(): Promise<PageServer> {
  const script = join(import.meta.dirname, "../packages/web/tools/serve.ts");
  const child: ChildProcess = spawn(process.execPath, ["--conditions=@tsvm/source", script, "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  for await (const chunk of child.stdout ?? []) {
    printed += chunk;
    const url = /http:\S+/.exec(printed)?.[0];
    if (url === undefined) continue;
    return {
      url,
      async stop() {
        child.kill();
        await once(child, "exit");
      },
    };
  }
  throw new Error(`the page's server ended: ${printed}`);
}

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS] });

/** The machine on a page, through its screen and its buttons. */
export interface PageMachine {
  readonly page: Page;
  /** Presses Start and waits for the shell; resolves with the milliseconds from the one to `READY_MARKER`. */
  boot(readyMarker: string): Promise<number>;
  /** Types a command on an empty screen; resolves with what stands there when it has ended. */
  ask(command: string): Promise<string>;
  /** What the terminal shows. */
  screen(): Promise<string>;
  /** Waits until the terminal shows it. @throws Error with the screen, after `timeoutMs`. */
  waitFor(text: string | RegExp, timeoutMs?: number): Promise<string>;
  /** The one line in which the page complains; waits for it. */
  complaint(): Promise<string>;
}

export function pageMachine(page: Page): PageMachine {
  let asked = 0;
  const screen = async (): Promise<string> => {
    const rows = await page.locator(".xterm-rows > div").allTextContents();
    return rows.map((row) => row.replaceAll("\u00a0", " ").trimEnd()).join("\n");
  };
  const waitFor: PageMachine["waitFor"] = async (text, timeoutMs = 120_000) => {
    const until = Date.now() + timeoutMs;
    for (;;) {
      const shown = await screen();
      if (typeof text === "string" ? shown.includes(text) : text.test(shown)) return shown;
      const complaint = await page.locator("#complaint:visible").allTextContents();
      if (Date.now() > until || complaint.length > 0) {
        throw new Error(`waited for ${text}; the page says '${complaint}', and its terminal:\n${shown}`);
      }
      await page.waitForTimeout(20);
    }
  };
  return {
    page,
    screen,
    waitFor,
    async boot(readyMarker) {
      const started = Date.now();
      await page.click("#start");
      await waitFor(readyMarker);
      const ms = Date.now() - started;
      await waitFor(/~ #$/m);
      return ms;
    },
    async ask(command) {
      const mark = `<<${++asked}>>`;
      // The mark as it is typed is not the mark as it is printed.
      await page.keyboard.type(`clear; ${command}; echo "<<"${asked}">>"\n`);
      const shown = await waitFor(mark);
      return shown.slice(0, shown.lastIndexOf(mark));
    },
    async complaint() {
      await page.locator("#complaint:visible").waitFor();
      return (await page.locator("#complaint").textContent()) ?? "";
    },
  };
}
