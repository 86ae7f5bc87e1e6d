// Chromium before our page: what a person does with mouse and keyboard, done by a test.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type Browser, chromium, type Page } from "playwright-core";
import { KEEP_KERNEL_QUIET } from "./guest-console.ts";

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

/** Milliseconds between two looks at a page that is waited for. */
const POLL_MS = 50;

/** What a person sees. */
interface Look {
  /** Lines of the terminal, without the blanks at their ends. */
  readonly screen: string;
  /** The complaint; empty where there is none. */
  readonly complaint: string;
}

type Pattern = Pick<RegExp, "source" | "flags">;
const everything: Pattern = { source: "", flags: "" };
const quoted = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");

/** Runs in the page: undefined as long as the terminal does not show what is looked for, and nobody complains. */
function lookAtPage({ source, flags }: Pattern): Look | undefined {
  const rows = [...document.querySelectorAll(".xterm-rows > div")];
  const screen = rows.map((row) => (row.textContent ?? "").replaceAll("\u00a0", " ").trimEnd()).join("\n");
  const alert = document.querySelector<HTMLElement>("#complaint");
  const complaint = alert === null || alert.hidden ? "" : (alert.textContent ?? "");
  return complaint !== "" || new RegExp(source, flags).test(screen) ? { screen, complaint } : undefined;
}

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
  const look = async (): Promise<Look> => (await page.evaluate(lookAtPage, everything)) as Look;
  const waitFor: PageMachine["waitFor"] = async (text, timeoutMs = 120_000) => {
    const { source, flags } = typeof text === "string" ? { source: quoted(text), flags: "" } : text;
    // The page itself looks: asked from here each time, it would take a tenth of the processor from what is measured.
    const seen = await page
      .waitForFunction(lookAtPage, { source, flags }, { polling: POLL_MS, timeout: timeoutMs })
      .then((handle) => handle.jsonValue() as Promise<Look>)
      .catch(look);
    if (new RegExp(source, flags).test(seen.screen)) return seen.screen;
    throw new Error(`waited for ${text}; the page says '${seen.complaint}', and its terminal:\n${seen.screen}`);
  };
  const ask: PageMachine["ask"] = async (command) => {
    const mark = `<<${++asked}>>`;
    // The mark as it is typed is not the mark as it is printed.
    await page.keyboard.type(`clear; ${command}; echo "<<"${asked}">>"\n`);
    const shown = await waitFor(mark);
    return shown.slice(0, shown.lastIndexOf(mark));
  };
  return {
    page,
    screen: async () => (await look()).screen,
    waitFor,
    async boot(readyMarker) {
      const started = Date.now();
      await page.click("#start");
      // What an earlier machine left is there until this one has begun.
      while ((await look()).screen.includes(readyMarker)) await setTimeout(POLL_MS);
      await waitFor(readyMarker);
      const ms = Date.now() - started;
      // It begins its line; the kernel may write behind it.
      await waitFor(/^~ #/m);
      await ask(KEEP_KERNEL_QUIET);
      return ms;
    },
    ask,
    async complaint() {
      await page.locator("#complaint:visible").waitFor();
      return (await page.locator("#complaint").textContent()) ?? "";
    },
  };
}
