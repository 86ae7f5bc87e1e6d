/** C programs of native/, compiled when first wanted. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const OPTIONS = ["-O1", "-Wall", "-Wextra", "-Werror", "-fno-stack-protector", "-mno-red-zone"];
const compiled = new Map<string, string>();

/** Path of the executable of native/`name`.c, which is removed when this process ends. @throws Error if gcc does not compile it. */
export function compileNative(name: string, options: readonly string[] = []): string {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const directory = mkdtempSync(join(tmpdir(), `${name}-`));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  const program = join(directory, name);
  const source = fileURLToPath(new URL(`../native/${name}.c`, import.meta.url));
  execFileSync("gcc", [...OPTIONS, ...options, "-o", program, source]);
  compiled.set(name, program);
  return program;
}
