// A model that was compressed before: what can be done with it beside making it smaller yet.
import { megabytes } from "loewner/cli/text.js";
import type { SessionClient, SessionError } from "../session/connect.js";
import type { Summary } from "../session/protocol.js";
import { runtimeFolder } from "./calibration.js";
import { wholeName } from "../session/small-name.js";
import { quoted } from "./command.js";
import { announce, h, unbroken } from "./dom.js";
import { save } from "./save.js";
import { ComparisonView } from "./verify-view.js";

/** @param signal aborted when another model is opened */
export function storedView(
  session: SessionClient,
  { stored, format, name, canExpand }: Summary,
  signal: AbortSignal,
): HTMLElement {
  const layers = `${stored.length} ${stored.length === 1 ? "layer" : "layers"}`;
  return h(
    "section",
    { class: "card", "aria-labelledby": "stored-title" },
    h("h3", { id: "stored-title" }, "This model was made smaller before"),
    h(
      "p",
      { class: "quiet" },
      `${layers} of ${name} ${stored.length === 1 ? "is" : "are"} stored as loewner writes them.`,
    ),
    ...(format === "onnx" ? comparing(session, signal) : []),
    ...(canExpand ? expanding(session, name, signal) : []),
  );
}

function comparing(session: SessionClient, signal: AbortSignal): HTMLElement[] {
  const input = h("input", { class: "visually-hidden", id: "original-files", type: "file", multiple: true });
  const comparison = new ComparisonView(signal);
  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    input.value = "";
    if (files.length === 0) return;
    void comparison.run(input, (onProgress) =>
      session.call("compareWith", [files, runtimeFolder()], { signal, onProgress }),
    );
  });
  return [
    h(
      "p",
      {},
      "Does it still answer as the original does? Choose that, with what lies beside it, and both are run in onnxruntime-web (14 MB, loaded then).",
    ),
    h(
      "div",
      { class: "actions" },
      h("label", { class: "button", for: "original-files" }, "Choose the original"),
      input,
    ),
    comparison.element,
  ];
}

function expanding(session: SessionClient, name: string, signal: AbortSignal): HTMLElement[] {
  const fault = h("p", { class: "fault", role: "alert" });
  const button = h("button", { type: "button", class: "button", id: "expand" }, "Write it out whole");
  button.addEventListener("click", async () => {
    fault.textContent = "";
    button.disabled = true;
    try {
      const { file, bytes } = await session.call("expand", [], { signal });
      if (await save(session, "expanded", file, signal)) announce(`${file} is saved.`);
      button.textContent = unbroken(`Write it out whole, ${megabytes(bytes)}`);
    } catch (error) {
      if (!signal.aborted) fault.textContent = (error as SessionError).message;
    } finally {
      button.disabled = false;
    }
  });
  const command = `npx loewner expand ${quoted(name)} -o ${quoted(wholeName(name))}`;
  return [
    h("p", {}, "A tool that cannot read it wants plain tensors: ", h("code", {}, command), ", or here:"),
    h("div", { class: "actions" }, button),
    fault,
  ];
}
