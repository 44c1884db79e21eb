/**
 * The nouns of `skyctl`, in the order of the help, and the tree that is built from them.
 *
 * A noun is loaded when the command line names it; `skyctl --help` loads none. To add one: a folder with a
 * `mod.ts` that exports the noun, one file per verb beside it, and a line in {@link NOUNS}.
 *
 * @module
 */
import {
  type AnyCommand,
  Command,
  EXIT_CODES_HELP,
  finished,
  inheritSettings,
  type Io,
} from "../lib/cli/mod.ts";

/** One noun: its line in the help, and how its verbs are loaded. */
interface Noun {
  readonly name: string;
  readonly summary: string;
  readonly load: (io: Io) => Promise<AnyCommand>;
}

const NOUNS: readonly Noun[] = [
  {
    name: "visor",
    summary: "Run a visor, see how it is, ping others, stop it",
    load: async (io) => (await import("./visor/mod.ts")).visorNoun(io),
  },
  {
    name: "tp",
    summary: "Transports: list, make, close, ids, addresses of routes, what the discovery knows",
    load: async (io) => (await import("./tp/mod.ts")).tpNoun(io),
  },
  {
    name: "route",
    summary: "Routes: rules, groups, and the paths that there are",
    load: async (io) => (await import("./route/mod.ts")).routeNoun(io),
  },
  {
    name: "app",
    summary: "Start and stop the apps of a visor",
    load: async (io) => (await import("./app/mod.ts")).appNoun(io),
  },
  {
    name: "proxy",
    summary: "Reach the web through another visor, by SOCKS",
    load: async (io) => (await import("./proxy/mod.ts")).proxyNoun(io),
  },
  {
    name: "log",
    summary: "What visors and services say while they run",
    load: async (io) => (await import("./log/mod.ts")).logNoun(io),
  },
  {
    name: "dmsg",
    summary: "Sessions, servers, entries, pings and HTTP over dmsg; run a dmsg server",
    load: async (io) => (await import("./dmsg/mod.ts")).dmsgNoun(io),
  },
  {
    name: "conf",
    summary: "Configurations: make, show, check and set a visor's; bring a deployment's up to date",
    load: async (io) => (await import("./conf/mod.ts")).confNoun(io),
  },
  {
    name: "svc",
    summary: "Run services of a deployment, see how they are",
    load: async (io) => (await import("./svc/mod.ts")).svcNoun(io),
  },
  {
    name: "rewards",
    summary: "Which visors were up for long enough to be paid",
    load: async (io) => (await import("./rewards/mod.ts")).rewardsNoun(io),
  },
  {
    name: "sim",
    summary: "Rehearse what may happen to a fleet, in virtual time",
    load: async (io) => (await import("./sim/mod.ts")).simNoun(io),
  },
  {
    name: "keys",
    summary: "Make and read key pairs",
    load: async (io) => (await import("./keys/mod.ts")).keysNoun(io),
  },
];

/** Needs the whole tree, so it is no noun of the list. */
const COMPLETION = { name: "completion", summary: "Print the completion script of a shell" };

/**
 * The tree for one command line: the noun that `argv` names has its verbs, the others only their line.
 * `argv` is what follows the program's name. Throws commander's errors; exits nowhere.
 */
export async function buildTree(
  { argv, io, version }: { readonly argv: readonly string[]; readonly io: Io; readonly version: string },
): Promise<AnyCommand> {
  // There `--version` is Skywire's: the version that the file names.
  const isOfConfig =
    argv.filter((argument) => !argument.startsWith("-")).slice(0, 2).join(" ") === "conf gen";
  const root = finished(
    new Command("skyctl")
      .description("Run and operate a Skywire network: visors, dmsg servers, deployment services.")
      .version(version, isOfConfig ? "-V" : "-V, --version", "print the version")
      .option("--json", "print results as JSON")
      .helpOption("-h, --help", "print this help")
      .helpCommand(false)
      .showSuggestionAfterError()
      .configureHelp({ showGlobalOptions: true })
      .configureOutput({ outputError: () => {} }) // whoever catches the error prints it
      .exitOverride()
      .addHelpText("afterAll", EXIT_CODES_HELP),
  );
  const asked = argv.find((argument) => !argument.startsWith("-"));
  // `complete` is what a completion script calls back.
  const whole = asked === COMPLETION.name || asked === "complete";
  for (const { name, summary, load } of NOUNS) {
    if (whole || asked === name) root.addCommand(await load(io));
    else root.command(name).description(summary);
  }
  inheritSettings(root);
  if (whole) (await import("./completion.ts")).addCompletion(root, COMPLETION.name);
  else root.command(COMPLETION.name).description(COMPLETION.summary);
  refuseHelpOfUnknown(root, argv);
  return root;
}

/** Commander would answer `--help` behind a mistyped command with the help of what is above it, as if all were well. */
function refuseHelpOfUnknown(root: AnyCommand, argv: readonly string[]): void {
  let command = root;
  for (const word of argv) {
    if (["--", "-h", "--help"].includes(word) || command.commands.length === 0) return;
    if (word.startsWith("-")) continue;
    const next = command.commands.find((each) => each.name() === word);
    if (next === undefined) return void command.helpOption(false); // "unknown command" comes before unknown options
    command = next;
  }
}
