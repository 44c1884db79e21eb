/**
 * A public network with hosts on it, and NATs with a host behind each: named namespaces, and packets of the kernel.
 *
 *     192.0.2.1: this process ──┬── 192.0.2.16  host                          no NAT
 *                               └── 192.0.2.17  router ── 192.168.1.2 host    nftables translates
 *
 * Joined by a bridge, or by a bad line ({@link SegmentOptions.line}). Needs {@link inNamespace}; with NATs, `nft`.
 *
 * @module
 */
import { Child } from "../bench/_child.ts";
import { PUBLIC_ADDRESS } from "../interop/namespace.ts";
import type { LineEnd, LineSettings } from "./line_role.ts";
import { type NatKind, rulesOf } from "./nat_rules.ts";

export interface Site {
  /** Of the namespace in which its programs run: at most 8 characters. */
  readonly name: string;
  /** Absent: on the public network itself. */
  readonly nat?: NatKind;
}

export interface SegmentOptions {
  /** Packets pass a process that delays and loses them, instead of a bridge. */
  readonly line?: LineSettings;
}

/** A site's end on the public network. */
interface Outside {
  readonly namespace: string;
  readonly device: string;
  readonly address: string;
}

const FIRST_HOST = 16;
/** Every site is in there. */
const SITES = `192.0.2.${FIRST_HOST}/28`;
const NETWORK = "192.0.2.0/24";
const INSIDE = "192.168.1";

export class Segment implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #line: Child | undefined;

  readonly #outside: readonly Outside[];

  private constructor(
    stack: AsyncDisposableStack,
    line: Child | undefined,
    outside: readonly Outside[],
  ) {
    this.#stack = stack;
    this.#line = line;
    this.#outside = outside;
  }

  static async open(sites: readonly Site[], { line: settings }: SegmentOptions = {}): Promise<Segment> {
    await using stack = new AsyncDisposableStack();
    const outside: readonly Outside[] = sites.map(({ name, nat }, index) => ({
      namespace: nat === undefined ? name : routerOf(name),
      device: `wan-${name}`,
      address: addressOf(index),
    }));
    for (const { namespace } of outside) await addNamespace(stack, namespace);
    let line: Child | undefined;
    if (settings === undefined) {
      await run("ip", "route", "replace", NETWORK, "dev", "sky0", "src", PUBLIC_ADDRESS);
      for (const { namespace, device } of outside) {
        await run("ip", "link", "add", `${device}-b`, "type", "veth", "peer", "name", device);
        // Both ends, at once: with its namespace it would go some time later.
        stack.defer(async () => void await run("ip", "link", "del", `${device}-b`));
        await run("ip", "link", "set", `${device}-b`, "master", "sky0", "up");
        await run("ip", "link", "set", device, "netns", namespace);
      }
    } else {
      const own: LineEnd = { name: "wan-own", address: PUBLIC_ADDRESS };
      const ends = [own, ...outside.map(({ device, address }) => ({ name: device, address }))];
      line = stack.use(new Child(new URL("./line_role.ts", import.meta.url).href, [JSON.stringify(ends)]));
      await line.ask("use", settings);
      await run("ip", "link", "set", own.name, "up", "txqueuelen", "5000");
      await run("ip", "route", "replace", NETWORK, "dev", own.name, "src", PUBLIC_ADDRESS);
      for (const { namespace, device } of outside) {
        await run("ip", "link", "set", device, "netns", namespace, "txqueuelen", "5000");
      }
    }
    for (const { namespace, device, address } of outside) {
      await ip(namespace, "addr", "add", `${address}/24`, "dev", device);
      await ip(namespace, "link", "set", device, "up");
      // Sites meet over UDP alone, as visors do that are behind NATs.
      await ip(namespace, "rule", "add", "to", SITES, "ipproto", "tcp", "prohibit");
    }
    for (const { name, nat } of sites) if (nat !== undefined) await addInside(stack, name, nat);
    return new Segment(stack.move(), line, outside);
  }

  /** What the line does from now on. */
  async use(settings: LineSettings): Promise<void> {
    await this.#line!.ask("use", settings);
  }

  /** `tc netem` on every public device, towards the public network. */
  async netem(...what: string[]): Promise<void> {
    for (const { namespace, device } of this.#outside) {
      await run("tc", "-n", namespace, "qdisc", "add", "dev", device, "root", "netem", ...what);
    }
  }

  /** UDP bytes that a NAT passed in from hosts other than {@link PUBLIC_ADDRESS}. */
  async translatedBytes(name: string): Promise<number> {
    const text = await run(
      "ip",
      "netns",
      "exec",
      routerOf(name),
      "nft",
      "list",
      "counter",
      "ip",
      "sky",
      "met",
    );
    return Number(/bytes (\d+)/.exec(text)![1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** The address by which others see site number `index`. */
export function addressOf(index: number): string {
  return `192.0.2.${FIRST_HOST + index}`;
}

/** Why the kernel's `tc netem` cannot be had here; undefined where it can. */
export async function whyNoNetem(): Promise<string | undefined> {
  try {
    await run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms");
  } catch (error) {
    return (error as Error).message;
  }
  await run("tc", "qdisc", "del", "dev", "lo", "root");
}

async function addNamespace(stack: AsyncDisposableStack, name: string): Promise<void> {
  await run("ip", "netns", "add", name);
  stack.defer(async () => void await run("ip", "netns", "del", name));
  await ip(name, "link", "set", "lo", "up");
}

/** The host behind a router, and what the router does. */
async function addInside(stack: AsyncDisposableStack, name: string, kind: NatKind): Promise<void> {
  const router = routerOf(name);
  await addNamespace(stack, name);
  await ip(router, "link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns", name);
  await ip(router, "addr", "add", `${INSIDE}.1/24`, "dev", "lan");
  await ip(router, "link", "set", "lan", "up");
  await ip(name, "addr", "add", `${INSIDE}.2/24`, "dev", "eth0");
  await ip(name, "link", "set", "eth0", "up");
  await ip(name, "route", "add", "default", "via", `${INSIDE}.1`);
  await run("ip", "netns", "exec", router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
  const rules = rulesOf(kind, { outside: `wan-${name}`, inside: `${INSIDE}.2`, known: PUBLIC_ADDRESS });
  await run("ip", "netns", "exec", router, "nft", rules);
}

const routerOf = (name: string) => `nat-${name}`;

async function ip(namespace: string, ...args: string[]): Promise<string> {
  return await run("ip", "-n", namespace, ...args);
}

/** What a command prints. Errors: it failed, or there is no such command. */
export async function run(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${decoder.decode(stderr).trim()}`);
  return decoder.decode(stdout);
}
