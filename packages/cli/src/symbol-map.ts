// Names for guest addresses, from System.map or a guest's /proc/kallsyms.

/** One line of such a file. */
export interface GuestSymbol {
  readonly address: bigint;
  /** As nm has it: T, t, W and w are code. */
  readonly type: string;
  readonly name: string;
}

const LINE = /^([0-9a-f]{1,16}) ([A-Za-z]) (\S+)(?:\s+\[\S+\])?$/;
const CODE = "TtWw";

/** Finds the function an address is in. */
export class SymbolMap {
  readonly #symbols: readonly GuestSymbol[];

  constructor(symbols: readonly GuestSymbol[]) {
    this.#symbols = symbols.toSorted((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }

  /** @throws Error of one line if a line is not of this form, or nothing is code. */
  static parse(text: string): SymbolMap {
    const symbols = text
      .split("\n")
      .map((line, i) => ({ line: line.trim(), number: i + 1 }))
      .filter(({ line }) => line !== "")
      .map(({ line, number }) => parseLine(line, number));
    // Whoever may not see addresses reads zeros in kallsyms.
    if (!symbols.some(({ type, address }) => CODE.includes(type) && address !== 0n)) {
      throw new Error("no addresses of functions in it; root reads them in /proc/kallsyms");
    }
    return new SymbolMap(symbols);
  }

  /** The nearest symbol at or below the address, if that is code. */
  find(address: bigint): { readonly name: string; readonly offset: number } | undefined {
    let [low, high] = [0, this.#symbols.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#symbols[middle] as GuestSymbol).address <= address) low = middle + 1;
      else high = middle;
    }
    const symbol = this.#symbols[low - 1];
    if (symbol === undefined || !CODE.includes(symbol.type)) return undefined;
    return { name: symbol.name, offset: Number(address - symbol.address) };
  }
}

function parseLine(line: string, number: number): GuestSymbol {
  const match = LINE.exec(line);
  if (match === null)
    throw new Error(`line ${number} is no "ADDRESS TYPE NAME", as System.map and /proc/kallsyms have them`);
  const [, address = "", type = "", name = ""] = match;
  return { address: BigInt(`0x${address}`), type, name };
}
