/**
 * A network namespace for the whole task: an address there that passes for public, and no way out.
 *
 * The task starts itself anew inside one, so that nothing is left when its last program ends.
 *
 * @module
 */
import type { Lab } from "./lab.ts";

/** TEST-NET-1: of nobody, and taken for public by programs that refuse loopback and private addresses. */
export const PUBLIC_ADDRESS = "192.0.2.1";

/** Set for the task inside. */
const INSIDE = "SKYCTL_INTEROP_NAMESPACE";
/**
 * A default route in name only: programs find by it which interface has the public address, and every destination
 * beyond this machine is refused at once by the two routes that are narrower.
 */
const ROUTES = "ip route add default via 192.0.2.2 dev sky0 onlink && " +
  "ip route add unreachable 0.0.0.0/1 && ip route add unreachable 128.0.0.0/1";
/** A folder of its own for named namespaces, too: they are nobody else's, and gone with the last program. */
const SET_UP = "mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && ip link set lo up && " +
  `ip link add sky0 type bridge && ip addr add ${PUBLIC_ADDRESS}/32 dev sky0 && ip link set sky0 up && ${ROUTES}`;

/** Whether this process runs in a namespace of its own, where {@link PUBLIC_ADDRESS} is one of its addresses. */
export function inNamespace(): boolean {
  return Deno.env.get(INSIDE) === "1";
}

/** Whether one can be made here: Linux, root, `unshare` and `ip`. */
export async function canMakeNamespace(): Promise<boolean> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  try {
    const { success } = await new Deno.Command("unshare", {
      args: ["--net", "--mount", "sh", "-c", SET_UP],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Gives host names of loopback to every program in this process's namespace, in place of its hosts file. */
export async function nameHosts(lab: Lab, names: readonly string[]): Promise<void> {
  const file = lab.path("hosts");
  await Deno.writeTextFile(file, `127.0.0.1 localhost ${names.join(" ")}\n`, { mode: 0o644 });
  const { code, stderr } = await lab.run("mount", "mount", ["--bind", file, "/etc/hosts"]);
  if (code !== 0) throw new Error(`mount failed: ${stderr.slice(-300)}`);
}

/** What a program prints inside a new namespace; it ends with its standard input. Errors: it failed. */
export async function outputInNamespace(command: string, args: readonly string[]): Promise<string> {
  const child = new Deno.Command("unshare", {
    ...within(command, args),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const { success, stdout } = await child.output();
  if (!success) throw new Error(`${command} failed inside a namespace`);
  return new TextDecoder().decode(stdout);
}

/** Runs a program inside a new namespace. Signals that this process gets are passed on. Gives its exit code. */
export async function runInNamespace(
  command: string,
  args: readonly string[],
  signals: readonly Deno.Signal[],
): Promise<number> {
  const child = new Deno.Command("unshare", {
    ...within(command, args),
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const passOn = signals.map((signal) => {
    const listener = () => child.kill(signal);
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  try {
    return (await child.status).code;
  } finally {
    for (const undo of passOn) undo();
  }
}

function within(command: string, args: readonly string[]) {
  return {
    args: ["--net", "--mount", "sh", "-c", `${SET_UP} && exec "$@"`, "sh", command, ...args],
    env: { [INSIDE]: "1" },
  };
}
