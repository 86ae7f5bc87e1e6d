import type { Flavour } from "../cpu-state.ts";
import type { ContentType } from "../environment.ts";
import { type Draft, REGISTERS } from "../generate/draft.ts";
import { chooseThrough } from "../generate/implicit-operands.ts";
import { type Form, type FormOptions, form } from "./form.ts";
import { chooseLaneShift, chooseLengths, LANE_SHIFTS, PACKED, PACKED38, WIDE38 } from "./sse.ts";

const INTEGER: FormOptions = { flavour: "integer" };
const floating = (flavour: Flavour & ContentType): FormOptions => ({ flavour, content: flavour });
const SINGLE = floating("single");
const DOUBLE = floating("double");
const ALIGNED: FormOptions = { ...INTEGER, aligned: true };

/** A form with 128 and with 256 bits: `both("66.0F.WIG FC /r", "VPADDB Vx,Hx,Wx")`. */
const both = (encoding: string, instruction: string, options: FormOptions): Form[] =>
  ["128", "256"].map((length) => form(`VEX.${length}.${encoding}`, instruction, options));

const ARITHMETIC: Readonly<Record<string, string>> = {
  "58": "VADD",
  "59": "VMUL",
  "5C": "VSUB",
  "5D": "VMIN",
  "5E": "VDIV",
  "5F": "VMAX",
};
const arithmetic: readonly Form[] = [
  ...Object.entries(ARITHMETIC).flatMap(([opcode, name]) => [
    ...both(`NP.0F.WIG ${opcode} /r`, `${name}PS Vps,Hps,Wps`, SINGLE),
    ...both(`66.0F.WIG ${opcode} /r`, `${name}PD Vpd,Hpd,Wpd`, DOUBLE),
    form(`VEX.LIG.F3.0F.WIG ${opcode} /r`, `${name}SS Vss,Hss,Wss`, SINGLE),
    form(`VEX.LIG.F2.0F.WIG ${opcode} /r`, `${name}SD Vsd,Hsd,Wsd`, DOUBLE),
  ]),
  ...both("NP.0F.WIG 51 /r", "VSQRTPS Vps,Wps", SINGLE),
  ...both("66.0F.WIG 51 /r", "VSQRTPD Vpd,Wpd", DOUBLE),
  form("VEX.LIG.F3.0F.WIG 51 /r", "VSQRTSS Vss,Hss,Wss", SINGLE),
  form("VEX.LIG.F2.0F.WIG 51 /r", "VSQRTSD Vsd,Hsd,Wsd", DOUBLE),
  ...both("NP.0F.WIG C2 /r", "VCMPPS Vps,Hps,Wps,Ib", SINGLE),
  ...both("66.0F.WIG C2 /r", "VCMPPD Vpd,Hpd,Wpd,Ib", DOUBLE),
  form("VEX.LIG.F3.0F.WIG C2 /r", "VCMPSS Vss,Hss,Wss,Ib", SINGLE),
  form("VEX.LIG.F2.0F.WIG C2 /r", "VCMPSD Vsd,Hsd,Wsd,Ib", DOUBLE),
  form("VEX.LIG.NP.0F.WIG 2E /r", "VUCOMISS Vss,Wss", SINGLE),
  form("VEX.LIG.NP.0F.WIG 2F /r", "VCOMISS Vss,Wss", SINGLE),
  form("VEX.LIG.66.0F.WIG 2E /r", "VUCOMISD Vsd,Wsd", DOUBLE),
  form("VEX.LIG.66.0F.WIG 2F /r", "VCOMISD Vsd,Wsd", DOUBLE),
  ...both("66.0F.WIG 7C /r", "VHADDPD Vpd,Hpd,Wpd", DOUBLE),
  ...both("F2.0F.WIG 7C /r", "VHADDPS Vps,Hps,Wps", SINGLE),
  ...both("66.0F.WIG 7D /r", "VHSUBPD Vpd,Hpd,Wpd", DOUBLE),
  ...both("F2.0F.WIG 7D /r", "VHSUBPS Vps,Hps,Wps", SINGLE),
  ...both("66.0F.WIG D0 /r", "VADDSUBPD Vpd,Hpd,Wpd", DOUBLE),
  ...both("F2.0F.WIG D0 /r", "VADDSUBPS Vps,Hps,Wps", SINGLE),
  ...both("66.0F3A.WIG 40 /r", "VDPPS Vps,Hps,Wps,Ib", SINGLE),
  form("VEX.128.66.0F3A.WIG 41 /r", "VDPPD Vpd,Hpd,Wpd,Ib", DOUBLE),
  ...both("66.0F3A.WIG 08 /r", "VROUNDPS Vps,Wps,Ib", SINGLE),
  ...both("66.0F3A.WIG 09 /r", "VROUNDPD Vpd,Wpd,Ib", DOUBLE),
  form("VEX.LIG.66.0F3A.WIG 0A /r", "VROUNDSS Vss,Hss,Wss,Ib", SINGLE),
  form("VEX.LIG.66.0F3A.WIG 0B /r", "VROUNDSD Vsd,Hsd,Wsd,Ib", DOUBLE),
];

const conversions: readonly Form[] = [
  form("VEX.128.NP.0F.WIG 5A /r", "VCVTPS2PD Vpd,Wq", SINGLE),
  form("VEX.256.NP.0F.WIG 5A /r", "VCVTPS2PD Vpd,Wdq", SINGLE),
  form("VEX.128.66.0F.WIG 5A /r", "VCVTPD2PS Vps,Wpd", DOUBLE),
  form("VEX.256.66.0F.WIG 5A /r", "VCVTPD2PS Vdq,Wpd", DOUBLE),
  form("VEX.LIG.F3.0F.WIG 5A /r", "VCVTSS2SD Vsd,Hsd,Wss", SINGLE),
  form("VEX.LIG.F2.0F.WIG 5A /r", "VCVTSD2SS Vss,Hss,Wsd", DOUBLE),
  ...both("NP.0F.WIG 5B /r", "VCVTDQ2PS Vps,Wx", { ...SINGLE, content: "integer" }),
  ...both("66.0F.WIG 5B /r", "VCVTPS2DQ Vx,Wps", SINGLE),
  ...both("F3.0F.WIG 5B /r", "VCVTTPS2DQ Vx,Wps", SINGLE),
  form("VEX.128.F3.0F.WIG E6 /r", "VCVTDQ2PD Vpd,Wq", { ...DOUBLE, content: "integer" }),
  form("VEX.256.F3.0F.WIG E6 /r", "VCVTDQ2PD Vpd,Wdq", { ...DOUBLE, content: "integer" }),
  ...both("66.0F.WIG E6 /r", "VCVTTPD2DQ Vdq,Wpd", DOUBLE),
  ...both("F2.0F.WIG E6 /r", "VCVTPD2DQ Vdq,Wpd", DOUBLE),
  form("VEX.LIG.F3.0F 2A /r", "VCVTSI2SS Vss,Hss,Ey", { ...SINGLE, content: "integer" }),
  form("VEX.LIG.F2.0F 2A /r", "VCVTSI2SD Vsd,Hsd,Ey", { ...DOUBLE, content: "integer" }),
  form("VEX.LIG.F3.0F 2C /r", "VCVTTSS2SI Gy,Wss", SINGLE),
  form("VEX.LIG.F3.0F 2D /r", "VCVTSS2SI Gy,Wss", SINGLE),
  form("VEX.LIG.F2.0F 2C /r", "VCVTTSD2SI Gy,Wsd", DOUBLE),
  form("VEX.LIG.F2.0F 2D /r", "VCVTSD2SI Gy,Wsd", DOUBLE),
];

/** Moves of whole registers: load, store. */
const wholeMoves: readonly Form[] = [
  ["NP.0F.WIG 10", "NP.0F.WIG 11", "VMOVUPS", INTEGER],
  ["66.0F.WIG 10", "66.0F.WIG 11", "VMOVUPD", INTEGER],
  ["F3.0F.WIG 6F", "F3.0F.WIG 7F", "VMOVDQU", INTEGER],
  ["NP.0F.WIG 28", "NP.0F.WIG 29", "VMOVAPS", ALIGNED],
  ["66.0F.WIG 28", "66.0F.WIG 29", "VMOVAPD", ALIGNED],
  ["66.0F.WIG 6F", "66.0F.WIG 7F", "VMOVDQA", ALIGNED],
].flatMap(([load, store, name, options]) => [
  ...both(`${load} /r`, `${name} Vx,Wx`, options as FormOptions),
  ...both(`${store} /r`, `${name} Wx,Vx`, options as FormOptions),
]);

const moves: readonly Form[] = [
  ...wholeMoves,
  ...both("F2.0F.WIG F0 /r", "VLDDQU Vx,Mx", INTEGER),
  ...both("NP.0F.WIG 2B /r", "VMOVNTPS Mx,Vx", ALIGNED),
  ...both("66.0F.WIG 2B /r", "VMOVNTPD Mx,Vx", ALIGNED),
  ...both("66.0F.WIG E7 /r", "VMOVNTDQ Mx,Vx", ALIGNED),
  ...both("66.0F38.WIG 2A /r", "VMOVNTDQA Vx,Mx", ALIGNED),
  form("VEX.LIG.F3.0F.WIG 10 /r", "VMOVSS Vss,Hss,Uss", INTEGER),
  form("VEX.LIG.F3.0F.WIG 10 /r", "VMOVSS Vss,Mss", INTEGER),
  form("VEX.LIG.F3.0F.WIG 11 /r", "VMOVSS Uss,Hss,Vss", INTEGER),
  form("VEX.LIG.F3.0F.WIG 11 /r", "VMOVSS Mss,Vss", INTEGER),
  form("VEX.LIG.F2.0F.WIG 10 /r", "VMOVSD Vsd,Hsd,Usd", INTEGER),
  form("VEX.LIG.F2.0F.WIG 10 /r", "VMOVSD Vsd,Msd", INTEGER),
  form("VEX.LIG.F2.0F.WIG 11 /r", "VMOVSD Usd,Hsd,Vsd", INTEGER),
  form("VEX.LIG.F2.0F.WIG 11 /r", "VMOVSD Msd,Vsd", INTEGER),
  form("VEX.128.NP.0F.WIG 12 /r", "VMOVLPS Vq,Hq,Mq", INTEGER),
  form("VEX.128.NP.0F.WIG 12 /r", "VMOVHLPS Vq,Hq,Uq", INTEGER),
  form("VEX.128.66.0F.WIG 12 /r", "VMOVLPD Vq,Hq,Mq", INTEGER),
  form("VEX.128.NP.0F.WIG 13 /r", "VMOVLPS Mq,Vq", INTEGER),
  form("VEX.128.66.0F.WIG 13 /r", "VMOVLPD Mq,Vq", INTEGER),
  form("VEX.128.NP.0F.WIG 16 /r", "VMOVHPS Vdq,Hq,Mq", INTEGER),
  form("VEX.128.NP.0F.WIG 16 /r", "VMOVLHPS Vdq,Hq,Uq", INTEGER),
  form("VEX.128.66.0F.WIG 16 /r", "VMOVHPD Vdq,Hq,Mq", INTEGER),
  form("VEX.128.NP.0F.WIG 17 /r", "VMOVHPS Mq,Vdq", INTEGER),
  form("VEX.128.66.0F.WIG 17 /r", "VMOVHPD Mq,Vdq", INTEGER),
  form("VEX.128.66.0F 6E /r", "VMOVD Vdq,Ey", INTEGER),
  form("VEX.128.66.0F 7E /r", "VMOVD Ey,Vdq", INTEGER),
  form("VEX.128.F3.0F.WIG 7E /r", "VMOVQ Vdq,Wq", INTEGER),
  form("VEX.128.66.0F.WIG D6 /r", "VMOVQ Wq,Vdq", INTEGER),
  ...both("F3.0F.WIG 12 /r", "VMOVSLDUP Vx,Wx", INTEGER),
  ...both("F3.0F.WIG 16 /r", "VMOVSHDUP Vx,Wx", INTEGER),
  form("VEX.128.F2.0F.WIG 12 /r", "VMOVDDUP Vdq,Wq", INTEGER),
  form("VEX.256.F2.0F.WIG 12 /r", "VMOVDDUP Vx,Wx", INTEGER),
  ...both("NP.0F.WIG 50 /r", "VMOVMSKPS Gd,Ux", INTEGER),
  ...both("66.0F.WIG 50 /r", "VMOVMSKPD Gd,Ux", INTEGER),
  ...both("66.0F.WIG D7 /r", "VPMOVMSKB Gd,Ux", INTEGER),
  form("VEX.LZ.NP.0F.WIG AE /2", "VLDMXCSR Md", { ...SINGLE, mapped: true }),
  form("VEX.LZ.NP.0F.WIG AE /3", "VSTMXCSR Md", SINGLE),
  form("VEX.128.NP.0F.WIG 77", "VZEROUPPER", INTEGER),
  form("VEX.256.NP.0F.WIG 77", "VZEROALL", INTEGER),
];

const floatLogic: readonly Form[] = ["54 VAND", "55 VANDN", "56 VOR", "57 VXOR", "14 VUNPCKL", "15 VUNPCKH"].flatMap(
  (line) => {
    const [opcode, name] = line.split(" ");
    return [
      ...both(`NP.0F.WIG ${opcode} /r`, `${name}PS Vps,Hps,Wps`, INTEGER),
      ...both(`66.0F.WIG ${opcode} /r`, `${name}PD Vpd,Hpd,Wpd`, INTEGER),
    ];
  },
);

/** The only ones of the packed integer instructions that look at one source. */
const UNARY = /^PABS/;
/** Their second source is 128 bits wide whatever the first is. */
const COUNTED = /^(PSR[AL]|PSLL)[WDQ]$/;
const packedOperands = (name: string): string =>
  UNARY.test(name) ? "Vx,Wx" : COUNTED.test(name) ? "Vx,Hx,Wdq" : "Vx,Hx,Wx";

/** Those of the 0F 38 map with operands of their own; `x` stands for the length, sources of extensions are doubled. */
const DOUBLED: Readonly<Record<string, string>> = { Wq: "Wdq", Wd: "Wq", Ww: "Wd" };

function wide38(opcode: string, line: string): Form[] {
  const [name = "", operands = ""] = line.split(" ");
  const encoding = `66.0F38.WIG ${opcode} /r`;
  const source = operands.split(",")[1] ?? "";
  const extended = DOUBLED[source];
  if (extended !== undefined)
    return [
      form(`VEX.128.${encoding}`, `V${name} Vx,${source}`, INTEGER),
      form(`VEX.256.${encoding}`, `V${name} Vx,${extended}`, INTEGER),
    ];
  // Blends have other opcodes, MOVNTDQA is among the moves.
  if (operands.includes("XMM0") || name === "MOVNTDQA") return [];
  if (name === "PTEST") return both(encoding, "VPTEST Vx,Wx", INTEGER);
  if (name === "PHMINPOSUW") return [form(`VEX.128.${encoding}`, "VPHMINPOSUW Vx,Wx", INTEGER)];
  return both(encoding, `V${name} Vx,Hx,Wx`, INTEGER);
}

const laneShift: FormOptions = { ...INTEGER, prepare: chooseLaneShift };

/** String lengths in rAX and rDX, as for the legacy forms. */
const lengths: FormOptions = { ...INTEGER, prepare: chooseLengths };

const packed: readonly Form[] = [
  ...Object.entries(PACKED).flatMap(([opcode, name]) =>
    both(`66.0F.WIG ${opcode} /r`, `V${name} ${packedOperands(name)}`, INTEGER),
  ),
  ...Object.entries(PACKED38).flatMap(([opcode, name]) =>
    both(`66.0F38.WIG ${opcode} /r`, `V${name} ${packedOperands(name)}`, INTEGER),
  ),
  ...Object.entries(WIDE38).flatMap(([opcode, line]) => wide38(opcode, line)),
  ...both("66.0F.WIG 6C /r", "VPUNPCKLQDQ Vx,Hx,Wx", INTEGER),
  ...both("66.0F.WIG 6D /r", "VPUNPCKHQDQ Vx,Hx,Wx", INTEGER),
  ...[...LANE_SHIFTS, "73 /3 PSRLDQ", "73 /7 PSLLDQ"].flatMap((line) =>
    both(`66.0F.WIG ${line.slice(0, 5)}`, `V${line.slice(6)} Hx,Ux,Ib`, laneShift),
  ),
  ...both("66.0F.WIG 70 /r", "VPSHUFD Vx,Wx,Ib", INTEGER),
  ...both("F2.0F.WIG 70 /r", "VPSHUFLW Vx,Wx,Ib", INTEGER),
  ...both("F3.0F.WIG 70 /r", "VPSHUFHW Vx,Wx,Ib", INTEGER),
  ...both("NP.0F.WIG C6 /r", "VSHUFPS Vx,Hx,Wx,Ib", INTEGER),
  ...both("66.0F.WIG C6 /r", "VSHUFPD Vx,Hx,Wx,Ib", INTEGER),
  ...both("66.0F3A.WIG 0C /r", "VBLENDPS Vx,Hx,Wx,Ib", INTEGER),
  ...both("66.0F3A.WIG 0D /r", "VBLENDPD Vx,Hx,Wx,Ib", INTEGER),
  ...both("66.0F3A.WIG 0E /r", "VPBLENDW Vx,Hx,Wx,Ib", INTEGER),
  ...both("66.0F3A.WIG 0F /r", "VPALIGNR Vx,Hx,Wx,Ib", INTEGER),
  ...both("66.0F3A.WIG 42 /r", "VMPSADBW Vx,Hx,Wx,Ib", INTEGER),
  ...both("66.0F3A.W0 4A /r", "VBLENDVPS Vx,Hx,Wx,Lx", INTEGER),
  ...both("66.0F3A.W0 4B /r", "VBLENDVPD Vx,Hx,Wx,Lx", INTEGER),
  ...both("66.0F3A.W0 4C /r", "VPBLENDVB Vx,Hx,Wx,Lx", INTEGER),
  form("VEX.128.66.0F.WIG C4 /r", "VPINSRW Vdq,Hdq,Ew,Ib", INTEGER),
  form("VEX.128.66.0F.WIG C5 /r", "VPEXTRW Gd,Udq,Ib", INTEGER),
  form("VEX.128.66.0F3A.WIG 14 /r", "VPEXTRB Eb,Vdq,Ib", INTEGER),
  form("VEX.128.66.0F3A.WIG 15 /r", "VPEXTRW Ew,Vdq,Ib", INTEGER),
  form("VEX.128.66.0F3A 16 /r", "VPEXTRD Ey,Vdq,Ib", INTEGER),
  form("VEX.128.66.0F3A.WIG 17 /r", "VEXTRACTPS Ed,Vdq,Ib", INTEGER),
  form("VEX.128.66.0F3A.WIG 20 /r", "VPINSRB Vdq,Hdq,Eb,Ib", INTEGER),
  form("VEX.128.66.0F3A.WIG 21 /r", "VINSERTPS Vdq,Hdq,Wd,Ib", INTEGER),
  form("VEX.128.66.0F3A 22 /r", "VPINSRD Vdq,Hdq,Ey,Ib", INTEGER),
  form("VEX.128.66.0F3A.WIG 60 /r", "VPCMPESTRM Vdq,Wdq,Ib", lengths),
  form("VEX.128.66.0F3A.WIG 61 /r", "VPCMPESTRI Vdq,Wdq,Ib", lengths),
  form("VEX.128.66.0F3A.WIG 62 /r", "VPCMPISTRM Vdq,Wdq,Ib", INTEGER),
  form("VEX.128.66.0F3A.WIG 63 /r", "VPCMPISTRI Vdq,Wdq,Ib", INTEGER),
];

/** What is new with AVX and AVX2. */
const lanes: readonly Form[] = [
  ...both("66.0F38.W0 18 /r", "VBROADCASTSS Vx,Wss", INTEGER),
  form("VEX.256.66.0F38.W0 19 /r", "VBROADCASTSD Vqq,Wsd", INTEGER),
  form("VEX.256.66.0F38.W0 1A /r", "VBROADCASTF128 Vqq,Mdq", INTEGER),
  form("VEX.256.66.0F38.W0 5A /r", "VBROADCASTI128 Vqq,Mdq", INTEGER),
  ...both("66.0F38.W0 78 /r", "VPBROADCASTB Vx,Wb", INTEGER),
  ...both("66.0F38.W0 79 /r", "VPBROADCASTW Vx,Ww", INTEGER),
  ...both("66.0F38.W0 58 /r", "VPBROADCASTD Vx,Wd", INTEGER),
  ...both("66.0F38.W0 59 /r", "VPBROADCASTQ Vx,Wq", INTEGER),
  form("VEX.256.66.0F3A.W0 19 /r", "VEXTRACTF128 Wdq,Vqq,Ib", INTEGER),
  form("VEX.256.66.0F3A.W0 39 /r", "VEXTRACTI128 Wdq,Vqq,Ib", INTEGER),
  form("VEX.256.66.0F3A.W0 18 /r", "VINSERTF128 Vqq,Hqq,Wdq,Ib", INTEGER),
  form("VEX.256.66.0F3A.W0 38 /r", "VINSERTI128 Vqq,Hqq,Wdq,Ib", INTEGER),
  form("VEX.256.66.0F3A.W0 06 /r", "VPERM2F128 Vqq,Hqq,Wqq,Ib", INTEGER),
  form("VEX.256.66.0F3A.W0 46 /r", "VPERM2I128 Vqq,Hqq,Wqq,Ib", INTEGER),
  ...both("66.0F38.W0 0C /r", "VPERMILPS Vx,Hx,Wx", INTEGER),
  ...both("66.0F38.W0 0D /r", "VPERMILPD Vx,Hx,Wx", INTEGER),
  ...both("66.0F3A.W0 04 /r", "VPERMILPS Vx,Wx,Ib", INTEGER),
  ...both("66.0F3A.W0 05 /r", "VPERMILPD Vx,Wx,Ib", INTEGER),
  form("VEX.256.66.0F38.W0 36 /r", "VPERMD Vqq,Hqq,Wqq", INTEGER),
  form("VEX.256.66.0F38.W0 16 /r", "VPERMPS Vqq,Hqq,Wqq", INTEGER),
  form("VEX.256.66.0F3A.W1 00 /r", "VPERMQ Vqq,Wqq,Ib", { ...INTEGER, fixedW: true }),
  form("VEX.256.66.0F3A.W1 01 /r", "VPERMPD Vqq,Wqq,Ib", { ...INTEGER, fixedW: true }),
  ...both("66.0F3A.W0 02 /r", "VPBLENDD Vx,Hx,Wx,Ib", INTEGER),
  ...both("66.0F38.W0 47 /r", "VPSLLVD Vx,Hx,Wx", INTEGER),
  ...both("66.0F38.W1 47 /r", "VPSLLVQ Vx,Hx,Wx", INTEGER),
  ...both("66.0F38.W0 45 /r", "VPSRLVD Vx,Hx,Wx", INTEGER),
  ...both("66.0F38.W1 45 /r", "VPSRLVQ Vx,Hx,Wx", INTEGER),
  ...both("66.0F38.W0 46 /r", "VPSRAVD Vx,Hx,Wx", INTEGER),
  ...both("66.0F38.W0 0E /r", "VTESTPS Vx,Wx", INTEGER),
  ...both("66.0F38.W0 0F /r", "VTESTPD Vx,Wx", INTEGER),
  ...both("66.0F38.W0 2C /r", "VMASKMOVPS Vx,Hx,Mx", INTEGER),
  ...both("66.0F38.W0 2D /r", "VMASKMOVPD Vx,Hx,Mx", INTEGER),
  ...both("66.0F38.W0 2E /r", "VMASKMOVPS Mx,Hx,Vx", INTEGER),
  ...both("66.0F38.W0 2F /r", "VMASKMOVPD Mx,Hx,Vx", INTEGER),
  ...both("66.0F38.W0 8C /r", "VPMASKMOVD Vx,Hx,Mx", INTEGER),
  ...both("66.0F38.W1 8C /r", "VPMASKMOVQ Vx,Hx,Mx", INTEGER),
  ...both("66.0F38.W0 8E /r", "VPMASKMOVD Mx,Hx,Vx", INTEGER),
  ...both("66.0F38.W1 8E /r", "VPMASKMOVQ Mx,Hx,Vx", INTEGER),
];

const FUSED: Readonly<Record<string, string>> = {
  "6": "VFMADDSUB",
  "7": "VFMSUBADD",
  "8": "VFMADD",
  A: "VFMSUB",
  C: "VFNMADD",
  E: "VFNMSUB",
};
const ORDERS = { "9": "132", A: "213", B: "231" } as const;

const fused: readonly Form[] = Object.entries(ORDERS).flatMap(([row, order]) =>
  Object.entries(FUSED).flatMap(([column, name]) => {
    const packedForms = [
      ...both(`66.0F38.W0 ${row}${column} /r`, `${name}${order}PS Vps,Hps,Wps`, SINGLE),
      ...both(`66.0F38.W1 ${row}${column} /r`, `${name}${order}PD Vpd,Hpd,Wpd`, DOUBLE),
    ];
    if (column < "8") return packedForms;
    const scalar = `${row}${(Number.parseInt(column, 16) + 1).toString(16).toUpperCase()}`;
    return [
      ...packedForms,
      form(`VEX.LIG.66.0F38.W0 ${scalar} /r`, `${name}${order}SS Vss,Hss,Wss`, SINGLE),
      form(`VEX.LIG.66.0F38.W1 ${scalar} /r`, `${name}${order}SD Vsd,Hsd,Wsd`, DOUBLE),
    ];
  }),
);

const halves: readonly Form[] = [
  form("VEX.128.66.0F38.W0 13 /r", "VCVTPH2PS Vps,Wq", INTEGER),
  form("VEX.256.66.0F38.W0 13 /r", "VCVTPH2PS Vps,Wdq", INTEGER),
  form("VEX.128.66.0F3A.W0 1D /r", "VCVTPS2PH Wq,Vps,Ib", SINGLE),
  form("VEX.256.66.0F3A.W0 1D /r", "VCVTPS2PH Wdq,Vps,Ib", SINGLE),
];

const GATHERS: readonly (readonly [opcode: string, name: string, index: 4 | 8])[] = [
  ["90", "VPGATHERD", 4],
  ["91", "VPGATHERQ", 8],
  ["92", "VGATHERDP", 4],
  ["93", "VGATHERQP", 8],
];
const gathers: readonly Form[] = GATHERS.flatMap(([opcode, name, vsib]) => {
  const [narrow, wide] = name.endsWith("P") ? ["S", "D"] : ["D", "Q"];
  return [
    ...both(`66.0F38.W0 ${opcode} /r`, `${name}${narrow} Vx,Md,Hx`, { ...INTEGER, vsib, fixedW: true }),
    ...both(`66.0F38.W1 ${opcode} /r`, `${name}${wide} Vx,Mq,Hx`, { ...INTEGER, vsib, fixedW: true }),
  ];
});

/** VMASKMOVDQU stores through DS:rDI. */
const maskedStore: FormOptions = {
  ...INTEGER,
  prepare: (draft) => chooseThrough(draft, REGISTERS.rdi, "ds", 16),
};

/** AVX, AVX2 and F16C. */
export const avx: readonly Form[] = [
  ...arithmetic,
  ...conversions,
  ...moves,
  ...floatLogic,
  ...packed,
  ...lanes,
  ...halves,
  ...gathers,
  form("VEX.128.66.0F.WIG F7 /r", "VMASKMOVDQU Vdq,Udq", maskedStore),
];

/** FMA. */
export const fma: readonly Form[] = fused;

/** A length or an index in SRC2[7:0], mostly around the operand's width. */
function chooseIndex(draft: Draft): void {
  if (draft.vex && draft.random.oneIn(2)) {
    const value = draft.random.pick([0, 1, 31, 32, 33, 63, 64, 65, 255, 0x0408, 0x2020]);
    draft.overrides.set(draft.vex.register, BigInt(value));
  }
  if (draft.vex?.register === REGISTERS.rsp) draft.overrides.delete(REGISTERS.rsp);
}

/** BMI1, BMI2 and ADX. */
export const bmi: readonly Form[] = [
  form("VEX.LZ.NP.0F38 F2 /r", "ANDN Gy,By,Ey"),
  form("VEX.LZ.NP.0F38 F7 /r", "BEXTR Gy,Ey,By"),
  form("VEX.LZ.NP.0F38 F3 /1", "BLSR By,Ey"),
  form("VEX.LZ.NP.0F38 F3 /2", "BLSMSK By,Ey"),
  form("VEX.LZ.NP.0F38 F3 /3", "BLSI By,Ey"),
  form("VEX.LZ.NP.0F38 F5 /r", "BZHI Gy,Ey,By", { prepare: chooseIndex }),
  form("VEX.LZ.F2.0F38 F6 /r", "MULX Gy,By,Ey"),
  form("VEX.LZ.F2.0F38 F5 /r", "PDEP Gy,By,Ey"),
  form("VEX.LZ.F3.0F38 F5 /r", "PEXT Gy,By,Ey"),
  form("VEX.LZ.F2.0F3A F0 /r", "RORX Gy,Ey,Ib"),
  form("VEX.LZ.F3.0F38 F7 /r", "SARX Gy,Ey,By", { prepare: chooseIndex }),
  form("VEX.LZ.66.0F38 F7 /r", "SHLX Gy,Ey,By", { prepare: chooseIndex }),
  form("VEX.LZ.F2.0F38 F7 /r", "SHRX Gy,Ey,By", { prepare: chooseIndex }),
  form("66 0F 38 F6 /r", "ADCX Gy,Ey"),
  form("F3 0F 38 F6 /r", "ADOX Gy,Ey"),
];
