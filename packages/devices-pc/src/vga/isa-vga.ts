/**
 * A VGA as programs see it that write text: its registers, and the memory of text modes. IBM PS/2 Hardware Interface Technical
 * Reference, "Video Subsystem". Registers keep what is written to them; the picture that they describe is nobody's yet, and
 * memory is there as character and attribute, not in four planes.
 */
import {
  booleanField,
  byteRegion,
  bytesField,
  type Clock,
  type Device,
  type IoRegion,
  integerField,
  recordField,
} from "@tsvm/contracts";

/** Characters and attributes of text modes, at b8000h. */
const TEXT_LENGTH = 0x8000;
const CRTC_LENGTH = 25;
/** Index 11h protects registers 0 to 7 by bit 7, but for bit 4 of register 7, a bit of the line compare. */
const CRTC_PROTECT = 0x11;
const CRTC_PROTECTED = 8;
const CRTC_OVERFLOW = 7;
const OVERFLOW_LINE_COMPARE = 0x10;
const ATTRIBUTE_LENGTH = 21;
const SEQUENCER_LENGTH = 5;
const GRAPHICS_LENGTH = 9;
const PALETTE_LENGTH = 3 * 256;
/** Six bits a colour. */
const COLOUR_MASK = 0x3f;

/** Miscellaneous output: the ports of the CRT controller are those of colour adapters. */
const MISC_COLOUR = 0x01;
/** Input status 1: neither lines nor characters are being shown; the beam returns to the top. */
const STATUS_BLANK = 0x01;
const STATUS_VERTICAL_RETRACE = 0x08;
/** 70 pictures a second, of 449 lines each, of which 400 show something and two are the beam's return. */
const LINE_NS = 31_778;
const LINES = 449;
const SHOWN_LINES = 400;
const RETRACE_LINE = 412;
const RETRACE_LINES = 2;
/** Part of a line that shows something: 640 of 800 dots. */
const SHOWN_NS = 25_422;

/** Offsets from port 3c0h. */
const ATTRIBUTE = 0x0;
const ATTRIBUTE_DATA = 0x1;
const MISC_WRITE = 0x2;
const SEQUENCER = 0x4;
const SEQUENCER_DATA = 0x5;
const PALETTE_MASK = 0x6;
const PALETTE_READ = 0x7;
const PALETTE_WRITE = 0x8;
const PALETTE_DATA = 0x9;
const MISC_READ = 0xc;
const GRAPHICS = 0xe;
const GRAPHICS_DATA = 0xf;
const REGISTERS_LENGTH = 0x10;
/** Offsets from port 3b0h or 3d0h. */
const CRTC = 0x4;
const CRTC_DATA = 0x5;
const STATUS = 0xa;
const CRTC_PORTS_LENGTH = 0x10;

/** As a BIOS leaves them in mode 3: 80 columns, 25 lines, 16 colours. "BIOS Video Parameter Table". */
const MODE_3 = {
  misc: 0x67,
  sequencer: [3, 0, 3, 0, 2],
  crtc: [
    ...[0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0],
    ...[0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff],
  ],
  attribute: [...[0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f], 0x0c, 0, 0x0f, 8, 0],
  graphics: [0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff],
} as const;
/** The palette is not switched off. */
const ATTRIBUTE_SHOWN = 0x20;
const BLANK_CHARACTER = 0x20;
const BLANK_ATTRIBUTE = 0x07;

export interface IsaVgaOptions {
  /** Tells where the beam is. */
  readonly clock: Clock;
  /** Default "vga". */
  readonly name?: string;
}

export interface IsaVgaState {
  misc: number;
  sequencerIndex: number;
  sequencer: Uint8Array;
  crtcIndex: number;
  crtc: Uint8Array;
  graphicsIndex: number;
  graphics: Uint8Array;
  attributeIndex: number;
  /** The next write to 3c0h is data. */
  attributeData: boolean;
  attribute: Uint8Array;
  paletteMask: number;
  /** Of the next byte: three times the colour's number, and which part of it. */
  paletteAt: number;
  paletteReading: boolean;
  palette: Uint8Array;
  text: Uint8Array;
}

const stateField = recordField<IsaVgaState>({
  misc: integerField(0, 0xff),
  sequencerIndex: integerField(0, 0xff),
  sequencer: bytesField(SEQUENCER_LENGTH),
  crtcIndex: integerField(0, 0xff),
  crtc: bytesField(CRTC_LENGTH),
  graphicsIndex: integerField(0, 0xff),
  graphics: bytesField(GRAPHICS_LENGTH),
  attributeIndex: integerField(0, 0xff),
  attributeData: booleanField,
  attribute: bytesField(ATTRIBUTE_LENGTH),
  paletteMask: integerField(0, 0xff),
  paletteAt: integerField(0, PALETTE_LENGTH - 1),
  paletteReading: booleanField,
  palette: bytesField(PALETTE_LENGTH),
  text: bytesField(TEXT_LENGTH),
});

/**
 * Regions: the registers at 3c0h (16 ports), the CRT controller and status as monochrome adapters have them, at 3b0h, and as
 * colour adapters, at 3d0h (16 ports each; one of the two is silent), and text memory at b8000h (32 KiB).
 */
export function createIsaVga(options: IsaVgaOptions): Device<IsaVgaState> {
  return new IsaVga(options);
}

class IsaVga implements Device<IsaVgaState> {
  readonly name: string;
  readonly regions: readonly IoRegion[];
  readonly #clock: Clock;
  #s: IsaVgaState = powerOn();

  constructor({ clock, name = "vga" }: IsaVgaOptions) {
    this.name = name;
    this.#clock = clock;
    this.regions = [
      byteRegion(
        `${name} registers`,
        REGISTERS_LENGTH,
        (offset) => this.#read(offset),
        (offset, value) => this.#write(offset, value),
      ),
      this.#crtcRegion("monochrome", false),
      this.#crtcRegion("colour", true),
      byteRegion(
        `${name} text`,
        TEXT_LENGTH,
        (offset) => this.#s.text[offset] as number,
        (offset, value) => {
          this.#s.text[offset] = value;
        },
      ),
    ];
  }

  reset(): void {
    this.#s = powerOn();
  }

  save(): IsaVgaState {
    return stateField(this.#s, this.name);
  }

  restore(state: IsaVgaState): void {
    this.#s = stateField(state, this.name);
  }

  #crtcRegion(kind: string, isColour: boolean): IoRegion {
    const isSilent = (): boolean => ((this.#s.misc & MISC_COLOUR) !== 0) !== isColour;
    return byteRegion(
      `${this.name} ${kind}`,
      CRTC_PORTS_LENGTH,
      (offset) => (isSilent() ? 0xff : this.#readCrtc(offset)),
      (offset, value) => {
        if (!isSilent()) this.#writeCrtc(offset, value);
      },
    );
  }

  #readCrtc(offset: number): number {
    const s = this.#s;
    if (offset === CRTC) return s.crtcIndex;
    if (offset === CRTC_DATA) return s.crtc[s.crtcIndex] ?? 0;
    if (offset === STATUS) {
      s.attributeData = false;
      return this.#status();
    }
    return 0xff;
  }

  #writeCrtc(offset: number, value: number): void {
    const s = this.#s;
    if (offset === CRTC) s.crtcIndex = value;
    else if (offset === CRTC_DATA) s.crtc[s.crtcIndex] = this.#protect(s.crtcIndex, value);
  }

  /** What a register becomes when `value` is written to it. */
  #protect(index: number, value: number): number {
    const { crtc } = this.#s;
    if (index >= CRTC_PROTECTED || ((crtc[CRTC_PROTECT] as number) & 0x80) === 0) return value;
    const kept = crtc[index] as number;
    if (index !== CRTC_OVERFLOW) return kept;
    return (kept & ~OVERFLOW_LINE_COMPARE) | (value & OVERFLOW_LINE_COMPARE);
  }

  #status(): number {
    const now = this.#clock.now();
    const line = Math.floor(now / LINE_NS) % LINES;
    const isBlank = line >= SHOWN_LINES || now % LINE_NS >= SHOWN_NS;
    const isRetrace = line >= RETRACE_LINE && line < RETRACE_LINE + RETRACE_LINES;
    return (isBlank ? STATUS_BLANK : 0) | (isRetrace ? STATUS_VERTICAL_RETRACE : 0);
  }

  #read(offset: number): number {
    const s = this.#s;
    switch (offset) {
      case ATTRIBUTE:
        return s.attributeIndex;
      case ATTRIBUTE_DATA:
        return s.attribute[s.attributeIndex & 0x1f] ?? 0;
      case SEQUENCER:
        return s.sequencerIndex;
      case SEQUENCER_DATA:
        return s.sequencer[s.sequencerIndex] ?? 0;
      case PALETTE_MASK:
        return s.paletteMask;
      case PALETTE_READ:
        return s.paletteReading ? 3 : 0;
      case PALETTE_WRITE:
        return Math.floor(s.paletteAt / 3);
      case PALETTE_DATA:
        return s.palette[this.#nextPaletteByte()] as number;
      case MISC_READ:
        return s.misc;
      case GRAPHICS:
        return s.graphicsIndex;
      case GRAPHICS_DATA:
        return s.graphics[s.graphicsIndex] ?? 0;
      default:
        return 0;
    }
  }

  /** Registers behind the last of an index are none: a typed array drops what is written there. */
  #write(offset: number, value: number): void {
    const s = this.#s;
    switch (offset) {
      case ATTRIBUTE:
        if (s.attributeData) s.attribute[s.attributeIndex & 0x1f] = value;
        else s.attributeIndex = value & 0x3f;
        s.attributeData = !s.attributeData;
        break;
      case MISC_WRITE:
        s.misc = value;
        break;
      case SEQUENCER:
        s.sequencerIndex = value;
        break;
      case SEQUENCER_DATA:
        s.sequencer[s.sequencerIndex] = value;
        break;
      case PALETTE_MASK:
        s.paletteMask = value;
        break;
      case PALETTE_READ:
      case PALETTE_WRITE:
        s.paletteAt = 3 * value;
        s.paletteReading = offset === PALETTE_READ;
        break;
      case PALETTE_DATA:
        s.palette[this.#nextPaletteByte()] = value & COLOUR_MASK;
        break;
      case GRAPHICS:
        s.graphicsIndex = value;
        break;
      case GRAPHICS_DATA:
        s.graphics[s.graphicsIndex] = value;
        break;
    }
  }

  /** Red, green, blue, then the next colour. */
  #nextPaletteByte(): number {
    const at = this.#s.paletteAt;
    this.#s.paletteAt = (at + 1) % PALETTE_LENGTH;
    return at;
  }
}

function powerOn(): IsaVgaState {
  return {
    misc: MODE_3.misc,
    sequencerIndex: 0,
    sequencer: Uint8Array.from(MODE_3.sequencer),
    crtcIndex: 0,
    crtc: Uint8Array.from(MODE_3.crtc),
    graphicsIndex: 0,
    graphics: Uint8Array.from(MODE_3.graphics),
    attributeIndex: ATTRIBUTE_SHOWN,
    attributeData: false,
    attribute: Uint8Array.from(MODE_3.attribute),
    paletteMask: 0xff,
    paletteAt: 0,
    paletteReading: false,
    palette: EGA_PALETTE.slice(),
    text: BLANK_TEXT.slice(),
  };
}

const EGA_PALETTE = Uint8Array.from({ length: PALETTE_LENGTH }, (_, i) => colourPart(Math.floor(i / 3), i % 3));
const BLANK_TEXT = Uint8Array.from({ length: TEXT_LENGTH }, (_, i) =>
  (i & 1) === 0 ? BLANK_CHARACTER : BLANK_ATTRIBUTE,
);

/** Red, green or blue of the EGA's 64 colours: a strong bit each, weak ones above them; the others are black. */
function colourPart(colour: number, part: number): number {
  if (colour >= 64) return 0;
  const strong = (colour >> (2 - part)) & 1;
  const weak = (colour >> (5 - part)) & 1;
  return strong * 0x2a + weak * 0x15;
}
