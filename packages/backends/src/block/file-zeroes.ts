import { findHostFunctions, type HostFunction } from "../host-library.ts";

/** Linux, `linux/falloc.h`. */
const FALLOC_FL_KEEP_SIZE = 0x01;
const FALLOC_FL_PUNCH_HOLE = 0x02;
const FALLOC_FL_ZERO_RANGE = 0x10;

/** Makes `length` bytes from `position` of an open file read as zeroes; false: the host or the file system cannot. */
export type ZeroRange = (fd: number, position: number, length: number) => boolean;

/** The two ways to do so without writing; undefined where the host has neither. */
export interface ZeroRanges {
  /** Gives the storage back. */
  readonly punch: ZeroRange;
  /** Keeps it. */
  readonly zero: ZeroRange;
}

let found: { readonly ranges: ZeroRanges | undefined } | undefined;

/** Looked up once, when first needed: most machines never do. */
export function findZeroRanges(): ZeroRanges | undefined {
  found ??= { ranges: lookUp() };
  return found.ranges;
}

function lookUp(): ZeroRanges | undefined {
  const functions = findHostFunctions({ fallocate: ["i32", "i32", "i64", "i64"] });
  if (functions === undefined) return undefined;
  return {
    punch: withMode(functions.fallocate, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE),
    zero: withMode(functions.fallocate, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE),
  };
}

function withMode(fallocate: HostFunction, mode: number): ZeroRange {
  return (fd, position, length) => fallocate(fd, mode, BigInt(position), BigInt(length)) === 0;
}
