import { ACCESS_AC, ACCESS_FETCH, ACCESS_READ, ACCESS_USER, ACCESS_WRITE, type AccessBits } from "./access.ts";
import { PAGE_RW, PAGE_US, PAGE_XD, type PagingRegisters } from "./walker.ts";

/** The control bits that decide on rights. */
export type RightsControls = Pick<PagingRegisters, "wp" | "smep" | "smap">;

/**
 * The kinds of access that a page grants: SDM vol. 3A, "Determination of Access Rights", said once for all modes.
 * @param access privilege (ACCESS_USER) and ACCESS_AC; its kind does not matter.
 * @param attributes PAGE_XD, PAGE_RW and PAGE_US of the page; other bits do not matter.
 * @returns ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH or'ed together.
 */
export function grantedKinds(controls: RightsControls, access: AccessBits, attributes: number): number {
  const userPage = (attributes & PAGE_US) !== 0;
  const writablePage = (attributes & PAGE_RW) !== 0;
  const executablePage = (attributes & PAGE_XD) === 0;
  if ((access & ACCESS_USER) !== 0) {
    return userPage ? kinds(true, writablePage, executablePage) : 0;
  }
  // SMAP stands between the supervisor and the data of user pages, SMEP between it and their code.
  const data = !userPage || !controls.smap || (access & ACCESS_AC) !== 0;
  const code = executablePage && !(userPage && controls.smep);
  return kinds(data, data && (writablePage || !controls.wp), code);
}

function kinds(read: boolean, write: boolean, fetch: boolean): number {
  return (read ? ACCESS_READ : 0) | (write ? ACCESS_WRITE : 0) | (fetch ? ACCESS_FETCH : 0);
}

/** Entries of a table filled by {@link fillRights}. */
export const RIGHTS_ENTRIES = 32;

/** Index into a table filled by {@link fillRights}: AC, U/S of the access, then U/S, R/W, XD of the page. */
export function rightsIndex(access: AccessBits, attributes: number): number {
  return ((access & ACCESS_AC) >>> 14) | ((access & ACCESS_USER) << 1) | (attributes & 7);
}

/** Tabulates {@link grantedKinds} for the given controls, so that a walk asks with one load. */
export function fillRights(table: Uint8Array, controls: RightsControls): void {
  for (const ac of [0, ACCESS_AC]) {
    for (const user of [0, ACCESS_USER]) {
      for (let attributes = 0; attributes < 8; attributes++) {
        const access = ac | user;
        table[rightsIndex(access, attributes)] = grantedKinds(controls, access, attributes);
      }
    }
  }
}
