import { make } from "./elements.ts";

/** An address typed in, or a file chosen or dropped. */
export type Source = string | File;

/** A field that takes either. */
export interface SourceField {
  /** Undefined while the field is empty. */
  value: Source | undefined;
  /** What stands in the field while it is empty. */
  placeholder: string;
}

export interface SourceFieldOptions {
  readonly container: HTMLElement;
  readonly label: string;
  readonly placeholder: string;
  /** Called when a file was chosen or dropped, or an address was finished with Enter. */
  readonly onChosen?: () => void;
}

/** Builds the field inside `container`. Typing over the name of a file gives the file up. */
export function createSourceField(options: SourceFieldOptions): SourceField {
  const { container, label, onChosen = () => {} } = options;
  let file: File | undefined;
  const input = make("input", { type: "text", placeholder: options.placeholder, spellcheck: false });
  const picker = make("input", { type: "file", hidden: true });
  const browse = make("button", { type: "button", textContent: "File…", onclick: () => picker.click() });
  browse.setAttribute("aria-label", `${label}: choose a file`);
  container.append(make("label", {}, label, make("span", { className: "pair" }, input, browse)), picker);

  const choose = (chosen: File | undefined): void => {
    if (chosen === undefined) return;
    file = chosen;
    input.value = chosen.name;
    onChosen();
  };
  input.addEventListener("input", () => {
    file = undefined;
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || input.value === "") return;
    event.preventDefault();
    onChosen();
  });
  picker.addEventListener("change", () => {
    choose(picker.files?.[0]);
    picker.value = "";
  });
  container.addEventListener("dragover", (event) => {
    event.preventDefault();
    container.classList.add("over");
  });
  container.addEventListener("dragleave", () => container.classList.remove("over"));
  container.addEventListener("drop", (event) => {
    event.preventDefault();
    container.classList.remove("over");
    if (!input.disabled && !input.matches(":disabled")) choose(event.dataTransfer?.files[0]);
  });

  return {
    get value() {
      return file ?? (input.value.trim() || undefined);
    },
    set value(value) {
      file = value instanceof File ? value : undefined;
      input.value = value instanceof File ? value.name : (value ?? "");
    },
    get placeholder() {
      return input.placeholder;
    },
    set placeholder(text) {
      input.placeholder = text;
    },
  };
}
