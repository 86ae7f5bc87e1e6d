import { type Form, type FormOptions, form } from "./form.ts";

const INTEGER: FormOptions = { flavour: "integer" };
/** AMD takes misaligned operands here. With 66 these are #UD. */
const UNALIGNED: FormOptions = { ...INTEGER, unaligned: true, sized: true };

/** The legacy form, and VEX forms with 128 and 256 bits. */
const family = (opcode: string, map: "0F 38" | "0F 3A", name: string, immediate = "", w = "WIG"): Form[] => [
  form(`66 ${map} ${opcode} /r`, `${name} Vdq,Wdq${immediate}`, INTEGER),
  ...["128", "256"].map((length) =>
    form(`VEX.${length}.66.${map.replace(" ", "")}.${w} ${opcode} /r`, `V${name} Vx,Hx,Wx${immediate}`, INTEGER),
  ),
];

/** GFNI. */
export const galois: readonly Form[] = [
  ...family("CF", "0F 38", "GF2P8MULB", "", "W0"),
  ...family("CE", "0F 3A", "GF2P8AFFINEQB", ",Ib", "W1"),
  ...family("CF", "0F 3A", "GF2P8AFFINEINVQB", ",Ib", "W1"),
];

/** AESNI, PCLMULQDQ, SHA, VAES and VPCLMULQDQ. */
export const crypto: readonly Form[] = [
  ...family("DC", "0F 38", "AESENC"),
  ...family("DD", "0F 38", "AESENCLAST"),
  ...family("DE", "0F 38", "AESDEC"),
  ...family("DF", "0F 38", "AESDECLAST"),
  form("66 0F 38 DB /r", "AESIMC Vdq,Wdq", INTEGER),
  form("VEX.128.66.0F38.WIG DB /r", "VAESIMC Vdq,Wdq", INTEGER),
  form("66 0F 3A DF /r", "AESKEYGENASSIST Vdq,Wdq,Ib", INTEGER),
  form("VEX.128.66.0F3A.WIG DF /r", "VAESKEYGENASSIST Vdq,Wdq,Ib", INTEGER),
  ...family("44", "0F 3A", "PCLMULQDQ", ",Ib"),
  form("0F 3A CC /r", "SHA1RNDS4 Vdq,Wdq,Ib", UNALIGNED),
  form("0F 38 C8 /r", "SHA1NEXTE Vdq,Wdq", UNALIGNED),
  form("0F 38 C9 /r", "SHA1MSG1 Vdq,Wdq", UNALIGNED),
  form("0F 38 CA /r", "SHA1MSG2 Vdq,Wdq", UNALIGNED),
  form("0F 38 CB /r", "SHA256RNDS2 Vdq,Wdq,XMM0", UNALIGNED),
  form("0F 38 CC /r", "SHA256MSG1 Vdq,Wdq", UNALIGNED),
  form("0F 38 CD /r", "SHA256MSG2 Vdq,Wdq", UNALIGNED),
];
