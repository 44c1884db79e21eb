/** A machine on which a test runs `conf gen`: networks as files, and configuration services as they are needed. @module */
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { serveHttp } from "../../lib/http/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { type Double, withControlDouble } from "./_control_double.ts";

export const HOME = { SKYCTL_HOME: "/home", HOME: "/users/me" };
export const { publicKey, secretKey } = keyPairFromSeed(new TextEncoder().encode("conf gen services"));
export const EMBEDDED = "http://dmsgd.skywire.skycoin.com";
export const [A_CONF, B_CONF, DEAD] = [
  "http://127.0.0.1:7001",
  "http://127.0.0.1:7002",
  "http://127.0.0.1:7009",
];
/** A network of whose services little is known. */
export const A = { dmsg_discovery: "http://127.0.0.1:7101", conf: A_CONF };
/** A network with servers, services and keys. */
export const B = {
  dmsg_discovery: "http://127.0.0.1:7102",
  transport_discovery: "http://127.0.0.1:7202",
  conf: B_CONF,
  stun_servers: ["127.0.0.1:3478"],
  route_setup_nodes: [publicKey],
  transport_setup: [publicKey],
  survey_whitelist: [publicKey],
  dmsg_servers: [{ static: publicKey, server: { address: "127.0.0.1:7302" } }],
  allow_loopback_addresses: true,
};
// deno-lint-ignore no-explicit-any
export type Loose = any;

export const put = ({ files }: World, path: string, content: unknown) =>
  files.write(path, new TextEncoder().encode(JSON.stringify(content)));
export const read = async ({ files }: World, path: string): Promise<Loose> =>
  JSON.parse(new TextDecoder().decode(await files.read(path)));

export interface Machine extends Pick<Double, "plain" | "world"> {
  /** Runs `conf gen`. */
  readonly gen: (...more: string[]) => ReturnType<Double["plain"]>;
  /** A configuration service at this address, from now on; how often it was asked. */
  readonly serve: (url: string, answer: () => string) => Promise<() => number>;
}

/** A machine without a running visor, with the deployments A and B as files, and a file of B's. */
export function withMachine(test: (machine: Machine) => Promise<void>): Promise<void> {
  return withControlDouble(undefined, async ({ plain, world }) => {
    await using open = new AsyncDisposableStack();
    const gen = (...more: string[]) => plain(["conf", "gen", "--timeout", "5s", ...more], HOME);
    await put(world, "/a.json", A);
    await put(world, "/b.json", B);
    if ((await gen("-S", "/b.json", "-o", "/own.json")).code !== 0) throw new Error("no file of B's");
    await test({
      plain,
      world,
      gen,
      async serve(url, answer) {
        let asked = 0;
        const { hostname, port } = new URL(url);
        const listener = await world.network.listen({ hostname, port: Number(port) });
        const server = serveHttp(listener, () => {
          asked++;
          return new Response(answer());
        }, { world });
        open.defer(() => server.close());
        return () => asked;
      },
    });
  });
}
