import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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

describe.each(packages)("README of %s", (name) => {
  test("has an example", () => {
    expect(readme(name)).toMatch(/^```(ts|sh)/m);
  });

  test.each(examplesIn(readme(name)).map((example, index) => [index, example] as const))(
    "example %i runs",
    (index, example) => {
      // Inside the package, so that it may import the package by its name, as the reader will.
      const folder = join(ROOT, "packages", name, ".tsc/examples");
      mkdirSync(folder, { recursive: true });
      const file = join(folder, `example-${index}.ts`);
      writeFileSync(file, example);
      try {
        execFileSync(process.execPath, ["--conditions=@tsvm/source", file], { encoding: "utf8", stdio: "pipe" });
      } finally {
        rmSync(file);
      }
    },
  );
});
