// A model is chosen, its tables are halved in threads of the page, and a link to the smaller model appears.
import { createLoewner } from "loewner";
import { blobSource, memorySink, openOnnx } from "loewner/formats";
import { compressModel, onnxModel } from "loewner/model";

const [input, output] = ["input", "output"].map((name) => document.querySelector(name));
const loewner = await createLoewner({ threads: "auto" });
const onProgress = ({ layer, stage }) => (output.textContent = `${layer}: ${stage}`);
input.onchange = async () => {
  try {
    const [file] = input.files;
    const model = await onnxModel(await openOnnx(blobSource(file))); // read by ranges, never whole
    const { files } = await compressModel(loewner, model, { keep: 0.5, p: 1, mainName: file.name, onProgress });
    const sink = memorySink();
    await files.at(-1).write(sink); // the main file; there are others above 2 GB alone
    const link = Object.assign(document.createElement("a"), { download: `small-${file.name}` });
    link.href = URL.createObjectURL(new Blob([sink.bytes()]));
    link.textContent = `${file.size} bytes before, ${sink.bytes().length} after`;
    output.replaceChildren(link);
  } catch (error) {
    output.textContent = error.message;
  }
};
