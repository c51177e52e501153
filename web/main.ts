// The page: what is open, what is asked for, what runs. All that computes is in session/, in a worker.
import { megabytes } from "loewner/cli/text.js";
import { CalibrationForm, isCalibration, isTokenizer } from "./page/calibration.js";
import { commandFor, pastedName } from "./page/command.js";
import { CurveView } from "./page/curve-view.js";
import { announce, byId } from "./page/dom.js";
import { foretoldText } from "./page/foretold.js";
import { Form, isPromise } from "./page/form.js";
import { chooseFiles, takeFiles } from "./page/intake.js";
import { LayerTable } from "./page/layer-table.js";
import { showPicture } from "./page/picture.js";
import { Predictor } from "./page/predictor.js";
import { ResultView } from "./page/result.js";
import { installOffline } from "./page/offline.js";
import { progressText, TimeLeft } from "loewner/model/time-left.js";
import type { SessionError } from "./session/connect.js";
import { SessionClient } from "./session/connect.js";
import type { Choice, Outcome, Prediction, ProgressReport, Summary } from "./session/protocol.js";

interface Opened {
  /** With the tokenizer that came later: a worker that ended is given them again. */
  files: readonly File[];
  summary: Summary;
  readonly table: LayerTable;
  predicted?: Prediction;
  /** What was predicted. */
  size?: string;
}

let opened: Opened | undefined;
let running: AbortController | undefined;
/** Of what nobody waits for. */
let background = new AbortController();
/** Of what is said of the model that is open. */
let showing = new AbortController();
/** The worker ended, and with it what was open there. */
let lost = false;

const session = new SessionClient(() => (lost = true));
const form = new Form(chosen);
const calibration = new CalibrationForm(chosen);
const curves = new CurveView(session);
const result = new ResultView(session);
const predictor = new Predictor(session, showPrediction, (error) => fault("form-fault", error));

takeFiles(
  (files, place) => void open(files, place?.closest("#calibration") != null),
  (folder) => void openFolder(folder),
);
chooseFiles("text-files", (files) => void open(files, true));
byId("result").addEventListener("choose", (event) => void open((event as CustomEvent<File[]>).detail));
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

/** @param toCalibrate where texts come in that a result is not to be scored on */
async function open(files: readonly File[], toCalibrate = false): Promise<void> {
  clearFaults();
  const isBeside = (file: File) => isCalibration(file) || isTokenizer(file);
  if (opened && files.length && files.every(isBeside)) return addBeside(files, toCalibrate);
  running?.abort();
  stopBackground();
  const drop = byId("drop");
  drop.setAttribute("aria-busy", "true");
  try {
    // Texts alone are handed on: what is said of them is that they are no model.
    const others = files.filter((file) => !isCalibration(file));
    const model = others.some((file) => !isTokenizer(file)) ? others : files;
    const summary = await session.call("open", [model]);
    lost = false;
    show(model, summary);
    if (model !== files) addTexts(files.filter(isCalibration));
  } catch (error) {
    fault("intake-fault", error as SessionError);
    byId("intake-fault").scrollIntoView({ block: "nearest" });
    // What was open before still is.
    if (opened) chosen();
  } finally {
    drop.removeAttribute("aria-busy");
  }
}

async function openFolder(folder: FileSystemEntry): Promise<void> {
  clearFaults();
  try {
    const { modelIn } = await import("./page/folder.js");
    await open(await modelIn(folder));
  } catch (error) {
    fault("intake-fault", error as SessionError);
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
  calibration.reset(summary);
  showStored(summary);
  byId("opened").hidden = false;
  curves.open(summary.layers.filter(({ blocked }) => blocked === undefined).map(({ name }) => name));
  announce(`${summary.name} is open: ${megabytes(summary.bytes)}, ${table.chosen.length} layers chosen.`);
  byId("model-name").focus({ preventScroll: true });
  byId("opened").scrollIntoView({ block: "start", behavior: "smooth" });
  chosen();
}

/** Of a model that was made smaller before. */
function showStored(summary: Summary): void {
  showing.abort();
  showing = new AbortController();
  const { signal } = showing;
  const place = byId("stored");
  place.replaceChildren();
  if (summary.stored.length === 0) return;
  void import("./page/stored-view.js").then(({ storedView }) => {
    if (!signal.aborted) place.append(storedView(session, summary, signal));
  });
}

function showFacts(): void {
  const { format, bytes, layers, vocabulary } = opened!.summary;
  const can = layers.filter(({ blocked }) => blocked === undefined).length;
  const facts = [format, megabytes(bytes), `${can} ${can === 1 ? "layer" : "layers"} that can be compressed`];
  if (vocabulary) facts.push(`${vocabulary} tokens`);
  byId("model-facts").textContent = facts.join(", ");
}

/** What belongs to the model that is open. */
async function addBeside(files: readonly File[], toCalibrate: boolean): Promise<void> {
  try {
    for (const file of files.filter(isTokenizer)) {
      opened!.summary = await session.call("addTokenizer", [file]);
      opened!.files = [...opened!.files.filter((each) => !isTokenizer(each)), file];
      showFacts();
      calibration.know(opened!.summary);
      announce(`${file.name}: ${opened!.summary.vocabulary} tokens.`);
      result.know(opened!.summary);
    }
  } catch (error) {
    fault("intake-fault", error as SessionError);
  }
  const texts = files.filter(isCalibration);
  if (toCalibrate || !result.takeExamples(texts)) addTexts(texts);
}

function addTexts(files: readonly File[]): void {
  if (files.length === 0) return;
  const { name, format } = opened!.summary;
  if (format === "onnx") return calibration.add(files);
  const what = format === "npy" ? "is a single matrix" : "has no graph that could be run";
  byId("intake-fault").textContent =
    `${name} ${what}, so it cannot be calibrated on ${files.map((file) => file.name).join(", ")}: export the model to ONNX, or go on without texts.`;
}

function choiceNow(): Choice | undefined {
  const choice = form.choice;
  opened?.table.choose(form.isPromise ? "quality" : "size");
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
  if (isPromise(choice.size) && opened.size !== JSON.stringify(choice.size)) {
    byId("bytes-after").textContent = "…";
    byId("outcome-note").textContent = "Its layers are being looked at, to tell how small it gets.";
  }
  predictor.ask(choice);
  void startBackground(choice);
}

function showCommand(choice: Choice): void {
  const texts = calibration.texts;
  byId("command").textContent = commandFor(opened!.summary, choice, opened!.predicted, texts);
  const save = texts?.pasted ? `Save what is pasted as ${pastedName}. ` : "";
  byId("command-note").textContent = texts
    ? `${save}The command needs two more packages: npm install onnxruntime-web @huggingface/tokenizers`
    : "";
}

function showPrediction(choice: Choice, prediction: Prediction): void {
  if (!opened) return;
  opened.predicted = prediction;
  opened.size = JSON.stringify(choice.size);
  const { bytes } = opened.summary;
  byId("form-fault").textContent = form.fault ?? "";
  byId("bytes-after").textContent = `${isPromise(choice.size) ? "about " : ""}${megabytes(prediction.bytesAfter)}`;
  byId("outcome-note").textContent = foretoldText(choice, prediction, bytes, calibration.texts !== undefined);
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
  const texts = calibration.texts;
  clearFaults();
  stopBackground();
  result.expect();
  running = new AbortController();
  setRunning(true);
  const time = new TimeLeft();
  let told = 0;
  const onProgress = ({ stage, layer, done, total }: ProgressReport) => {
    byId<HTMLProgressElement>("progress").value = done / total;
    const text = progressText(time, done, total);
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
    outcome = await session.call("compress", [choice, texts], { signal: running.signal, onProgress });
  } catch (error) {
    const { code } = error as SessionError;
    if (code === "ABORTED") announce((byId("run-note").textContent = "Cancelled. Nothing was written."));
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
    elsewhere && opened && choice
      ? ` With more memory: ${commandFor(opened.summary, choice, opened.predicted, calibration.texts)}`
      : "";
  byId(place).textContent = `${message}${bug}${command}`;
}

function clearFaults(): void {
  for (const place of ["intake-fault", "form-fault", "run-fault", "run-note"]) byId(place).textContent = "";
}
