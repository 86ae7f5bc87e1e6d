// Builds the page with the default guest beside it, and serves it to this computer: `serve.ts [PORT]`.
import { join } from "node:path";
import { build, type Plugin, preview } from "vite";
import { addGuest } from "./add-guest.ts";

const configFile = join(import.meta.dirname, "../vite.config.ts");
const port = Number(process.argv[2] ?? 8086);
await build({ configFile, logLevel: "warn" });
await addGuest();
const server = await preview({ configFile, plugins: [plainAnswers()], preview: { port, host: "127.0.0.1" } });
console.log(`tsvm: ${server.resolvedUrls?.local[0]} (Ctrl-C ends)`);

/** Vite compresses what it sends anew each time; within one computer that takes longer than the bytes do. */
function plainAnswers(): Plugin {
  return {
    name: "plain-answers",
    configurePreviewServer({ middlewares }) {
      middlewares.use((request, _response, next) => {
        delete request.headers["accept-encoding"];
        next();
      });
    },
  };
}
