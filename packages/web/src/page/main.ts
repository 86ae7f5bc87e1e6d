// Puts the page together.
import { createMachineWorker, exportWebDisk } from "../index.ts";
import { byId } from "./elements.ts";
import { createMachineForm } from "./machine-form.ts";
import { createPicturePace } from "./picture-pace.ts";
import { createSession } from "./session.ts";
import { createSpareWorker } from "./spare-worker.ts";
import { createStatusView } from "./status-line.ts";
import { createTerminalView } from "./terminal-view.ts";

const form = byId("machine", HTMLFormElement);
const startButton = byId("start", HTMLButtonElement);
const pauseButton = byId("pause", HTMLButtonElement);
const resetButton = byId("reset", HTMLButtonElement);
const toggleButton = byId("toggle", HTMLButtonElement);
const complaint = byId("complaint", HTMLElement);
const empty = byId("empty", HTMLElement);

/** One line for the person; for the developer the whole of it, if it is our mistake. */
function complain(error: unknown): void {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const text = typeof message === "string" ? message : String(error);
  if (typeof code !== "string") console.error(error);
  complaint.textContent = text.split("\n", 1)[0] ?? "";
  complaint.hidden = false;
}

const attempt = (work: () => Promise<unknown> | undefined) => (): void => {
  complaint.hidden = true;
  void (async () => work())().catch(complain);
};

const terminal = createTerminalView(byId("terminal", HTMLElement), (data) => {
  pace.noteInput();
  session.machine?.send(data);
});
const pace = createPicturePace(terminal.show);
const status = createStatusView(byId("status", HTMLElement), byId("state", HTMLElement));
const spareWorker = createSpareWorker(createMachineWorker);
const session = createSession({ status, complain, onChange: update });
const settings = await createMachineForm({
  complain,
  onExport: async (index, onProgress) => {
    if (session.machine !== undefined) return session.machine.exportDisk(index, onProgress);
    const disk = settings.disks[index];
    if (disk === undefined) throw new Error(`there is no disk ${index}`);
    return exportWebDisk(disk, onProgress);
  },
});

function showSettings(shown: boolean): void {
  form.hidden = !shown;
  toggleButton.ariaExpanded = String(shown);
}

function update(): void {
  const { machine, isOn } = session;
  const isHeld = machine?.state === "paused";
  startButton.textContent = isOn ? "Power off" : "Start";
  startButton.classList.toggle("primary", !isOn);
  // Until the machine is there, there is nothing to turn off.
  startButton.disabled = isOn && machine === undefined;
  pauseButton.textContent = isHeld ? "Resume" : "Pause";
  pauseButton.disabled = machine === undefined;
  resetButton.disabled = machine === undefined;
  empty.hidden ||= machine !== undefined;
  settings.lock(isOn);
  if (!isOn) spareWorker.prepare();
}

async function start(): Promise<void> {
  const choice = settings.choice();
  if (choice.disks.some(({ writes }) => writes === "keep")) {
    // Asked for only when there is something to lose; where it is refused, the browser may clear up when space is short.
    await navigator.storage?.persist?.().catch(() => false);
  }
  terminal.clear();
  await session.start({ ...choice, onSerial: pace.show, createWorker: spareWorker.take });
  // On a narrow screen the settings stand above the terminal.
  if (matchMedia("(max-width: 760px)").matches) showSettings(false);
  terminal.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => (session.isOn ? session.powerOff() : start()))();
});
pauseButton.addEventListener(
  "click",
  attempt(() => (session.machine?.state === "paused" ? session.machine.resume() : session.machine?.pause())),
);
resetButton.addEventListener(
  "click",
  attempt(() => session.machine?.reset()),
);
toggleButton.addEventListener("click", () => showSettings(form.hidden !== false));

// The machine is gone with the tab: nobody should lose it by a slip of the hand.
addEventListener("beforeunload", (event) => {
  if (session.isOn) event.preventDefault();
});

// A file dropped anywhere but on a field is a disk.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  document.body.classList.remove("dropping");
  const isForField = event.defaultPrevented;
  event.preventDefault();
  if (isForField) return;
  const files = [...(event.dataTransfer?.files ?? [])];
  if (session.isOn) complain(new Error("power off first: disks cannot be changed while the machine is on"));
  else for (const file of files) settings.addDisk(file);
});

status.say("off", "");
update();
