import { existsSync } from "node:fs";
import { join } from "node:path";
import { bootMatrix } from "./boot-matrix.ts";
import { type Environments, kvmUnitTests } from "./kvm-unit-tests.ts";
import { memtest } from "./memtest.ts";
import type { TestCase } from "./test-case.ts";
import { test386 } from "./test386.ts";
import { xv6 } from "./xv6.ts";

/** One suite: where it lies in the folder, and its tests. */
interface Suite {
  readonly place: string;
  readonly testsOf: (path: string, environments: Environments) => readonly TestCase[];
}

const SUITES: readonly Suite[] = [
  { place: "kvm-unit-tests", testsOf: kvmUnitTests },
  { place: "kvm-unit-tests-i386", testsOf: kvmUnitTests },
  { place: "test386", testsOf: test386 },
  { place: "xv6", testsOf: xv6 },
  { place: "memtest86+", testsOf: memtest },
  { place: "kernels", testsOf: bootMatrix },
];

/** Tests of every suite that is there, and the places where one could be and is not. */
export interface FoundSuites {
  readonly tests: readonly TestCase[];
  readonly missing: readonly string[];
}

/** Looks for suites in `folder`; `environments` are for kvm-unit-tests. @throws Error of one line */
export function findSuites(folder: string, environments: Environments): FoundSuites {
  const isThere = ({ place }: Suite): boolean => existsSync(join(folder, place));
  return {
    tests: SUITES.filter(isThere).flatMap(({ place, testsOf }) => testsOf(join(folder, place), environments)),
    missing: SUITES.filter((suite) => !isThere(suite)).map(({ place }) => place),
  };
}
