/** Options that every service with the common modes has. Loads no protocol: help shows them. @module */
import {
  Command,
  durationOption,
  InvalidArgumentError,
  Option,
  repeated,
  wholeNumberOption,
} from "../../lib/cli/mod.ts";
import { postQuantumOption } from "../post_quantum_option.ts";

/** A command of a service that keeps `entry`: the options of {@link hostedCommand}, and those of what it keeps. */
export function serviceCommand(
  name: string,
  { description, addr, entry }: {
    readonly description: string;
    readonly addr: string;
    readonly entry: string;
  },
) {
  const { store, redis, redisPoolSize } = storeOptions();
  return hostedCommand(name, { description, addr })
    .addOption(store)
    .addOption(redis)
    .addOption(redisPoolSize)
    .option(
      "--whitelist-keys <pk>",
      "a network monitor that may deregister others; may be repeated",
      repeated,
    )
    .addOption(
      new Option("--entry-timeout <duration>", `life of ${entry}; 0 is for ever`)
        .argParser(durationOption)
        .default(5 * 60_000, "5m"),
    );
}

/** A command with the options of every service; `addr` is where it listens by default. */
export function hostedCommand(
  name: string,
  { description, addr }: { readonly description: string; readonly addr: string },
) {
  const { keyfile, sk } = keyOptions();
  return new Command(name)
    .description(description)
    .option("-a, --addr <address>", "host:port of HTTP", addr)
    .addOption(
      modeOption(
        "HTTP, dmsg port 80, or both (default: dual with a key, else http; $SKYWIRE_SVC_MODE beats it)",
      ),
    )
    .addOption(keyfile)
    .addOption(sk)
    .addOption(networkOption())
    .addOption(metricsOption())
    .addOption(postQuantumOption())
    .addOption(logLevelOption());
}

/** On which ways a service is served, in any of the words that services of the network take (services.md 13.1). */
export function modeOption(description: string) {
  return new Option("--mode <mode>", description).choices(["http", "dmsg", "dual"]).argParser(mode);
}

function mode(text: string): "http" | "dmsg" | "dual" {
  switch (text.trim().toLowerCase()) {
    case "http":
      return "http";
    case "dmsg":
    case "dmsghttp":
      return "dmsg";
    case "dual":
    case "both":
      return "dual";
    default:
      throw new InvalidArgumentError("Allowed choices are http, dmsg, dual.");
  }
}

/** Where figures are asked for. */
export function metricsOption() {
  return new Option("--metrics <address>", "host:port of /metrics for Prometheus (default: nowhere)");
}

/** Where a service keeps what it knows. */
export function storeOptions() {
  const store = new Option("--store <store>", "memory, or the path of a SQLite file").default("memory");
  const redis = new Option(
    "--redis <url>",
    "redis://[:password@]host[:port][/number][?prefix=name], for several instances on one",
  )
    .conflicts("store");
  const redisPoolSize = new Option("--redis-pool-size <n>", "connections to it at most")
    .argParser(wholeNumberOption({ min: 1, max: 1_024 }))
    .default(10);
  return { store, redis, redisPoolSize };
}

/** Where a caller is, is said by a proxy in front, unless there is none. */
export function proxyHeadersOption() {
  return new Option("--no-proxy-headers", "do not take a caller's address from X-Real-IP and its like");
}

/** Who knows where addresses are. */
export function geoipOption() {
  return new Option(
    "--geoip <url>",
    "ask it where public addresses are: http://HOST (default: nobody is asked)",
  );
}

/** The two ways to give a service its key. */
export function keyOptions() {
  const keyfile = new Option("--keyfile <file>", "secret key of the service; made when the file is missing");
  const sk = new Option("--sk <key>", "the secret key itself, which others on this machine can see then")
    .conflicts("keyfile");
  return { keyfile, sk };
}

/** Whose dmsg servers a service connects to. */
export function networkOption() {
  return new Option(
    "--deployment <file>",
    "whose dmsg servers it connects to (default: the embedded production deployment)",
  );
}

/** Lines of the log on stderr. */
export function logLevelOption() {
  return new Option("--log-level <level>", "lines of the log").choices(["debug", "info", "warn", "error"])
    .default("info" as const);
}
