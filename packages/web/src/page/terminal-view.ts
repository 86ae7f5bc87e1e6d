import { FitAddon } from "@xterm/addon-fit";
import { type ITheme, Terminal } from "@xterm/xterm";

/** The screen and keyboard at the far end of the serial cable. */
export interface TerminalView {
  /** Shows bytes of the guest; resolves when they are on the screen. */
  show(bytes: Uint8Array): Promise<void>;
  clear(): void;
  focus(): void;
}

const ANSI_DARK: ITheme = {
  background: "#10141a",
  foreground: "#d7dde6",
  cursor: "#7c97f5",
  cursorAccent: "#10141a",
  selectionBackground: "#33456f",
  black: "#1d232c",
  red: "#ff7b72",
  green: "#56c98d",
  yellow: "#e0b341",
  blue: "#7aa2ff",
  magenta: "#c792ea",
  cyan: "#5ccfe6",
  white: "#c9d1dc",
  brightBlack: "#6b7686",
  brightRed: "#ff9c95",
  brightGreen: "#7ee0ad",
  brightYellow: "#f2cf73",
  brightBlue: "#a2beff",
  brightMagenta: "#ddb6f2",
  brightCyan: "#8fe3f2",
  brightWhite: "#ffffff",
};

const ANSI_LIGHT: ITheme = {
  background: "#ffffff",
  foreground: "#1b2230",
  cursor: "#3457d5",
  cursorAccent: "#ffffff",
  selectionBackground: "#c9d5fb",
  black: "#1b2230",
  red: "#b3261e",
  green: "#1a7f4b",
  yellow: "#8a6100",
  blue: "#2b50c8",
  magenta: "#8a3ea8",
  cyan: "#0b7285",
  white: "#6b7280",
  brightBlack: "#7a8494",
  brightRed: "#d1382f",
  brightGreen: "#22985b",
  brightYellow: "#a97a08",
  brightBlue: "#4a6ee0",
  brightMagenta: "#a257c0",
  brightCyan: "#168aa0",
  brightWhite: "#3b4453",
};

/** Builds a terminal inside `container`; what is typed or pasted into it goes to `onInput`, whole. */
export function createTerminalView(container: HTMLElement, onInput: (data: string | Uint8Array) => void): TerminalView {
  const terminal = new Terminal({
    fontFamily: getComputedStyle(container).getPropertyValue("--mono"),
    fontSize: 13,
    lineHeight: 1.15,
    scrollback: 10_000,
    // A cursor that blinks is an animation: the browser would prepare sixty pictures a second, for ever.
    cursorBlink: false,
    // Greys of kernels and editors stay readable on either background.
    minimumContrastRatio: 4.5,
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(container);
  terminal.onData(onInput);
  // Mouse reports, byte by byte.
  terminal.onBinary((data) => onInput(Uint8Array.from(data, (character) => character.charCodeAt(0))));

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = (): void => {
    const theme = dark.matches ? ANSI_DARK : ANSI_LIGHT;
    terminal.options.theme = theme;
    container.parentElement?.style.setProperty("--terminal", theme.background ?? "");
  };
  dark.addEventListener("change", paint);
  paint();
  new ResizeObserver(() => fit.fit()).observe(container);

  return {
    show: (bytes) => new Promise((resolve) => terminal.write(bytes, resolve)),
    clear: () => terminal.reset(),
    focus: () => terminal.focus(),
  };
}
