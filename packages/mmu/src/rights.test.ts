import { describe, expect, it } from "vitest";
import { ACCESS_AC, ACCESS_FETCH, ACCESS_READ, ACCESS_USER, ACCESS_WRITE } from "./access.ts";
import { fillRights, grantedKinds, RIGHTS_ENTRIES, rightsIndex } from "./rights.ts";
import { PAGE_RW, PAGE_US, PAGE_XD } from "./walker.ts";

const SUPERVISOR = 0;
const R = ACCESS_READ;
const RW = ACCESS_READ | ACCESS_WRITE;
const X = ACCESS_FETCH;
const off = { wp: false, smep: false, smap: false };
const wp = { ...off, wp: true };

// SDM vol. 3A, "Determination of Access Rights", sentence by sentence.
describe("what a page grants", () => {
  it.each([
    ["the supervisor writes what is read-only, without CR0.WP", off, SUPERVISOR, 0, RW | X],
    ["not with it", wp, SUPERVISOR, 0, R | X],
    ["of the user's pages either", wp, SUPERVISOR, PAGE_US, R | X],
    ["without it, it does there, too", off, SUPERVISOR, PAGE_US, RW | X],
    ["it writes what is writable", wp, SUPERVISOR, PAGE_RW, RW | X],
    ["and executes what is not XD", wp, SUPERVISOR, PAGE_RW | PAGE_XD, RW],
    ["SMAP keeps it from the user's data, not from its code", { ...wp, smap: true }, SUPERVISOR, PAGE_US | PAGE_RW, X],
    ["without CR0.WP, too", { ...off, smap: true }, SUPERVISOR, PAGE_US, X],
    ["EFLAGS.AC lets it", { ...wp, smap: true }, ACCESS_AC, PAGE_US | PAGE_RW, RW | X],
    ["EFLAGS.AC does not write what is read-only", { ...wp, smap: true }, ACCESS_AC, PAGE_US, R | X],
    ["SMAP leaves its own pages alone", { ...wp, smap: true }, SUPERVISOR, PAGE_RW, RW | X],
    ["SMEP keeps it from the user's code", { ...wp, smep: true }, SUPERVISOR, PAGE_US | PAGE_RW, RW],
    ["not from its own", { ...wp, smep: true }, SUPERVISOR, PAGE_RW, RW | X],
    ["the user has nothing of the supervisor's", off, ACCESS_USER, PAGE_RW, 0],
    ["reads and executes what is its own", off, ACCESS_USER, PAGE_US, R | X],
    ["writes what is writable, whatever CR0.WP", off, ACCESS_USER, PAGE_US | PAGE_RW, RW | X],
    ["and executes what is not XD, whatever SMEP", { ...wp, smep: true }, ACCESS_USER, PAGE_US | PAGE_XD, R],
  ] as const)("%s", (_, controls, access, attributes, kinds) => {
    expect(grantedKinds(controls, access, attributes)).toBe(kinds);
  });
});

it("the table says the same", () => {
  for (const controls of [off, wp, { wp: true, smep: true, smap: true }]) {
    const table = new Uint8Array(RIGHTS_ENTRIES);
    fillRights(table, controls);
    for (const access of [0, ACCESS_AC, ACCESS_USER, ACCESS_USER | ACCESS_AC])
      for (let attributes = 0; attributes < 8; attributes++)
        expect(table[rightsIndex(access, attributes)]).toBe(grantedKinds(controls, access, attributes));
  }
});
