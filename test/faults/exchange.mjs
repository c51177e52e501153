// Writes two data files and a main file that names them, as one: node exchange.mjs FOLDER FORCE [FOLDER OF MAIN].
import { writeAllAtomically } from "../../dist/node.js";

const [folder, force, mainFolder = folder] = process.argv.slice(2);
const file = (path, text) => ({ path, write: (sink) => sink.write(new TextEncoder().encode(text)) });
await writeAllAtomically(
  [
    ...["data-1", "data-2"].map((name) => file(`${folder}/${name}`, "new")),
    file(`${mainFolder}/main`, "new data-1 data-2"),
  ],
  { force: force === "true" },
);
