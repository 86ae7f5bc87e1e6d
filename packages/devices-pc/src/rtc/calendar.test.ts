import { describe, expect, it } from "vitest";
import { CENTURY, HOURS, nextAlarm, readCalendar, writeCalendar, YEAR } from "./calendar.ts";

const BCD = { binary: false, hours24: true };
const at = (text: string): number => Date.parse(text) / 1000;

describe("writeCalendar and readCalendar", () => {
  it.each([
    "1970-01-01T00:00:00Z",
    "1999-12-31T23:59:59Z",
    "2000-02-29T12:00:00Z",
    "2038-01-19T03:14:08Z",
    "2100-03-01T00:30:00Z",
  ])("agree on %s in every format", (text) => {
    for (const binary of [false, true]) {
      for (const hours24 of [false, true]) {
        const cmos = new Uint8Array(128);
        writeCalendar(cmos, at(text), { binary, hours24 });
        expect(readCalendar(cmos, { binary, hours24 })).toBe(at(text));
      }
    }
  });

  it("write what the data sheet says", () => {
    const cmos = new Uint8Array(128);
    writeCalendar(cmos, at("2026-08-15T23:45:56Z"), BCD);
    expect([...cmos.subarray(0, 10)]).toEqual([0x56, 0, 0x45, 0, 0x23, 0, 7, 0x15, 0x08, 0x26]);
    expect([cmos[YEAR], cmos[CENTURY]]).toEqual([0x26, 0x20]);
    writeCalendar(cmos, at("2026-08-15T23:45:56Z"), { binary: false, hours24: false });
    expect(cmos[HOURS]).toBe(0x91);
    writeCalendar(cmos, at("2026-08-15T00:45:56Z"), { binary: false, hours24: false });
    expect(cmos[HOURS]).toBe(0x12);
  });
});

describe("nextAlarm", () => {
  const alarm = (seconds: number, minutes: number, hours: number): Uint8Array => {
    const cmos = new Uint8Array(128);
    cmos[1] = seconds;
    cmos[3] = minutes;
    cmos[5] = hours;
    return cmos;
  };
  const from = at("2026-08-15T10:20:30Z");

  it.each([
    ["today", 0x31, 0x20, 0x10, "2026-08-15T10:20:31Z"],
    ["this very second", 0x30, 0x20, 0x10, "2026-08-15T10:20:30Z"],
    ["tomorrow", 0x29, 0x20, 0x10, "2026-08-16T10:20:29Z"],
    ["every hour", 0x00, 0x15, 0xff, "2026-08-15T11:15:00Z"],
    ["every minute", 0x05, 0xc0, 0xff, "2026-08-15T10:21:05Z"],
    ["every second", 0xff, 0xff, 0xff, "2026-08-15T10:20:30Z"],
  ])("finds %s", (_, seconds, minutes, hours, expected) => {
    expect(nextAlarm(alarm(seconds, minutes, hours), from, BCD)).toBe(at(expected));
  });

  it("gives up on a time that no day has", () => {
    expect(nextAlarm(alarm(0x75, 0x20, 0x10), from, BCD)).toBeUndefined();
    expect(nextAlarm(alarm(0x00, 0x00, 0x30), from, BCD)).toBeUndefined();
  });
});
