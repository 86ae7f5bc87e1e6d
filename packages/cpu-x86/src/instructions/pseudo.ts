// Records that are no instructions: addresses computed ahead, links between runs, and opcodes without meaning.
import { effectiveAddress } from "../emit/operands.ts";
import { AT } from "../state/layout.ts";
import { type FpuUse, type Row, row, type Semantics } from "./row.ts";

/**
 * Leaves the linear address of the next record's memory operand in `effectiveAddress`. An absolute address may have
 * more than the 32 bits of a displacement.
 */
const address =
  (access: "read" | "write" | "none"): Semantics =>
  (b) => {
    const offset = b.zext(b.add(effectiveAddress(b), b.shl(b.fields.addressHigh(), b.const(32))), b.shape.asize);
    const segment = b.fields.segment();
    const linear =
      access === "none"
        ? b.cutLinear(b.add(offset, b.stateAt("segBase", segment)))
        : b.segmentLinear(offset, segment, b.fields.accessSize(), access === "write");
    b.setState("effectiveAddress", linear);
  };

/** Nothing is known under this opcode: counted, never skipped. */
const undefinedOpcode: Semantics = (b) => {
  const count = b.add(b.load("i64.load32_u", undefined, AT.undefinedCount), b.const(1));
  b.store("i64.store32", undefined, AT.undefinedCount, count);
  b.raise("UD");
};

/** Stands for whatever is found where ENDBRANCH has to be. Its length is 0: the helper goes on at the instruction itself. */
const missingEndbranch: Semantics = (b) => b.helper("missingEndbranch");

/** More than 15 bytes. SDM vol. 2A, "Instruction Format". */
const tooLong: Semantics = (b) => b.raise("GP", b.const(0));

/** Goes on at the instruction whose offset from the page is the immediate. */
const link: Semantics = (b) => {
  if (b.shape.inPage) b.exit("near");
  else {
    b.setState("rip", b.branchTarget());
    b.exit("indirect");
  }
};

/** Hands over to the run loop at this instruction, which finds (or makes) the record anew. */
const stop: Semantics = (b) => {
  b.setState("rip", b.add(b.reg(64, "pageRip"), b.fields.pageOffset()));
  b.exit("leave");
};

/** Comes back in front of its instruction as a fault does, with nothing pending and nothing counted. */
const stale: Semantics = (b) => b.exit("fault");

/** Stands in for the record at which a translated region is entered. */
const region: Semantics = (b) => b.exit("region");

const pseudo = (mnemonic: string, semantics: Semantics, options: Partial<Row> = {}): Row =>
  row("00", mnemonic, options.operands ?? [], semantics, options);

/** By the name the decoder uses. */
export const PSEUDO = {
  addressRead: pseudo("ADDRESS", address("read"), { asize: true }),
  addressWrite: pseudo("ADDRESS", address("write"), { asize: true }),
  /** For rows that are #GP above CPL 0: that comes before the limits. */
  addressPrivileged: pseudo("ADDRESS-CPL0", address("read"), { asize: true, cpl0: true }),
  /** The same of XSAVES and XRSTORS. */
  addressSupervisorSave: pseudo("ADDRESS-SAVE", address("write"), { asize: true, cpl0: true, osxsave: true }),
  addressSupervisorRestore: pseudo("ADDRESS-RESTORE", address("read"), { asize: true, cpl0: true, osxsave: true }),
  addressOnly: pseudo("ADDRESS", address("none"), { asize: true }),
  undefinedOpcode: pseudo("UNDEFINED", undefinedOpcode),
  tooLong: pseudo("TOO-LONG", tooLong),
  missingEndbranch: pseudo("MISSING-ENDBRANCH", missingEndbranch, { flow: "jump" }),
  link: pseudo("LINK", link, { operands: ["Jz"], flow: "jump" }),
  /** Stands in for records whose bytes have changed. The jump cache may still lead here: only the run loop mends it. */
  stale: pseudo("STALE", stale),
  stop: pseudo("STOP", stop),
  region: pseudo("REGION", region),
} as const satisfies Readonly<Record<string, Row>>;

const byUnit = (access: "read" | "write"): Readonly<Record<FpuUse, Row>> => {
  const addressFor = (fpu: FpuUse): Row =>
    pseudo(`ADDRESS-${fpu.toUpperCase()}`, address(access), { asize: true, fpu });
  return {
    x87: addressFor("x87"),
    "x87-no-wait": addressFor("x87-no-wait"),
    mmx: addressFor("mmx"),
    sse: addressFor("sse"),
    "mmx-sse": addressFor("mmx-sse"),
    avx: addressFor("avx"),
    wait: addressFor("wait"),
  };
};

/**
 * For rows that need a unit, where segments have limits: whether it may be used is asked before. SDM vol. 3A, "Priority Among Concurrent Events";
 * pending x87 exceptions come first on an AMD EPYC, too (fuzz seed 1131602009).
 */
export const UNIT_ADDRESS = { read: byUnit("read"), write: byUnit("write") } as const;

const UNIT_ADDRESS_ROWS: readonly Row[] = [...Object.values(UNIT_ADDRESS.read), ...Object.values(UNIT_ADDRESS.write)];

/** All that are no instructions. */
export const PSEUDO_ROWS: readonly Row[] = [...Object.values(PSEUDO), ...UNIT_ADDRESS_ROWS];

/** Addresses that other code may take along with their instructions. */
export const ADDRESS_ROWS: ReadonlySet<Row> = new Set([
  PSEUDO.addressRead,
  PSEUDO.addressWrite,
  PSEUDO.addressOnly,
  ...UNIT_ADDRESS_ROWS,
]);
