// Places in ccAux, and what a subtraction with given carries is made of: emit/flags.ts says what the words mean.

/** ccAux: CF is flipped. */
export const CARRY_FLIP = 1;
/** ccAux: 64 less the width of the subtraction, six bits. */
export const WIDTH_SHIFT = 16;
/** The bit of such a minuend that ends the borrow which stands for AF. */
export const BORROW_END = 0x10;
