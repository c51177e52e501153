// One of two processes that want the same journals at the same moment: node claim.mjs FOLDER ROUNDS NAME OTHER. Prints what it got.
import { existsSync, writeFileSync } from "node:fs";
import { openJournal } from "../../dist/node.js";

const [folder, rounds, name, other] = process.argv.slice(2);

/** Both go on at once, as soon as both are here. */
function meet(place) {
  writeFileSync(`${folder}/${place}.${name}`, "");
  while (!existsSync(`${folder}/${place}.${other}`));
}

const got = [];
for (let round = 0; round < Number(rounds); ++round) {
  meet(`${round}-begin`);
  try {
    openJournal(`${folder}/${round}`, { version: "1", resume: true });
    got.push("owner");
  } catch (error) {
    got.push(error.message);
  }
  meet(`${round}-end`); // until then the owner runs
}
process.stdout.write(JSON.stringify(got));
process.exit(); // journals are open still
