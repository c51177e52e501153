// Writes two data files and a main file that names them, as one exchange: node exchange.mjs FOLDER FORCE NAMED [FOLDER OF MAIN].
import { writeAllAtomically } from "../../dist/node.js";

const [folder, force, named, mainFolder = folder] = process.argv.slice(2);
const names = ["data-1", "data-2"];
const write = (text) => (sink) => sink.write(new TextEncoder().encode(text));
const mainText = (nameOf) => `new ${names.map(nameOf).join(" ")}`;
await writeAllAtomically(
  [
    ...names.map((name) => ({ path: `${folder}/${name}`, write: write("new") })),
    {
      path: `${mainFolder}/main`,
      write: write(mainText((name) => name)),
      ...(named === "true" && { writeNaming: (sink, nameOf) => write(mainText(nameOf))(sink) }),
    },
  ],
  { force: force === "true" },
);
