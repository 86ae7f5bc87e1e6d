/**
 * Registers and bits of the PC16550D, spelt as its data sheet spells them ("Summary of Registers"). Offsets count
 * bytes; DLL and DLM stand in the place of RBR/THR and IER while LCR.DLAB is set.
 */
export const RBR_THR_DLL = 0;
export const IER_DLM = 1;
export const IIR_FCR = 2;
export const LCR = 3;
export const MCR = 4;
export const LSR = 5;
export const MSR = 6;
export const SCR = 7;

export const IER_ERBFI = 0x01;
export const IER_ETBEI = 0x02;
export const IER_ELSI = 0x04;
export const IER_EDSSI = 0x08;

/** Interrupt identification, highest priority first in the data sheet's order; bit 0 clear means pending. */
export const IIR_NONE = 0x01;
export const IIR_LINE_STATUS = 0x06;
export const IIR_DATA_AVAILABLE = 0x04;
export const IIR_CHARACTER_TIMEOUT = 0x0c;
export const IIR_THR_EMPTY = 0x02;
export const IIR_MODEM_STATUS = 0x00;
export const IIR_FIFOS_ENABLED = 0xc0;

export const FCR_FIFO_ENABLE = 0x01;
export const FCR_RCVR_RESET = 0x02;
/** Receiver trigger level in characters, by FCR bits 7:6. */
export const FCR_TRIGGERS = [1, 4, 8, 14] as const;

export const LCR_WLS = 0x03;
export const LCR_STB = 0x04;
export const LCR_PEN = 0x08;
export const LCR_DLAB = 0x80;

export const MCR_DTR = 0x01;
export const MCR_RTS = 0x02;
export const MCR_OUT1 = 0x04;
export const MCR_OUT2 = 0x08;
export const MCR_LOOP = 0x10;
/** Bits 7:5 are wired to zero. */
export const MCR_MASK = 0x1f;

export const LSR_DR = 0x01;
export const LSR_OE = 0x02;
export const LSR_BI = 0x10;
export const LSR_THRE = 0x20;
export const LSR_TEMT = 0x40;
export const LSR_FIFO_ERROR = 0x80;
/** What makes a line status interrupt and what reading LSR clears. */
export const LSR_ERRORS = 0x1e;

export const MSR_DCTS = 0x01;
export const MSR_DDSR = 0x02;
export const MSR_TERI = 0x04;
export const MSR_DDCD = 0x08;
export const MSR_CTS = 0x10;
export const MSR_DSR = 0x20;
export const MSR_RI = 0x40;
export const MSR_DCD = 0x80;
export const MSR_DELTAS = 0x0f;

/** The crystal of a PC's serial port; 16 cycles a bit and divisor 1 make 115200 baud. */
export const CLOCK_HZ = 1_843_200;
