import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { brokenLinks, errorCodesInSources, errorCodesInTable, examplesIn, ROOT } from "../src/documents.ts";

const packages = readdirSync(join(ROOT, "packages"));
const readme = (name: string): string => readFileSync(join(ROOT, "packages", name, "README.md"), "utf8");

describe("error codes", () => {
  const listed = errorCodesInTable(readFileSync(join(ROOT, "README.md"), "utf8"));
  test("every code in the sources stands in the README, and the other way round", () => {
    expect([...listed].sort()).toEqual([...errorCodesInSources()].sort());
  });
});

test("every relative link leads somewhere", () => {
  expect(brokenLinks()).toEqual([]);
});

test("the reader of examples takes runnable blocks only", () => {
  expect(examplesIn("x\n```ts\na\n```\n```ts no-run\nb\n```\n```sh\nc\n```\n")).toEqual(["a\n"]);
});

/** Documents of a package whose examples must run: its README, and what lies in docs/. */
const documentsOf = (name: string): readonly string[] => {
  const folder = join(ROOT, "packages", name, "docs");
  return ["README.md", ...(existsSync(folder) ? readdirSync(folder).map((file) => `docs/${file}`) : [])];
};

describe.each(packages)("%s", (name) => {
  test("has an example in its README", () => {
    expect(readme(name)).toMatch(/^```(ts|sh)/m);
  });

  const examples = documentsOf(name).flatMap((document) =>
    examplesIn(readFileSync(join(ROOT, "packages", name, document), "utf8")).map(
      (example, index) => [document, index, example] as const,
    ),
  );
  test.each(examples)(
    "%s: example %i runs",
    (document, index, example) => {
      // Inside the package, so that it may import the package by its name, as the reader will.
      const folder = join(ROOT, "packages", name, ".tsc/examples");
      mkdirSync(folder, { recursive: true });
      const file = join(folder, `${basename(document, ".md")}-${index}.ts`);
      writeFileSync(file, example);
      try {
        execFileSync(process.execPath, ["--conditions=@tsvm/source", file], { encoding: "utf8", stdio: "pipe" });
      } finally {
        rmSync(file);
      }
    },
    60_000,
  );
});
