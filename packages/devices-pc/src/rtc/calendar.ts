/** How the MC146818 writes the time of day into its registers: "Time, Calendar, and Alarm Locations". */

export const SECONDS = 0;
export const SECONDS_ALARM = 1;
export const MINUTES = 2;
export const MINUTES_ALARM = 3;
export const HOURS = 4;
export const HOURS_ALARM = 5;
export const DAY_OF_WEEK = 6;
export const DAY_OF_MONTH = 7;
export const MONTH = 8;
export const YEAR = 9;
/** Where a PC keeps the century: not a register of the chip but a byte of its RAM (FADT, "CENTURY"). */
export const CENTURY = 0x32;

const PM = 0x80;
const SECONDS_PER_DAY = 86_400;
/** An alarm byte with both high bits set matches every value. */
const DONT_CARE = 0xc0;

/** Register B's say in how values are written. */
export interface CalendarFormat {
  readonly binary: boolean;
  readonly hours24: boolean;
}

function encode(value: number, { binary }: CalendarFormat): number {
  return binary ? value : (Math.floor(value / 10) << 4) | (value % 10);
}

function decode(byte: number, { binary }: CalendarFormat): number {
  return binary ? byte : (byte >>> 4) * 10 + (byte & 15);
}

function encodeHours(hour: number, format: CalendarFormat): number {
  if (format.hours24) return encode(hour, format);
  return encode(hour % 12 === 0 ? 12 : hour % 12, format) | (hour >= 12 ? PM : 0);
}

function decodeHours(byte: number, format: CalendarFormat): number {
  if (format.hours24) return decode(byte, format);
  return (decode(byte & ~PM, format) % 12) + ((byte & PM) !== 0 ? 12 : 0);
}

/** Writes the UTC time `epochSeconds` after 1970 into the time registers of `cmos`. */
export function writeCalendar(cmos: Uint8Array, epochSeconds: number, format: CalendarFormat): void {
  const date = new Date(epochSeconds * 1000);
  const year = date.getUTCFullYear();
  cmos[SECONDS] = encode(date.getUTCSeconds(), format);
  cmos[MINUTES] = encode(date.getUTCMinutes(), format);
  cmos[HOURS] = encodeHours(date.getUTCHours(), format);
  cmos[DAY_OF_WEEK] = encode(date.getUTCDay() + 1, format);
  cmos[DAY_OF_MONTH] = encode(date.getUTCDate(), format);
  cmos[MONTH] = encode(date.getUTCMonth() + 1, format);
  cmos[YEAR] = encode(year % 100, format);
  cmos[CENTURY] = encode(Math.floor(year / 100), format);
}

/** The UTC time the time registers of `cmos` say, in seconds after 1970; values out of range carry over. */
export function readCalendar(cmos: Uint8Array, format: CalendarFormat): number {
  const at = (register: number): number => decode(cmos[register] as number, format);
  const year = at(CENTURY) * 100 + at(YEAR);
  const hour = decodeHours(cmos[HOURS] as number, format);
  const date = new Date(0);
  // Unlike Date.UTC this takes years below 100 as they are.
  date.setUTCFullYear(year, at(MONTH) - 1, at(DAY_OF_MONTH));
  date.setUTCHours(hour, at(MINUTES), at(SECONDS));
  return Math.floor(date.getTime() / 1000);
}

/**
 * The first time from `fromSeconds` on at which the alarm bytes of `cmos` match, in seconds after 1970; undefined if
 * they name no time of day. Steps over whole hours and minutes, so it takes at most some hundred turns.
 */
export function nextAlarm(cmos: Uint8Array, fromSeconds: number, format: CalendarFormat): number | undefined {
  const wants = (register: number, convert: typeof decode): number | undefined => {
    const byte = cmos[register] as number;
    return (byte & DONT_CARE) === DONT_CARE ? undefined : convert(byte, format);
  };
  const second = wants(SECONDS_ALARM, decode);
  const minute = wants(MINUTES_ALARM, decode);
  const hour = wants(HOURS_ALARM, decodeHours);
  const end = fromSeconds + SECONDS_PER_DAY;
  for (let at = fromSeconds; at <= end; ) {
    if (hour !== undefined && Math.floor(at / 3600) % 24 !== hour) at += 3600 - (at % 3600);
    else if (minute !== undefined && Math.floor(at / 60) % 60 !== minute) at += 60 - (at % 60);
    else if (second !== undefined && at % 60 !== second) at++;
    else return at;
  }
  return undefined;
}
