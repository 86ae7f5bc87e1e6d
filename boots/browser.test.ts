// The machine in a browser tab: Debian's Chromium, the page as it is served, and disks that outlive it.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { READY_MARKER } from "@tsvm/guest-images";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launchChromium, type PageMachine, type PageServer, pageMachine, servePage } from "./browser.ts";
import { type ImageServer, serveImage } from "./image-server.ts";
import { threadCpuMs } from "./thread-cpu.ts";

const scratch = mkdtempSync(join(tmpdir(), "tsvm-browser-"));
let server: PageServer;
let images: ImageServer;
let browser: Browser;
let page: Page;
let machine: PageMachine;
const pageErrors: string[] = [];

/** A file system with one file in it, made by the tools of e2fsprogs. */
function makeExt4(): Uint8Array {
  const path = join(scratch, "disk.ext4");
  const files = join(scratch, "files");
  execFileSync("mkdir", [files]);
  writeFileSync(join(files, "hello"), "hello from the image\n");
  const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-d", files, path, "16M"], { env });
  return readFileSync(path);
}

beforeAll(async () => {
  [server, images, browser] = await Promise.all([servePage(), serveImage(makeExt4()), launchChromium()]);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  page = await context.newPage();
  page.on("pageerror", ({ message }) => pageErrors.push(message));
  machine = pageMachine(page);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  images?.stop();
  rmSync(scratch, { recursive: true });
});

const open = (query: Readonly<Record<string, string>> = {}): Promise<unknown> =>
  page.goto(`${server.url}?${new URLSearchParams({ m: "256", ...query })}`);

/** Lets go of a file over the page, outside of its fields. */
async function drop(name: string, bytes: number, fill: string): Promise<void> {
  await page.evaluate(
    ([name, bytes, fill]) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([fill.repeat(bytes / fill.length)], name, { lastModified: 1 }));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    },
    [name, bytes, fill] as const,
  );
}

describe("what a page is told of bad input", () => {
  const cases: readonly [string, Readonly<Record<string, string>>, RegExp][] = [
    ["a server without ranges", { disk: "/whole.img" }, /whole\.img': the server does not support range requests$/],
    ["a disk that is not there", { disk: "/none.img" }, /^cannot open '.+none\.img': not found \(404\)$/],
    [
      "a kernel that is not there",
      { kernel: "guest/none" },
      /^cannot load kernel '.+guest\/none': the server answered 404$/,
    ],
    ["a kernel that is none", { kernel: "guest/guest.json" }, /^'.+guest\.json': kernel is not a /],
    ["an address that is none", { kernel: "http://[" }, /^'http:\/\/\[' is no address; nearest: /],
    ["more memory than there can be", { m: "65536" }, /too large: at most \d+ MiB/],
  ];
  test.each(cases)("%s", async (_, query, complaint) => {
    const { disk } = query;
    await open({ ...query, ...(disk !== undefined && { disk: images.url + disk }) });
    await page.click("#start");
    expect(await machine.complaint()).toMatch(complaint);
    expect(await page.locator("#state").textContent()).toBe("off");
    expect(await page.locator("#start").textContent()).toBe("Start");
  });
});

/** Milliseconds from the start to the shell: that passed, and that the machine's thread has computed. */
interface BootTime {
  readonly ms: number;
  readonly cpuMs: number;
}

describe("the default guest with a disk by address", () => {
  /** Starts the page's machine anew, then Node's while the page's stands still. */
  async function bootInBoth(): Promise<{ readonly browser: BootTime; readonly node: BootTime }> {
    const browser = { ms: await machine.boot(READY_MARKER), cpuMs: threadCpuMs("DedicatedWorker") };
    await page.click("#pause");
    const script = join(import.meta.dirname, "node-boot.ts");
    const printed = execFileSync(process.execPath, ["--conditions=@tsvm/source", script], { encoding: "utf8" });
    const [ms, cpuMs] = printed.split(" ").map(Number) as [number, number];
    await page.click("#pause");
    return { browser, node: { ms, cpuMs } };
  }

  test("comes to the shell, without cross-origin isolation; its time beside Node's", async () => {
    await open({ disk: `${images.url}/disk.img` });
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    const first = await bootInBoth();
    await page.click("#start");
    await page.locator("#state[data-state=off]").waitFor();
    // In turns, and the better of two: a host that is busy for a while is no property of either.
    const second = await bootInBoth();
    const [inBrowser, inNode] = (["browser", "node"] as const).map((where) => ({
      ms: Math.min(first[where].ms, second[where].ms),
      cpuMs: Math.min(first[where].cpuMs, second[where].cpuMs),
    })) as [BootTime, BootTime];
    expect(inBrowser.cpuMs).toBeGreaterThan(100);
    expect(inNode.cpuMs).toBeGreaterThan(100);
    console.log(
      `boot to ${READY_MARKER}: Chromium ${inBrowser.ms} ms, Node ${inNode.ms} ms, ratio ${(inBrowser.ms / inNode.ms).toFixed(2)}\n` +
        `of the processor: Chromium ${inBrowser.cpuMs} ms, Node ${inNode.cpuMs} ms, ratio ${(inBrowser.cpuMs / inNode.cpuMs).toFixed(2)}`,
    );
  });

  test("answers what is typed", async () => {
    await page.click("#terminal");
    expect(await machine.ask("echo $((6 * 7)); cat /sys/block/vda/size")).toMatch(/42\n32768\n/);
  });

  test("gets a paste of 4 KiB whole", async () => {
    const lines = Array.from({ length: 160 }, (_, i) => `echo ${`${i}`.padStart(7, "w")} >>/tmp/paste\n`).join("");
    await page.evaluate((text) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", text);
      const target = document.querySelector(".xterm-helper-textarea");
      target?.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
    }, lines);
    expect(await machine.ask("wc -l </tmp/paste; sort -u /tmp/paste | wc -l")).toMatch(/160\n160\n/);
  });

  test("reads the disk, and no more of it than it needs", async () => {
    expect(await machine.ask("mount -t ext4 /dev/vda /mnt && cat /mnt/hello")).toContain("hello from the image");
    expect(images.bytesSent).toBeLessThan(8 << 20);
  });

  test("is held at the page's pace and by its buttons, however much it prints", async () => {
    await page.keyboard.type("clear; seq 1 1000000000\n");
    const changes = async (): Promise<boolean> => {
      const before = await machine.screen();
      await page.waitForTimeout(500);
      return (await machine.screen()) !== before;
    };
    await machine.waitFor(/^\d{4,}\n\d{4,}\n/m);
    expect(await changes()).toBe(true);
    await page.click("#pause");
    await page.locator("#state[data-state=paused]").waitFor();
    // What was under way comes to the screen; then it stands still.
    await expect.poll(changes).toBe(false);
    await expect.poll(() => page.locator("#status").textContent()).toMatch(/^0 MIPS/);
    await page.click("#pause");
    await page.click("#terminal");
    await page.keyboard.press("Control+C");
    expect(await machine.ask("echo free")).toContain("free");
  });

  test("writes, and finds it again after the page was loaded anew", async () => {
    expect(await machine.ask("echo kept words >/mnt/note; sync; ls /mnt")).toContain("note");
    // The page asks first: the machine goes with it.
    page.once("dialog", (dialog) => dialog.accept());
    await page.reload();
    await expect.poll(() => page.locator("#disks li").textContent()).toMatch(/vda.+disk\.img.+changes are kept/);
    await drop("dropped.img", 1 << 20, "0123456789abcdef");
    await machine.boot(READY_MARKER);
    await page.click("#terminal");
    expect(await machine.ask("mount -t ext4 /dev/vda /mnt && cat /mnt/note")).toContain("kept words");
  });

  test("has a dropped file as its second disk", async () => {
    expect(await machine.ask("cat /sys/block/vdb/size; dd if=/dev/vdb bs=16 skip=1000 count=1 2>/dev/null")).toMatch(
      /2048\n0123456789abcdef/,
    );
    const written = "echo x | dd of=/dev/vdb bs=512 seek=9 conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches";
    expect(await machine.ask(`${written}; dd if=/dev/vdb bs=512 skip=9 count=1 2>/dev/null | head -n 1`)).toMatch(
      /^x$/m,
    );
  });

  test("keeps its disks to itself while it is on", async () => {
    const other = await page.context().newPage();
    await other.goto(page.url());
    await other.click("#start");
    expect(await pageMachine(other).complaint()).toMatch(
      /^the changes kept as '.+disk\.img' are in use, here or in another tab$/,
    );
    await other.close();
  });

  test("starts anew by the reset button", async () => {
    await page.click("#reset");
    await machine.waitFor(/^\[ +0\.0\d+\]/m);
  });

  test("gives its disk as a file, the changes in it, while it is on and while it is off", async () => {
    const exports: Uint8Array[] = [];
    for (const isOn of [true, false]) {
      if (!isOn) await page.click("#start");
      if (!isOn) await page.locator("#state[data-state=off]").waitFor();
      const download = page.waitForEvent("download");
      await page.locator("#disks li").first().getByRole("button", { name: "Export" }).click();
      exports.push(readFileSync(await (await download).path()));
    }
    expect(exports.map(({ length }) => length)).toEqual([16 << 20, 16 << 20]);
    for (const bytes of exports) expect(Buffer.from(bytes).includes("kept words\n")).toBe(true);
  });
});

describe("changes that the browser keeps", () => {
  const url = (): string => `${images.url}/disk.img`;

  test("belong to the image they were made over", async () => {
    const { version } = images;
    images.version = "Sat, 28 Nov 2026 11:00:00 GMT";
    await open({ disk: url() });
    await page.click("#start");
    expect(await machine.complaint()).toMatch(/^the changes kept as '.+disk\.img' belong to another image: /);
    images.version = version;
  });

  test("are refused by name when they are damaged, and can be discarded", async () => {
    await open({ disk: url() });
    await page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle("tsvm-overlays");
      for await (const handle of folder.values()) {
        const file = await (handle as FileSystemFileHandle).createWritable({ keepExistingData: true });
        await file.write({ type: "write", position: 4096, data: new Uint8Array(64).fill(0xff) });
        await file.close();
      }
    });
    await page.click("#start");
    expect(await machine.complaint()).toMatch(/^the changes kept as '.+' are damaged: entry 0 .+; discard it/);
    page.once("dialog", (dialog) => dialog.accept());
    await page.getByRole("button", { name: "Discard" }).click();
    await expect.poll(() => page.locator("#disks li").textContent()).not.toContain("are kept");
  });
});

test("nothing of Node is in the page", () => {
  const assets = join(import.meta.dirname, "../packages/web/dist/page/assets");
  const scripts = readdirSync(assets).filter((name) => name.endsWith(".js"));
  expect(scripts.length).toBeGreaterThan(1);
  for (const name of scripts) expect(readFileSync(join(assets, name), "utf8")).not.toMatch(/["'`]node:/);
});

test("the page never failed by itself", () => {
  expect(pageErrors).toEqual([]);
});
