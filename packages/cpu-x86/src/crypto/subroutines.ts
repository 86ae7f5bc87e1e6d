// What cryptographic instructions share and is too big to stand in every handler.
import { giveBack, type Subroutine } from "../softfloat/subroutine.ts";
import { carrylessMultiply } from "./carryless-multiply.ts";
import { INVERSE_S_BOX, INVERSES, lookUp, S_BOX } from "./galois-field.ts";
import { sha1Rounds, sha256Rounds } from "./sha-rounds.ts";

const byTable = (name: string, table: readonly number[]): Subroutine => ({
  name,
  params: ["v128"],
  result: "v128",
  body: (b, x) => giveBack(b, lookUp(b, table, x!)),
});

/** Each byte replaced as FIPS 197 says, "SubBytes". */
export const substituteBytes: Subroutine = byTable("substituteBytes", S_BOX);
/** The reverse, "InvSubBytes". */
export const restoreBytes: Subroutine = byTable("restoreBytes", INVERSE_S_BOX);
/** Each byte's inverse in the field. */
export const invertBytes: Subroutine = byTable("invertBytes", INVERSES);

/** All of them. */
export const CRYPTO_SUBROUTINES: readonly Subroutine[] = [
  substituteBytes,
  restoreBytes,
  invertBytes,
  carrylessMultiply,
  sha1Rounds,
  sha256Rounds,
];
