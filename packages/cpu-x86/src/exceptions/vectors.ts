/** Exception vectors. SDM vol. 3A, "Exception and Interrupt Vectors". */
export const VECTOR = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
  XM: 19,
  CP: 21,
} as const;
/** Name of an exception as the manual spells it after '#'. */
export type VectorName = keyof typeof VECTOR;
/** Error code value of exceptions that push none. */
export const NO_ERROR_CODE = -1;
