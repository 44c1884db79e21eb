/** `skyctl conf gen`: a new configuration of a visor. @module */
import {
  type AnyCommand,
  Command,
  durationOption,
  examples,
  finished,
  homeOption,
  type Io,
  Option,
} from "../../lib/cli/mod.ts";
import { postQuantumOption } from "../post_quantum_option.ts";

/** Flags, as Skywire names them, that are settings of a SKYENV file too. */
const SETTINGS: readonly (readonly [flags: string, about: string])[] = [
  ["-p, --pkg", "paths of a package: /opt/skywire and its like; the file is its skywire.json"],
  ["-u, --user", "paths of a user; the file is ~/skywire-config.json"],
  ["-o, --out <file>", "the file (default: visor.json in the home)"],
  ["-a, --url <url>", "configuration service: http://host:port or dmsg://key (default: the network's)"],
  ["-S, --svcconf <file>", "a deployment file in place of the configuration service"],
  ["-D, --dmsgconf <file>", "the same of 2024, with the services over dmsg"],
  ["--nofetch", "the embedded deployment, without asking"],
  ["-b, --bestproto", "taken, and without effect: services are named both ways"],
  ["-t, --testenv", "the test deployment"],
  ["-d, --dmsghttp", "services over dmsg alone, where they are there (default: over dmsg, then HTTP)"],
  ["--http", "services over plain HTTP alone, where they are there"],
  ["--dual", "services over dmsg, then HTTP: the default"],
  ["--minsess <number>", "dmsg sessions (default: 2)"],
  ["-s, --sk <key>", "the secret key (default: a new one)"],
  ["--version <version>", "the version that the configuration names (default: that of this format)"],
  ["--loglvl <level>", "lines of the log: debug, info, warn, error"],
  ["-z, --public", "the visor offers itself to all"],
  ["-y, --autoconn", "no transports to public visors by itself"],
  ["-l, --publicip", "addresses are shown in the service discovery"],
  ["--stcpr <port>", "port of stcpr (default: any)"],
  ["--sudph <port>", "port of sudph (default: any)"],
  ["-j, --hvpks <keys>", "who may manage the visor, with commas between"],
  ["--survey <keys>", "more keys that may read log and survey"],
  ["--routesetup <keys>", "more setup nodes"],
  ["--tpsetup <keys>", "more keys that may make the visor add transports"],
  ["--dmsgpty <keys>", "who may use Skywire's remote shell"],
  ["--binpath <folder>", "folder of apps of Skywire"],
  ["-g, --disableapps <names>", "apps that do not start by themselves"],
  ["--proxyclientpk <key>", "the server of the SOCKS proxy"],
  ["--startproxyclient", "the SOCKS proxy starts with the visor"],
  ["--proxyclientpass <passcode>", "passcode for the server of the SOCKS proxy"],
  ["--proxyserver", "the visor is a server of SOCKS proxies"],
  ["--noproxyserver", "it is none (default)"],
  ["--proxyserverpass <passcode>", "passcode for the visor's server of SOCKS proxies"],
  ["-i, --ishv", "of Skywire's visor: the user interface of a hypervisor, with keys for its cookies"],
  ["-e, --auth", "its users must log in"],
  ["-c, --noauth", "they need not (default)"],
  ["-v, --servevpn", "of Skywire's visor: its VPN server starts with it"],
  ["--vpnserverpass <passcode>", "passcode for the VPN server"],
  ["--secure <true|false>", "whether the VPN server keeps its clients from its own network"],
  ["--netifc <interface>", "network interface of the VPN server"],
  ["--addvpn <key>", "of Skywire's visor: the server of its VPN client"],
  ["--vpnpass <passcode>", "passcode for the server of the VPN client"],
  ["--killsw <true|false>", "whether nothing passes while the VPN client is not connected"],
  ["-m, --example-apps", "Skywire's example app"],
  ["--dmsgweb", "the resolving proxy for .dmsg"],
  ["--skynetweb", "the resolving proxy for .skynet"],
  ["--calculate-routes", "routes are computed by the visor itself"],
  ["--muxroutes <number>", "routes of a multiplexed connection"],
];

/** Flags that say the opposite of another one. */
const EXCLUDED: Readonly<Record<string, string[]>> = {
  dmsghttp: ["http", "dual"],
  http: ["dual"],
  auth: ["noauth"],
  proxyserver: ["noproxyserver"],
  pkg: ["user"],
};

/** The verb. */
export function genCommand(io: Io): AnyCommand {
  const command = new Command("gen")
    .description(
      "Make a visor's configuration in Skywire's own format. Flags beat the environment, and that beats the file that " +
        "$SKYENV names. Services are those that the configuration service tells, else the embedded ones; with -r those " +
        "of the file's own network.",
    )
    .option(
      "-r, --regen",
      "keep the keys of the file that is there, own lists and unknown fields; the rest anew",
    )
    .option("-x, --retainhv", "with --regen: keep the hypervisors")
    .option("-f, --force", "drop the file that is there, keys and all")
    .option("-n, --stdout", "print the configuration, secret key and all, and write nothing")
    .option("-N, --squash", "without blanks and line breaks")
    .option("-q, --envs", "print a SKYENV file with every variable, and do nothing else")
    .option("--all", "print this help")
    .option("-w, --hide", "print nothing but errors")
    .option("--nodefaults", "never the embedded deployment: without the services of another source it fails")
    .option(
      "--sn",
      "a configuration of a route setup node, for Skywire's svc sn (default: setup-node.json in the home)",
    )
    .option("--dry-run", "say what would be made, and write nothing")
    .addOption(new Option("-k, --os <system>", "paths of this system").choices(["linux", "mac", "win"]))
    .addOption(
      new Option("--timeout <duration>", "for asking the configuration service").argParser(durationOption)
        .default(15_000, "15s"),
    )
    .addOption(homeOption())
    .addOption(postQuantumOption());
  for (const [flags, about] of SETTINGS) {
    const option = new Option(flags, about);
    command.addOption(option.conflicts(EXCLUDED[option.attributeName()] ?? []));
  }
  return finished(
    command
      .addHelpText(
        "after",
        examples(
          ["A configuration for this home, from the configuration service", "skyctl conf gen"],
          ["Look at one, without asking anybody", "skyctl conf gen --nofetch --stdout"],
          ["Bring the file up to date, and keep its keys", "skyctl conf gen -r"],
          [
            "For a hypervisor with a VPN server",
            "skyctl conf gen -i -e -v --vpnserverpass WORD -o skywire-config.json",
          ],
          ["As a package does it", "SKYENV=/etc/skywire.conf skyctl conf gen -p -r"],
        ),
      )
      .action(async ({ all, ...options }, command) => {
        if (all === true) return command.outputHelp();
        const { gen } = await import("./_gen.ts");
        await gen(io, options);
      }),
  );
}
