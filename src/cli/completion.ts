// Completion scripts for shells, made of the tables of commands and options themselves, so that none can be out of date.
import type { Command, Option } from "commander";
import { print } from "./output.js";
import { choiceOf, type ChoiceParser } from "./values.js";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

export function addCompletion(program: Command): void {
  program
    .command("completion")
    .argument(
      "<shell>",
      shells.join(", "),
      choiceOf(shells, (text) => text.toLowerCase()),
    )
    .description("a script that completes commands and options in bash, zsh or fish")
    .addHelpText(
      "after",
      `
Where it goes:
  bash   loewner completion bash >> ~/.bashrc
  zsh    loewner completion zsh > "\${fpath[1]}/_loewner"
  fish   loewner completion fish > ~/.config/fish/completions/loewner.fish`,
    )
    .action((shell: Shell) => print(scripts[shell](commandsOf(program))));
}

/** What a shell has to know of an option. */
interface CompletedOption {
  /** "--quality", "-o". */
  readonly flags: readonly string[];
  readonly description: string;
  /** Whether something follows it. */
  readonly takesValue: boolean;
  /** What may follow it; undefined: anything, such as a file. */
  readonly choices?: readonly string[];
}

interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** What may stand without an option; undefined: files. */
  readonly words?: readonly string[];
}

function commandsOf(program: Command): CompletedCommand[] {
  const own = program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: [...command.options.filter(({ hidden }) => !hidden).map(optionOf), help],
    ...(command.name() === "completion" && { words: shells }),
  }));
  const names = own.map(({ name }) => name);
  return [...own, { name: "help", description: "the options of a command", options: [], words: names }];
}

const help: CompletedOption = { flags: ["--help", "-h"], description: "list the options", takesValue: false };

/** Of the program, in place of a command. */
const ownOptions = [
  { flag: "--help", description: "list the commands" },
  { flag: "--version", description: "print the version" },
];

function optionOf({ long, short, description, required, optional, parseArg }: Option): CompletedOption {
  const { choices } = (parseArg ?? {}) as Partial<ChoiceParser>;
  const flags = [long, short].filter((flag) => flag !== undefined && flag !== null);
  return { flags, description, takesValue: required || optional, ...(choices && { choices }) };
}

const scripts: Record<Shell, (commands: readonly CompletedCommand[]) => string[]> = {
  bash: (commands) => [
    "# Completion of loewner in bash.",
    "_loewner() {",
    '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"',
    "  COMPREPLY=()",
    // "--quality=high" is three words there.
    '  if [ "$word" = "=" ]; then word=""; elif [ "$before" = "=" ]; then before="${COMP_WORDS[COMP_CWORD-2]}"; fi',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W "${[...commands.map(({ name }) => name), ...ownOptions.map(({ flag }) => flag)].join(" ")}" -- "$word"))`,
    "    return",
    "  fi",
    '  case "$command $before" in',
    ...commands.flatMap(({ name, options }) =>
      options
        .filter(({ choices }) => choices)
        .map(
          ({ flags, choices = [] }) =>
            `    ${flags.map((flag) => `"${name} ${flag}"`).join("|")}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$word")); return ;;`,
        ),
    ),
    "  esac",
    '  case "$command" in',
    ...commands.map(({ name, options, words }) => {
      const flags = options.map(({ flags: [flag] }) => flag);
      const ofWords = words ? `COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$word")); ` : "";
      return `    ${name}) if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W "${flags.join(" ")}" -- "$word")); else ${ofWords || ":; "}fi ;;`;
    }),
    "  esac",
    "}",
    // Where nothing is known, files.
    "complete -o default -F _loewner loewner",
  ],
  zsh: (commands) => [
    "#compdef loewner",
    "_loewner() {",
    "  if (( CURRENT == 2 )); then",
    "    local -a commands=(",
    ...commands.map(({ name, description }) => `      ${quoted(`${name}:${description.replaceAll(":", "\\:")}`)}`),
    "    )",
    `    local -a own=(${ownOptions.map(({ flag, description }) => quoted(`${flag}:${description}`)).join(" ")})`,
    '    if [[ "$PREFIX" == -* ]]; then _describe option own; else _describe command commands; fi',
    "    return",
    "  fi",
    "  local command=$words[2]",
    "  shift words; (( CURRENT-- ))",
    "  case $command in",
    ...commands.flatMap(({ name, options, words }) => [
      `    ${name}) _arguments -s \\`,
      ...options.map((option) => `      ${quoted(zshOption(option))} \\`),
      `      ${quoted(words ? `*:word:(${words.join(" ")})` : "*:file:_files")} ;;`,
    ]),
    "  esac",
    "}",
    'if [ "$funcstack[1]" = "_loewner" ]; then _loewner "$@"; else compdef _loewner loewner; fi',
  ],
  fish: (commands) => [
    "# Completion of loewner in fish.",
    ...ownOptions.map(
      ({ flag, description }) =>
        `complete -c loewner -n __fish_use_subcommand -l ${flag.slice(2)} -d ${quotedForFish(description)}`,
    ),
    ...commands.map(
      ({ name, description }) =>
        `complete -c loewner -n __fish_use_subcommand -f -a ${name} -d ${quotedForFish(description)}`,
    ),
    ...commands.flatMap(({ name, options, words }) => [
      ...(words
        ? [`complete -c loewner -n "__fish_seen_subcommand_from ${name}" -f -a ${quotedForFish(words.join(" "))}`]
        : []),
      ...options.map((option) => `complete -c loewner -n "__fish_seen_subcommand_from ${name}" ${fishOption(option)}`),
    ]),
  ],
};

function zshOption({ flags: [flag], description, takesValue, choices }: CompletedOption): string {
  const text = description.replace(/[[\]:\\]/g, "\\$&");
  const value = !takesValue ? "" : choices ? `:value:(${choices.join(" ")})` : ":value:_files";
  // "=" takes the value as the next word too.
  return `*${flag}${takesValue ? "=" : ""}[${text}]${value}`;
}

function fishOption({ flags, description, takesValue, choices }: CompletedOption): string {
  const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const value = !takesValue ? "" : choices ? ` -x -a ${quotedForFish(choices.join(" "))}` : " -r";
  return `${names.join(" ")}${value} -d ${quotedForFish(description)}`;
}

/** For bash and zsh. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const quotedForFish = (text: string) => `'${text.replace(/['\\]/g, "\\$&")}'`;
