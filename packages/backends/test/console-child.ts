// A program with a console on its standard streams, for pipes.test.ts. It echoes; on Ctrl-A x it says good-bye.
import { createConsoleMux, createStdioChardev } from "../src/index.ts";

const stdio = createStdioChardev({
  onOutputLost: () => process.exit(3),
  onEnd: () => stdio.write(Buffer.from("<end of input>")),
});
const finish = async (): Promise<void> => {
  serial?.write(Buffer.from("bye".repeat(Number(process.argv[2] ?? 1))));
  await stdio.flush();
  process.exit(0);
};
const mux = createConsoleMux({ console: stdio, ports: ["serial"], keys: { quit: () => void finish() } });
const serial = mux.ports[0];
serial?.onInput(() => {
  for (let bytes = serial.read(16); bytes.length > 0; bytes = serial.read(16)) serial.write(bytes);
});
