// Boots a kernel and an initrd with tsvm in a tab of headless Chromium, with the guest's serial console on stdout:
//   node chromium-host.ts CHROMIUM MIB KERNEL INITRD COMMANDLINE
// The page is @tsvm/web as it is built for users; it posts what the guest writes to the server it came from.
import { spawn } from "node:child_process";
import { createReadStream, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const [chromium = "", mib, kernel = "", initrd = "", commandLine = ""] = process.argv.slice(2);
const DIST = join(import.meta.dirname, "../../../packages/web/dist");

const PAGE = `<!doctype html><script type="module">
import { createWebMachine } from "/dist/index.js";
// One piece after the other, or they might change places.
const post = (body) => fetch("/serial", { method: "POST", body });
try {
  const machine = await createWebMachine({
    kernel: "/kernel", initrd: "/initrd", memoryBytes: ${Number(mib)} << 20, onReboot: "stop",
    commandLine: ${JSON.stringify(commandLine)}, onSerial: (bytes) => post(bytes).then(() => {}),
  });
  await machine.run();
} catch (error) { await post("chromium-host: " + error + "\\n"); }
</script>`;

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { url = "/" } = request;
  const send = (file: string, type = "application/octet-stream"): void => {
    response.setHeader("content-type", type);
    createReadStream(file)
      .once("error", () => response.writeHead(404).end())
      .pipe(response);
  };
  if (url === "/serial") {
    request.on("data", (bytes: Uint8Array) => process.stdout.write(bytes));
    request.once("end", () => response.writeHead(204).end());
  } else if (url === "/kernel") send(kernel);
  else if (url === "/initrd") send(initrd);
  else if (url.startsWith("/dist/")) send(join(DIST, basename(url)), "text/javascript");
  else if (url === "/") response.setHeader("content-type", "text/html").end(PAGE);
  else response.writeHead(404).end();
}

const server = createServer(answer);
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  // Whoever measures kills this process: the profile is cleared by the next one.
  const profile = join(tmpdir(), "tsvm-bench-chromium");
  rmSync(profile, { recursive: true, force: true });
  const options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`];
  const browser = spawn(chromium, [...options, `http://127.0.0.1:${port}/`], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  browser.once("error", (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
  browser.once("close", () => process.exit(1));
});
