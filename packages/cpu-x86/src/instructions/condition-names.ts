/** Suffixes of Jcc, SETcc and CMOVcc by condition number. SDM vol. 1, "EFLAGS Condition Codes". */
export const CONDITION_NAMES = [
  "O",
  "NO",
  "B",
  "NB",
  "Z",
  "NZ",
  "BE",
  "NBE",
  "S",
  "NS",
  "P",
  "NP",
  "L",
  "NL",
  "LE",
  "NLE",
] as const;
