// A model in a .safetensors file becomes a smaller one. Bun's files are Blobs: they are read by ranges, as in a page.
//
//   bun bun.ts model.safetensors small.safetensors [keep]
import { createLoewner } from "loewner";
import { blobSource, openSafetensors } from "loewner/formats";
import { compressModel, safetensorsModel } from "loewner/model";

const [input, output, keep = "0.5"] = Bun.argv.slice(2);
const model = safetensorsModel(await openSafetensors(blobSource(Bun.file(input), input)));
const loewner = await createLoewner({ threads: "auto" });
const { files, layers, skipped, bytesBefore, bytesAfter } = await compressModel(loewner, model, {
  keep: Number(keep),
  p: 1,
});
loewner.dispose();

const writer = Bun.file(output).writer();
await files[0].write({ write: async (bytes) => void writer.write(bytes.slice()) });
await writer.end();
for (const { name, rank, explain } of layers) console.log(`${name}: rank ${rank}; ${explain}`);
for (const { name, reason } of skipped) console.log(`${name}: as it was; ${reason}`);
console.log(`${bytesBefore} bytes before, ${bytesAfter} after`);
