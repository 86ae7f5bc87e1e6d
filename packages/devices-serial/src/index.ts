export {
  createDebugConsole,
  type DebugConsole,
  type DebugConsoleOptions,
  type DebugConsoleState,
} from "./debug-console.ts";
export type { ReceiverState } from "./receiver.ts";
export {
  createUart16550,
  type Uart16550,
  type Uart16550Options,
  type Uart16550State,
} from "./uart-16550.ts";
