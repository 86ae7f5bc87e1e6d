import { TRACE_FETCH, TRACE_READ, TRACE_WRITE } from "./batch.ts";
import { LineDecoder } from "./line-decoder.ts";

const EXPECTED = 'a line such as "0x401026: R 0x7fff0010"';
const R = 0x52;
const W = 0x57;

/**
 * Text as Pin's pinatrace writes it: instruction address, R or W, data address. An instruction is fetched once however
 * much it accesses. Lines that begin with # are comments; `#eof` ends the trace.
 */
export class PinDecoder extends LineDecoder {
  protected readonly format = "pin";
  #ipLow = 0;
  #ipHigh = 0;
  #hasIp = false;

  protected override line(): void {
    if (this.take("#")) return;
    this.take("0x");
    if (!this.hex() || !this.take(":")) this.refuse(EXPECTED);
    this.#fetch();
    this.skipSpaces();
    const kind = this.byte;
    if (kind !== R && kind !== W) this.refuse(EXPECTED);
    this.at++;
    this.skipSpaces();
    this.take("0x");
    if (!this.hex()) this.refuse(EXPECTED);
    // Variants of the tool print size and value behind the address.
    if (this.at !== this.lineEnd && this.byte !== 32) this.refuse(EXPECTED);
    this.records.add(kind === R ? TRACE_READ : TRACE_WRITE, this.low, this.high, 0);
  }

  #fetch(): void {
    if (this.#hasIp && this.#ipLow === this.low && this.#ipHigh === this.high) return;
    this.#hasIp = true;
    this.#ipLow = this.low;
    this.#ipHigh = this.high;
    this.records.add(TRACE_FETCH, this.low, this.high, 0);
  }
}
