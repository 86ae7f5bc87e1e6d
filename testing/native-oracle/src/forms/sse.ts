import type { Flavour } from "../cpu-state.ts";
import type { ContentType } from "../environment.ts";
import { type Draft, patch, REGISTERS } from "../generate/draft.ts";
import { chooseThrough } from "../generate/implicit-operands.ts";
import { type Form, type FormOptions, form } from "./form.ts";

const INTEGER: FormOptions = { flavour: "integer" };
const SINGLE: FormOptions = { flavour: "single", content: "single" };
const DOUBLE: FormOptions = { flavour: "double", content: "double" };
const MMX: FormOptions = { flavour: "mmx" };
const UNALIGNED = { unaligned: true } as const;

/** Arithmetic that exists as PS, PD, SS and SD. RCPPS and RSQRTPS are absent: their results are the maker's. */
const ARITHMETIC = {
  "51": "SQRT",
  "58": "ADD",
  "59": "MUL",
  "5C": "SUB",
  "5D": "MIN",
  "5E": "DIV",
  "5F": "MAX",
} as const;
const arithmetic: readonly Form[] = Object.entries(ARITHMETIC).flatMap(([opcode, name]) => [
  form(`0F ${opcode} /r`, `${name}PS Vps,Wps`, SINGLE),
  form(`66 0F ${opcode} /r`, `${name}PD Vpd,Wpd`, DOUBLE),
  form(`F3 0F ${opcode} /r`, `${name}SS Vss,Wss`, SINGLE),
  form(`F2 0F ${opcode} /r`, `${name}SD Vsd,Wsd`, DOUBLE),
]);

/** The predicate has 3 bits without VEX; the others are reserved. */
function choosePredicate(draft: Draft): void {
  const immediate = draft.immediates[0];
  if (immediate) immediate.value = BigInt(draft.random.below(8));
}

const comparison: readonly Form[] = [
  form("0F C2 /r", "CMPPS Vps,Wps,Ib", { ...SINGLE, prepare: choosePredicate }),
  form("66 0F C2 /r", "CMPPD Vpd,Wpd,Ib", { ...DOUBLE, prepare: choosePredicate }),
  form("F3 0F C2 /r", "CMPSS Vss,Wss,Ib", { ...SINGLE, prepare: choosePredicate }),
  form("F2 0F C2 /r", "CMPSD Vsd,Wsd,Ib", { ...DOUBLE, prepare: choosePredicate }),
  form("0F 2E /r", "UCOMISS Vss,Wss", SINGLE),
  form("0F 2F /r", "COMISS Vss,Wss", SINGLE),
  form("66 0F 2E /r", "UCOMISD Vsd,Wsd", DOUBLE),
  form("66 0F 2F /r", "COMISD Vsd,Wsd", DOUBLE),
];

/** Bitwise and moving forms of the floating-point registers; they look at no value. */
const floatingMoves: readonly Form[] = [
  ...["54 AND", "55 ANDN", "56 OR", "57 XOR", "14 UNPCKL", "15 UNPCKH"].flatMap((line) => {
    const [opcode, name] = line.split(" ");
    return [
      form(`0F ${opcode} /r`, `${name}PS Vps,Wps`, INTEGER),
      form(`66 0F ${opcode} /r`, `${name}PD Vpd,Wpd`, INTEGER),
    ];
  }),
  form("0F C6 /r", "SHUFPS Vps,Wps,Ib", INTEGER),
  form("66 0F C6 /r", "SHUFPD Vpd,Wpd,Ib", INTEGER),
  form("0F 10 /r", "MOVUPS Vps,Wps", { ...INTEGER, ...UNALIGNED }),
  form("0F 11 /r", "MOVUPS Wps,Vps", { ...INTEGER, ...UNALIGNED }),
  form("66 0F 10 /r", "MOVUPD Vpd,Wpd", { ...INTEGER, ...UNALIGNED }),
  form("66 0F 11 /r", "MOVUPD Wpd,Vpd", { ...INTEGER, ...UNALIGNED }),
  form("F3 0F 10 /r", "MOVSS Vss,Wss", INTEGER),
  form("F3 0F 11 /r", "MOVSS Wss,Vss", INTEGER),
  form("F2 0F 10 /r", "MOVSD Vsd,Wsd", INTEGER),
  form("F2 0F 11 /r", "MOVSD Wsd,Vsd", INTEGER),
  form("0F 28 /r", "MOVAPS Vps,Wps", INTEGER),
  form("0F 29 /r", "MOVAPS Wps,Vps", INTEGER),
  form("66 0F 28 /r", "MOVAPD Vpd,Wpd", INTEGER),
  form("66 0F 29 /r", "MOVAPD Wpd,Vpd", INTEGER),
  form("0F 12 /r", "MOVLPS Vq,Mq", INTEGER),
  form("0F 12 /r", "MOVHLPS Vq,Uq", INTEGER),
  form("0F 13 /r", "MOVLPS Mq,Vq", INTEGER),
  form("0F 16 /r", "MOVHPS Vq,Mq", INTEGER),
  form("0F 16 /r", "MOVLHPS Vq,Uq", INTEGER),
  form("0F 17 /r", "MOVHPS Mq,Vq", INTEGER),
  form("66 0F 12 /r", "MOVLPD Vq,Mq", INTEGER),
  form("66 0F 13 /r", "MOVLPD Mq,Vq", INTEGER),
  form("66 0F 16 /r", "MOVHPD Vq,Mq", INTEGER),
  form("66 0F 17 /r", "MOVHPD Mq,Vq", INTEGER),
  form("F3 0F 12 /r", "MOVSLDUP Vps,Wps", INTEGER),
  form("F3 0F 16 /r", "MOVSHDUP Vps,Wps", INTEGER),
  form("F2 0F 12 /r", "MOVDDUP Vq,Wq", INTEGER),
  form("0F 50 /r", "MOVMSKPS Gd,Ups", INTEGER),
  form("66 0F 50 /r", "MOVMSKPD Gd,Upd", INTEGER),
  form("0F 2B /r", "MOVNTPS Mps,Vps", INTEGER),
  form("66 0F 2B /r", "MOVNTPD Mpd,Vpd", INTEGER),
];

const conversions: readonly Form[] = [
  form("0F 5A /r", "CVTPS2PD Vpd,Wq", SINGLE),
  form("66 0F 5A /r", "CVTPD2PS Vps,Wpd", DOUBLE),
  form("F3 0F 5A /r", "CVTSS2SD Vsd,Wss", SINGLE),
  form("F2 0F 5A /r", "CVTSD2SS Vss,Wsd", DOUBLE),
  form("0F 5B /r", "CVTDQ2PS Vps,Wdq", { ...SINGLE, content: "integer" }),
  form("66 0F 5B /r", "CVTPS2DQ Vdq,Wps", SINGLE),
  form("F3 0F 5B /r", "CVTTPS2DQ Vdq,Wps", SINGLE),
  form("F3 0F E6 /r", "CVTDQ2PD Vpd,Wq", { ...DOUBLE, content: "integer" }),
  form("66 0F E6 /r", "CVTTPD2DQ Vdq,Wpd", DOUBLE),
  form("F2 0F E6 /r", "CVTPD2DQ Vdq,Wpd", DOUBLE),
  form("F3 0F 2A /r", "CVTSI2SS Vss,Ey", { ...SINGLE, content: "integer" }),
  form("F2 0F 2A /r", "CVTSI2SD Vsd,Ey", { ...DOUBLE, content: "integer" }),
  form("F3 0F 2C /r", "CVTTSS2SI Gy,Wss", SINGLE),
  form("F3 0F 2D /r", "CVTSS2SI Gy,Wss", SINGLE),
  form("F2 0F 2C /r", "CVTTSD2SI Gy,Wsd", DOUBLE),
  form("F2 0F 2D /r", "CVTSD2SI Gy,Wsd", DOUBLE),
];

const horizontal: readonly Form[] = [
  form("66 0F 7C /r", "HADDPD Vpd,Wpd", DOUBLE),
  form("F2 0F 7C /r", "HADDPS Vps,Wps", SINGLE),
  form("66 0F 7D /r", "HSUBPD Vpd,Wpd", DOUBLE),
  form("F2 0F 7D /r", "HSUBPS Vps,Wps", SINGLE),
  form("66 0F D0 /r", "ADDSUBPD Vpd,Wpd", DOUBLE),
  form("F2 0F D0 /r", "ADDSUBPS Vps,Wps", SINGLE),
  form("66 0F 3A 40 /r", "DPPS Vps,Wps,Ib", SINGLE),
  form("66 0F 3A 41 /r", "DPPD Vpd,Wpd,Ib", DOUBLE),
  form("66 0F 3A 08 /r", "ROUNDPS Vps,Wps,Ib", SINGLE),
  form("66 0F 3A 09 /r", "ROUNDPD Vpd,Wpd,Ib", DOUBLE),
  form("66 0F 3A 0A /r", "ROUNDSS Vss,Wss,Ib", SINGLE),
  form("66 0F 3A 0B /r", "ROUNDSD Vsd,Wsd,Ib", DOUBLE),
];

/** Packed integer operations with the same opcode for MMX and, after 66, for XMM. */
export const PACKED: Readonly<Record<string, string>> = {
  "60": "PUNPCKLBW",
  "61": "PUNPCKLWD",
  "62": "PUNPCKLDQ",
  "63": "PACKSSWB",
  "64": "PCMPGTB",
  "65": "PCMPGTW",
  "66": "PCMPGTD",
  "67": "PACKUSWB",
  "68": "PUNPCKHBW",
  "69": "PUNPCKHWD",
  "6A": "PUNPCKHDQ",
  "6B": "PACKSSDW",
  "74": "PCMPEQB",
  "75": "PCMPEQW",
  "76": "PCMPEQD",
  D1: "PSRLW",
  D2: "PSRLD",
  D3: "PSRLQ",
  D4: "PADDQ",
  D5: "PMULLW",
  D8: "PSUBUSB",
  D9: "PSUBUSW",
  DA: "PMINUB",
  DB: "PAND",
  DC: "PADDUSB",
  DD: "PADDUSW",
  DE: "PMAXUB",
  DF: "PANDN",
  E0: "PAVGB",
  E1: "PSRAW",
  E2: "PSRAD",
  E3: "PAVGW",
  E4: "PMULHUW",
  E5: "PMULHW",
  E8: "PSUBSB",
  E9: "PSUBSW",
  EA: "PMINSW",
  EB: "POR",
  EC: "PADDSB",
  ED: "PADDSW",
  EE: "PMAXSW",
  EF: "PXOR",
  F1: "PSLLW",
  F2: "PSLLD",
  F3: "PSLLQ",
  F4: "PMULUDQ",
  F5: "PMADDWD",
  F6: "PSADBW",
  F8: "PSUBB",
  F9: "PSUBW",
  FA: "PSUBD",
  FB: "PSUBQ",
  FC: "PADDB",
  FD: "PADDW",
  FE: "PADDD",
};

/** The 0F 38 map's shared ones (SSSE3). */
export const PACKED38: Readonly<Record<string, string>> = {
  "00": "PSHUFB",
  "01": "PHADDW",
  "02": "PHADDD",
  "03": "PHADDSW",
  "04": "PMADDUBSW",
  "05": "PHSUBW",
  "06": "PHSUBD",
  "07": "PHSUBSW",
  "08": "PSIGNB",
  "09": "PSIGNW",
  "0A": "PSIGND",
  "0B": "PMULHRSW",
  "1C": "PABSB",
  "1D": "PABSW",
  "1E": "PABSD",
};

/** SSE4.1 and 4.2, XMM only. */
export const WIDE38: Readonly<Record<string, string>> = {
  "10": "PBLENDVB Vdq,Wdq,XMM0",
  "14": "BLENDVPS Vdq,Wdq,XMM0",
  "15": "BLENDVPD Vdq,Wdq,XMM0",
  "17": "PTEST Vdq,Wdq",
  "20": "PMOVSXBW Vdq,Wq",
  "21": "PMOVSXBD Vdq,Wd",
  "22": "PMOVSXBQ Vdq,Ww",
  "23": "PMOVSXWD Vdq,Wq",
  "24": "PMOVSXWQ Vdq,Wd",
  "25": "PMOVSXDQ Vdq,Wq",
  "28": "PMULDQ Vdq,Wdq",
  "29": "PCMPEQQ Vdq,Wdq",
  "2A": "MOVNTDQA Vdq,Mdq",
  "2B": "PACKUSDW Vdq,Wdq",
  "30": "PMOVZXBW Vdq,Wq",
  "31": "PMOVZXBD Vdq,Wd",
  "32": "PMOVZXBQ Vdq,Ww",
  "33": "PMOVZXWD Vdq,Wq",
  "34": "PMOVZXWQ Vdq,Wd",
  "35": "PMOVZXDQ Vdq,Wq",
  "37": "PCMPGTQ Vdq,Wdq",
  "38": "PMINSB Vdq,Wdq",
  "39": "PMINSD Vdq,Wdq",
  "3A": "PMINUW Vdq,Wdq",
  "3B": "PMINUD Vdq,Wdq",
  "3C": "PMAXSB Vdq,Wdq",
  "3D": "PMAXSD Vdq,Wdq",
  "3E": "PMAXUW Vdq,Wdq",
  "3F": "PMAXUD Vdq,Wdq",
  "40": "PMULLD Vdq,Wdq",
  "41": "PHMINPOSUW Vdq,Wdq",
};

const packed: readonly Form[] = [
  ...Object.entries(PACKED).map(([opcode, name]) => form(`66 0F ${opcode} /r`, `${name} Vdq,Wdq`, INTEGER)),
  ...Object.entries(PACKED38).map(([opcode, name]) => form(`66 0F 38 ${opcode} /r`, `${name} Vdq,Wdq`, INTEGER)),
  ...Object.entries(WIDE38).map(([opcode, line]) => form(`66 0F 38 ${opcode} /r`, line, INTEGER)),
  form("66 0F 6C /r", "PUNPCKLQDQ Vdq,Wdq", INTEGER),
  form("66 0F 6D /r", "PUNPCKHQDQ Vdq,Wdq", INTEGER),
];

/** Shift counts by immediate, around the lane widths. */
export function chooseLaneShift(draft: Draft): void {
  const immediate = draft.immediates[0];
  if (immediate)
    immediate.value = BigInt(draft.random.pick([0, 1, 7, 8, 15, 16, 17, 31, 32, 63, 64, 255, draft.random.below(64)]));
}

export const LANE_SHIFTS = [
  "71 /2 PSRLW",
  "71 /4 PSRAW",
  "71 /6 PSLLW",
  "72 /2 PSRLD",
  "72 /4 PSRAD",
  "72 /6 PSLLD",
  "73 /2 PSRLQ",
  "73 /6 PSLLQ",
];
const laneShift = (options: FormOptions): FormOptions => ({ ...options, prepare: chooseLaneShift });

const shifts: readonly Form[] = [
  ...LANE_SHIFTS.map((line) => form(`66 0F ${line.slice(0, 5)}`, `${line.slice(6)} Udq,Ib`, laneShift(INTEGER))),
  form("66 0F 73 /3", "PSRLDQ Udq,Ib", laneShift(INTEGER)),
  form("66 0F 73 /7", "PSLLDQ Udq,Ib", laneShift(INTEGER)),
];

/** MASKMOVDQU stores through DS:rDI. */
function chooseMaskedStore(draft: Draft): void {
  chooseThrough(draft, REGISTERS.rdi, "ds", 16);
}

const integerMoves: readonly Form[] = [
  form("66 0F 6E /r", "MOVD Vdq,Ey", INTEGER),
  form("66 0F 7E /r", "MOVD Ey,Vdq", INTEGER),
  form("F3 0F 7E /r", "MOVQ Vq,Wq", INTEGER),
  form("66 0F D6 /r", "MOVQ Wq,Vq", INTEGER),
  form("66 0F 6F /r", "MOVDQA Vdq,Wdq", INTEGER),
  form("66 0F 7F /r", "MOVDQA Wdq,Vdq", INTEGER),
  form("F3 0F 6F /r", "MOVDQU Vdq,Wdq", { ...INTEGER, ...UNALIGNED }),
  form("F3 0F 7F /r", "MOVDQU Wdq,Vdq", { ...INTEGER, ...UNALIGNED }),
  form("F2 0F F0 /r", "LDDQU Vdq,Mdq", { ...INTEGER, ...UNALIGNED }),
  form("66 0F E7 /r", "MOVNTDQ Mdq,Vdq", INTEGER),
  form("0F C3 /r", "MOVNTI My,Gy", INTEGER),
  form("66 0F D7 /r", "PMOVMSKB Gd,Udq", INTEGER),
  form("66 0F F7 /r", "MASKMOVDQU Vdq,Udq", { ...INTEGER, prepare: chooseMaskedStore }),
  form("66 0F 70 /r", "PSHUFD Vdq,Wdq,Ib", INTEGER),
  form("F2 0F 70 /r", "PSHUFLW Vdq,Wdq,Ib", INTEGER),
  form("F3 0F 70 /r", "PSHUFHW Vdq,Wdq,Ib", INTEGER),
  form("66 0F C4 /r", "PINSRW Vdq,Ew,Ib", INTEGER),
  form("66 0F C5 /r", "PEXTRW Gd,Udq,Ib", INTEGER),
  form("66 0F 3A 0C /r", "BLENDPS Vdq,Wdq,Ib", INTEGER),
  form("66 0F 3A 0D /r", "BLENDPD Vdq,Wdq,Ib", INTEGER),
  form("66 0F 3A 0E /r", "PBLENDW Vdq,Wdq,Ib", INTEGER),
  form("66 0F 3A 0F /r", "PALIGNR Vdq,Wdq,Ib", INTEGER),
  form("66 0F 3A 14 /r", "PEXTRB Eb,Vdq,Ib", INTEGER),
  form("66 0F 3A 15 /r", "PEXTRW Ew,Vdq,Ib", INTEGER),
  form("66 0F 3A 16 /r", "PEXTRD Ey,Vdq,Ib", INTEGER),
  form("66 0F 3A 17 /r", "EXTRACTPS Ed,Vdq,Ib", INTEGER),
  form("66 0F 3A 20 /r", "PINSRB Vdq,Eb,Ib", INTEGER),
  form("66 0F 3A 21 /r", "INSERTPS Vdq,Wd,Ib", INTEGER),
  form("66 0F 3A 22 /r", "PINSRD Vdq,Ey,Ib", INTEGER),
  form("66 0F 3A 42 /r", "MPSADBW Vdq,Wdq,Ib", INTEGER),
  form("66 0F 3A 60 /r", "PCMPESTRM Vdq,Wdq,Ib", { ...INTEGER, ...UNALIGNED, prepare: chooseLengths }),
  form("66 0F 3A 61 /r", "PCMPESTRI Vdq,Wdq,Ib", { ...INTEGER, ...UNALIGNED, prepare: chooseLengths }),
  form("66 0F 3A 62 /r", "PCMPISTRM Vdq,Wdq,Ib", { ...INTEGER, ...UNALIGNED }),
  form("66 0F 3A 63 /r", "PCMPISTRI Vdq,Wdq,Ib", { ...INTEGER, ...UNALIGNED }),
];

/** String lengths in rAX and rDX saturate at 8 or 16 in magnitude. */
export function chooseLengths(draft: Draft): void {
  const { random, overrides } = draft;
  for (const register of [REGISTERS.rax, REGISTERS.rdx]) {
    if (!overrides.has(register)) overrides.set(register, BigInt.asUintN(64, BigInt(random.below(40) - 20)));
  }
}

/** MXCSR bits that no maker defines; bit 17 is AMD's misaligned-exception mask. */
const RESERVED_CONTROL_BITS = [16, 18, 24, 31] as const;

/** LDMXCSR faults on reserved bits. */
function chooseControl(draft: Draft): void {
  const { random, memoryAddress } = draft;
  if (memoryAddress === undefined) return;
  const reserved = random.oneIn(4) ? 1 << random.pick(RESERVED_CONTROL_BITS) : 0;
  patch(draft, memoryAddress, BigInt(((random.u32() & 0xffff) | reserved) >>> 0), 4);
}

const control: readonly Form[] = [
  form("0F AE /2", "LDMXCSR Md", { ...SINGLE, prepare: chooseControl }),
  form("0F AE /3", "STMXCSR Md", SINGLE),
  form("0F AE /5", "LFENCE Rd", INTEGER),
  form("0F AE /6", "MFENCE Rd", INTEGER),
  form("0F AE /7", "SFENCE Rd", INTEGER),
  form("0F AE /7", "CLFLUSH Mb", INTEGER),
  form("66 0F AE /7", "CLFLUSHOPT Mb", INTEGER),
  form("66 0F AE /6", "CLWB Mb", INTEGER),
  form("0F 18 /0", "PREFETCHNTA Mb", INTEGER),
  form("0F 18 /1", "PREFETCHT0 Mb", INTEGER),
  form("0F 0D /1", "PREFETCHW Mb", INTEGER),
];

/** SSE to SSE4.2 on XMM registers. */
export const sse: readonly Form[] = [
  ...arithmetic,
  ...comparison,
  ...floatingMoves,
  ...conversions,
  ...horizontal,
  ...packed,
  ...shifts,
  ...integerMoves,
  ...control,
];

/** MASKMOVQ stores through DS:rDI. */
function chooseMmxMaskedStore(draft: Draft): void {
  chooseThrough(draft, REGISTERS.rdi, "ds", 8);
}

function conversion(flavour: Flavour, content: ContentType): FormOptions {
  return { flavour, content };
}

/** MMX, its SSE extensions, and the conversions between MMX and XMM. */
export const mmx: readonly Form[] = [
  ...Object.entries(PACKED).map(([opcode, name]) => form(`0F ${opcode} /r`, `${name} Pq,Qq`, MMX)),
  ...Object.entries(PACKED38).map(([opcode, name]) => form(`0F 38 ${opcode} /r`, `${name} Pq,Qq`, MMX)),
  ...LANE_SHIFTS.map((line) => form(`0F ${line.slice(0, 5)}`, `${line.slice(6)} Nq,Ib`, laneShift(MMX))),
  form("0F 6E /r", "MOVD Pq,Ey", MMX),
  form("0F 7E /r", "MOVD Ey,Pq", MMX),
  form("0F 6F /r", "MOVQ Pq,Qq", MMX),
  form("0F 7F /r", "MOVQ Qq,Pq", MMX),
  form("0F 70 /r", "PSHUFW Pq,Qq,Ib", MMX),
  form("0F C4 /r", "PINSRW Pq,Ew,Ib", MMX),
  form("0F C5 /r", "PEXTRW Gd,Nq,Ib", MMX),
  form("0F D7 /r", "PMOVMSKB Gd,Nq", MMX),
  form("0F E7 /r", "MOVNTQ Mq,Pq", MMX),
  form("0F F7 /r", "MASKMOVQ Pq,Nq", { ...MMX, prepare: chooseMmxMaskedStore }),
  form("0F 3A 0F /r", "PALIGNR Pq,Qq,Ib", MMX),
  form("F2 0F D6 /r", "MOVDQ2Q Pq,Uq", MMX),
  form("F3 0F D6 /r", "MOVQ2DQ Vdq,Nq", MMX),
  form("0F 2A /r", "CVTPI2PS Vps,Qq", MMX),
  form("66 0F 2A /r", "CVTPI2PD Vpd,Qq", MMX),
  form("0F 2C /r", "CVTTPS2PI Pq,Wq", conversion("single", "single")),
  form("0F 2D /r", "CVTPS2PI Pq,Wq", conversion("single", "single")),
  form("66 0F 2C /r", "CVTTPD2PI Pq,Wpd", conversion("double", "double")),
  form("66 0F 2D /r", "CVTPD2PI Pq,Wpd", conversion("double", "double")),
  form("0F 77", "EMMS", MMX),
];
