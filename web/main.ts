// The page: what is open, what is asked for, what runs. All that computes is in session/, in a worker.
import { megabytes, percent } from "loewner/cli/text.js";
import { commandFor } from "./page/command.js";
import { CurveView } from "./page/curve-view.js";
import { announce, byId, unbroken } from "./page/dom.js";
import { Form } from "./page/form.js";
import { takeFiles } from "./page/intake.js";
import { LayerTable, number3 } from "./page/layer-table.js";
import { showPicture } from "./page/picture.js";
import { Predictor } from "./page/predictor.js";
import { ResultView } from "./page/result.js";
import { installOffline } from "./page/offline.js";
import { duration, TimeLeft } from "./page/time-left.js";
import type { SessionError } from "./session/connect.js";
import { SessionClient } from "./session/connect.js";
import type { Choice, Outcome, Prediction, ProgressReport, Summary } from "./session/protocol.js";

interface Opened {
  readonly files: readonly File[];
  summary: Summary;
  readonly table: LayerTable;
  predicted?: Prediction;
}

let opened: Opened | undefined;
let running: AbortController | undefined;
/** Of what nobody waits for. */
let background = new AbortController();
/** The worker ended, and with it what was open there. */
let lost = false;

const session = new SessionClient(() => (lost = true));
const form = new Form(chosen);
const curves = new CurveView(session);
const result = new ResultView(session);
const predictor = new Predictor(session, showPrediction, (error) => fault("form-fault", error));

takeFiles((files) => void open(files));
byId("sample").addEventListener("click", async () => {
  const { sampleFiles } = await import("./page/sample.js");
  await open(sampleFiles());
});
form.element.addEventListener("submit", (event) => {
  event.preventDefault();
  void compress();
});
byId("cancel").addEventListener("click", () => running?.abort());
byId("version").textContent = __VERSION__;
showPicture();
installOffline();

async function open(files: readonly File[]): Promise<void> {
  clearFaults();
  const [only] = files;
  if (opened && files.length === 1 && /tokenizer\.json$/i.test(only.name)) return addTokenizer(only);
  running?.abort();
  stopBackground();
  const drop = byId("drop");
  drop.setAttribute("aria-busy", "true");
  try {
    const summary = await session.call("open", [files]);
    lost = false;
    show(files, summary);
  } catch (error) {
    fault("intake-fault", error as SessionError);
    byId("intake-fault").scrollIntoView({ block: "nearest" });
    // What was open before still is.
    if (opened) chosen();
  } finally {
    drop.removeAttribute("aria-busy");
  }
}

function show(files: readonly File[], summary: Summary): void {
  result.clear();
  const table = new LayerTable(summary, chosen);
  opened = { files, summary, table };
  byId("layers").replaceChildren(table.element);
  byId("bytes-before").textContent = megabytes(summary.bytes);
  byId("model-name").textContent = summary.name;
  showFacts();
  form.reset(summary.bytes, summary.format === "npy");
  byId("opened").hidden = false;
  curves.open(summary.layers.filter(({ blocked }) => blocked === undefined).map(({ name }) => name));
  announce(`${summary.name} is open: ${megabytes(summary.bytes)}, ${table.chosen.length} layers chosen.`);
  byId("model-name").focus({ preventScroll: true });
  byId("opened").scrollIntoView({ block: "start", behavior: "smooth" });
  chosen();
}

function showFacts(): void {
  const { format, bytes, layers, vocabulary } = opened!.summary;
  const can = layers.filter(({ blocked }) => blocked === undefined).length;
  const facts = [format, megabytes(bytes), `${can} ${can === 1 ? "layer" : "layers"} that can be compressed`];
  if (vocabulary) facts.push(`${vocabulary} tokens`);
  byId("model-facts").textContent = facts.join(", ");
}

async function addTokenizer(file: File): Promise<void> {
  try {
    opened!.summary = await session.call("addTokenizer", [file]);
    showFacts();
    announce(`${file.name}: ${opened!.summary.vocabulary} tokens.`);
    result.refreshRows();
  } catch (error) {
    fault("intake-fault", error as SessionError);
  }
}

function choiceNow(): Choice | undefined {
  const choice = form.choice;
  return opened && choice && { ...choice, layers: opened.table.chosen };
}

/** The form or the layers are others than before. */
function chosen(): void {
  byId("form-fault").textContent = form.fault ?? "";
  const choice = choiceNow();
  byId<HTMLButtonElement>("compress").disabled = !choice?.layers.length;
  if (!choice || !opened) return;
  showCommand(choice);
  curves.setP(choice.p);
  if (choice.layers.length === 0) {
    predictor.stop();
    showPrediction(choice, { bytesAfter: opened.summary.bytes, layers: [], skipped: [] });
    byId("outcome-note").textContent = "Choose at least one layer below.";
    return;
  }
  // Of a worker that has ended nothing is asked before the next run opens the files again.
  if (lost) return;
  predictor.ask(choice);
  void startBackground(choice);
}

function showCommand(choice: Choice): void {
  byId("command").textContent = commandFor(opened!.summary, choice, opened!.predicted);
}

function showPrediction(choice: Choice, prediction: Prediction): void {
  if (!opened) return;
  opened.predicted = prediction;
  const { bytesAfter, error, skipped, layers } = prediction;
  const { bytes } = opened.summary;
  byId("form-fault").textContent = form.fault ?? "";
  byId("bytes-after").textContent = megabytes(bytesAfter);
  const saved =
    bytesAfter <= bytes ? `${percent(1 - bytesAfter / bytes)} less` : `${percent(bytesAfter / bytes - 1)} more`;
  const told =
    error === undefined ? "error: the spectra are being computed" : `predicted error ${number3(error)} (relative, l_2)`;
  const left = skipped.length ? `; ${skipped.length} of ${skipped.length + layers.length} layers stay as they are` : "";
  byId("outcome-note").textContent = unbroken(`${saved}, ${told}${left}`);
  opened.table.show(prediction);
  curves.showRank(prediction);
  showCommand(choice);
}

/** Spectra of what is chosen, for the predictions; then the plots of one layer. */
async function startBackground({ layers }: Choice): Promise<void> {
  const key = layers.join("\n");
  if (running || startBackground.layers === key) return;
  startBackground.layers = key;
  background.abort();
  const { signal } = (background = new AbortController());
  const again = () => {
    const choice = choiceNow();
    if (choice?.layers.length && !signal.aborted) predictor.ask(choice);
  };
  try {
    await session.call("spectra", [layers], { signal, onProgress: again });
    if (signal.aborted) return;
    again();
    await curves.load();
  } catch (error) {
    if (!signal.aborted && (error as SessionError).code !== "ABORTED") fault("form-fault", error as SessionError);
  }
}
startBackground.layers = "";

function stopBackground(): void {
  startBackground.layers = "";
  background.abort();
  predictor.stop();
  curves.stop();
}

async function compress(): Promise<void> {
  const choice = choiceNow();
  if (!choice?.layers.length || running || !opened) return;
  clearFaults();
  stopBackground();
  result.expect();
  running = new AbortController();
  setRunning(true);
  const time = new TimeLeft();
  let told = 0;
  const onProgress = ({ stage, layer, done, total }: ProgressReport) => {
    byId<HTMLProgressElement>("progress").value = done / total;
    const left = time.seconds(done, total);
    const text = `${percent(done / total)}${left === undefined ? "" : `, ${duration(left)} left`}`;
    byId("progress-text").textContent = `${text} · ${layer ? `${layer}: ` : ""}${stage}`;
    if (done / total < told + 0.25) return;
    told = done / total;
    announce(text);
  };
  const { summary, files } = opened;
  let outcome: Outcome | undefined;
  try {
    // A worker that ended has forgotten the files.
    if (lost) await session.call("open", [files]);
    lost = false;
    outcome = await session.call("compress", [choice], { signal: running.signal, onProgress });
  } catch (error) {
    const { code } = error as SessionError;
    if (code === "ABORTED") announce("Cancelled. Nothing was written.");
    else fault("run-fault", error as SessionError, code === "OUT_OF_MEMORY" || code === "WORKER_LOST");
  } finally {
    running = undefined;
    setRunning(false);
  }
  // Takes the focus from the button.
  if (outcome) result.show(summary, outcome);
  else result.clear();
  chosen();
}

function setRunning(is: boolean): void {
  byId("cancel").hidden = byId("running").hidden = !is;
  byId("compress").hidden = is;
  byId<HTMLProgressElement>("progress").value = 0;
  byId("progress-text").textContent = is ? "reading" : "";
  form.disabled = is;
  if (opened) opened.table.disabled = is;
  byId(is ? "cancel" : "compress").focus({ preventScroll: true });
}

/** @param elsewhere the command line has more memory than a tab */
function fault(place: string, { message, code }: SessionError, elsewhere = false): void {
  const bug = code === undefined ? " (this is a fault of the page)" : "";
  const choice = choiceNow();
  const command =
    elsewhere && opened && choice ? ` With more memory: ${commandFor(opened.summary, choice, opened.predicted)}` : "";
  byId(place).textContent = `${message}${bug}${command}`;
}

function clearFaults(): void {
  for (const place of ["intake-fault", "form-fault", "run-fault"]) byId(place).textContent = "";
}
