/** What `skyctl visor doctor` does and shows. @module */
import { describeError, shellWord, TimedOutError, WorldError } from "../../lib/base/mod.ts";
import { WarningsError } from "../../lib/cli/failure.ts";
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import { ControlClient, NoVisorError, type VisorFinding } from "../../lib/control/mod.ts";
import { parseVisorConfig } from "../../lib/visor/mod.ts";
import { examineHome, examineStopped, type Finding, inOrder } from "../../lib/visor/doctor/mod.ts";
import { FileNotFoundError, renderSocketAddress, withTimeout } from "../../lib/runtime/mod.ts";
import { CONTROL_ADDRESS_DEFAULT } from "../../lib/visor/config/mod.ts";
import { chosenNetwork, type NetworkOptions } from "../_look_up.ts";
import { withOptions } from "./_next_steps.ts";

/** What is printed with `--json`. */
export interface Examination {
  readonly home: string;
  readonly running: boolean;
  readonly findings: readonly VisorFinding[];
}

/** A visor answers this from memory. */
const STATUS_TIMEOUT_MS = 5_000;

/** A visor has faults that keep it from its work. */
export class VisorUnwellError extends WorldError {
  readonly code = "VISOR_UNWELL";
}

/** Errors: `VisorUnwellError` for errors, `WarningsError` for warnings alone, once they are shown. */
export async function runDoctor(io: Io, options: Pick<NetworkOptions, "home" | "deployment">): Promise<void> {
  const home = homeOf(io, options);
  const examined = await examine(io, home, options.deployment);
  const findings = examined.findings.map((each) =>
    each.next === undefined ? each : { ...each, next: withOptions(each.next, options) }
  );
  const examination = { ...examined, findings };
  io.emit(examination, renderExamination);
  const count = (severity: string) =>
    examination.findings.filter((each) => each.severity === severity).length;
  const [errors, warnings] = [count("error"), count("warning")];
  const text = [plural(errors, "error"), plural(warnings, "warning")].filter((part) => part !== "").join(
    ", ",
  );
  if (errors > 0) throw new VisorUnwellError(`The visor of ${home}: ${text}`);
  if (warnings > 0) throw new WarningsError(`The visor of ${home}: ${text}`);
}

async function examine(io: Io, home: string, deployment: string | undefined): Promise<Examination> {
  const world = await io.world();
  try {
    await using client = await ControlClient.open(home, world);
    const hung = await hungFinding(io, client);
    if (hung === undefined) {
      return { home, running: true, findings: await client.call("doctor", {}, io.signal) };
    }
    const files = await examineHome(world, {
      home,
      configFile: client.control.configFile ?? `${home}/visor.json`,
    });
    return { home, running: true, findings: inOrder([hung, ...files]) };
  } catch (error) {
    if (!(error instanceof NoVisorError)) throw error;
  }
  const runs: Finding = {
    check: "visor",
    severity: "warning",
    text: `No visor runs with home ${home}`,
    cause: "what only a running one knows is left out",
    next: `skyctl visor run --home ${shellWord(home)}`,
  };
  const configFile = `${home}/visor.json`;
  const files = await examineHome(world, { home, configFile });
  let config;
  try {
    const text = await world.files.read(configFile).catch((error) => {
      if (error instanceof FileNotFoundError) return new TextEncoder().encode("{}");
      throw error;
    });
    config = parseVisorConfig(new TextDecoder().decode(text), configFile);
  } catch (error) {
    const unreadable: Finding = {
      check: "files",
      severity: "error",
      text: `The configuration ${configFile} cannot be used`,
      cause: describeError(error),
      next: "put right what is named, or move the file away to have a new one made",
    };
    return { home, running: false, findings: inOrder([runs, unreadable, ...files]) };
  }
  const isAnyPort = renderSocketAddress(config.controlAddress) === CONTROL_ADDRESS_DEFAULT;
  const ports = [
    // A visor gives the default up for any free one.
    ...(isAnyPort ? [] : [{ name: "the control API", address: config.controlAddress }]),
    { name: "stcpr transports", address: { hostname: "0.0.0.0", port: config.node.stcprPort } },
    { name: "sudph transports", address: { hostname: "0.0.0.0", port: config.node.sudphPort }, isUdp: true },
    ...(config.node.stcp === undefined
      ? []
      : [{ name: "stcp transports", address: config.node.stcp.listen }]),
  ];
  const stopped = await examineStopped(world, {
    network: await chosenNetwork(world, { home, deployment }),
    publicKey: config.secretKey?.publicKey,
    ports,
    userAgent: `skyctl/${io.version}`,
  }, io.signal);
  return { home, running: false, findings: inOrder([runs, ...files, ...stopped]) };
}

/** A process that is there and says nothing: stopped, or busy with one thing. Undefined: it answers. */
async function hungFinding(io: Io, client: ControlClient): Promise<Finding | undefined> {
  const { clock } = await io.world();
  const limit = { what: "The visor's answer", afterMs: STATUS_TIMEOUT_MS, signal: io.signal };
  try {
    await withTimeout(clock, limit, (signal) => client.call("dmsgSessions", {}, signal));
    return undefined;
  } catch (error) {
    if (!(error instanceof TimedOutError)) throw error;
  }
  const { pid, publicKey } = client.control;
  const process = pid === undefined ? "its process" : `process ${pid}`;
  return {
    check: "visor",
    severity: "error",
    text: `Visor ${publicKey} runs, and does not answer`,
    cause: `${process} is stopped (Ctrl-Z, a debugger), or busy with one thing for longer than ${
      STATUS_TIMEOUT_MS / 1_000
    } s`,
    next: pid === undefined
      ? "stop it, and start it again"
      : `ps -o pid,stat,time -p ${pid}; kill -CONT ${pid} if its STAT is T`,
  };
}

const SIGNS = { ok: "ok", unknown: "?", warning: "WARNING", error: "ERROR" } as const;

/** A line for each finding; below those that are wrong, why and what to do. */
export function renderExamination({ findings }: Examination): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings.flatMap(({ check, severity, text, cause, next }) => [
    `${SIGNS[severity].padEnd(7)}  ${check.padEnd(width)}  ${text}`,
    ...(cause === undefined ? [] : [`${" ".repeat(width + 11)}because: ${cause}`]),
    ...(next === undefined ? [] : [`${" ".repeat(width + 11)}next: ${next}`]),
  ]).join("\n");
}

function plural(count: number, what: string): string {
  return count === 0 ? "" : `${count} ${what}${count === 1 ? "" : "s"}`;
}
