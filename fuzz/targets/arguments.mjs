// Words of the command line: a command with its options, or a usage error. Nothing is run; commands.mjs does that.
import fc from "fast-check";
import { sampler } from "../sampler.mjs";
import { Mismatch } from "../verdict.mjs";
import { argumentLists, commandLine, isUsageError } from "./command-line.mjs";
import { textOf, utf8 } from "./seeds.mjs";

export async function open() {
  let printed = "";
  const program = await commandLine((text) => (printed += text));
  let taken;
  for (const command of program.commands) {
    command.action((...args) => {
      taken = { name: command.name(), operands: args.slice(0, -2), options: args.at(-2) };
    });
  }
  const sample = sampler(fc.tuple(argumentLists(program)).map(([list]) => JSON.stringify(list)));
  return {
    main: "arguments.json",
    input: (seed, index) => ({ "arguments.json": utf8(sample(seed, index)) }),
    allows: isUsageError,
    async run(input) {
      printed = "";
      taken = undefined;
      const list = JSON.parse(textOf(input["arguments.json"]));
      try {
        await program.parseAsync(list, { from: "user" });
      } catch (error) {
        if (isUsageError(error) && printed === "") throw new Mismatch(`nothing was said of ${error.code}`);
        throw error;
      }
      if (!taken) throw new Mismatch("neither a command nor an error");
      for (const [key, value] of Object.entries(taken.options)) {
        if (typeof value === "number" && Number.isNaN(value)) throw new Mismatch(`--${key} is NaN`);
      }
      return taken.name;
    },
  };
}
