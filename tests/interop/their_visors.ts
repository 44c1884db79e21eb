/**
 * Fills the cells of the peer's visors on our whole deployment, each with a configuration that our `conf gen` made.
 *
 *     their first -- their second       every type of transport
 *     their first -- our visor          every type of transport
 *     our visor -- their second         so that there is a way of two hops
 *
 * On a second deployment, where nothing lives long, two more of theirs are killed.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parsePublicKey } from "../../lib/crypto/mod.ts";
import { SkipError, textOf } from "./build.ts";
import type { FillCell } from "./cells.ts";
import { fileFetcher } from "./file_fetcher.ts";
import type { LiveOptions } from "./live.ts";
import { OurBuild } from "./ours.ts";
import { OurServices } from "./our_services.ts";
import { PeerBuild } from "./peer.ts";
import type { RouteVisor } from "./route_build.ts";
import type { ServiceBuild, WholeDeployment } from "./service_build.ts";
import type { ServiceRole, VISOR_ROLES } from "./service_rows.ts";
import { becomes, Directory, orderTransport, registrations, transportsBetween } from "./service_visors.ts";

/** Of the deployment where visors are killed: longer than two of them need to be everywhere. */
const LIFE_SECONDS = 30;
/** Until what they had is gone: the life of what was renewed last, and a look at it. */
const FORGOTTEN_MS = (LIFE_SECONDS + 20) * 1000;
const GONE_MS = 15_000;

/** One cell each. */
export async function tryTheirVisors(
  deployment: WholeDeployment,
  build: ServiceBuild,
  options: LiveOptions,
  cell: FillCell<ServiceRole>,
): Promise<void> {
  const { lab, ours, theirs } = options;
  const isControl = theirs instanceof OurBuild;
  const tell = (role: keyof typeof VISOR_ROLES, work: () => Promise<string>) =>
    cell(`visor: ${role}`, "theirs", work);
  await using ends = new AsyncDisposableStack();
  const directory = ends.use(await Directory.of(deployment));
  const killed = tell("killed", () => killTwo(build, options));
  ends.defer(() => killed);

  const start = async (...args: Parameters<ServiceBuild["startVisor"]>) => {
    const visor = await build.startVisor(...args);
    ends.defer(() => visor.end());
    return visor;
  };
  const our1 = await new OurServices(lab, ours).startVisor(deployment);
  ends.defer(() => our1.end());
  const [their1, their2] = await Promise.all([
    start(deployment, { minHops: 2 }),
    start(deployment, { isPublic: true, hasVpn: true }),
  ]);
  await tell("starts with a configuration of conf gen", () => Promise.resolve("two of them do"));

  const { entry, bound, visor, skysocks, vpn, saysItIsUp } = registrations(directory, their2, tell);
  const isUp = saysItIsUp(deployment, options);
  ends.defer(() => isUp);
  await Promise.all([
    entry(),
    bound("stcpr"),
    bound("sudph"),
    visor(),
    skysocks(),
    isControl ? tell("VPN server", () => Promise.reject(new SkipError("skyctl has no VPN server"))) : vpn(),
    tell(
      "says that it is up",
      () => Promise.reject(new SkipError("a visor says so for the first time five minutes after its start")),
    ),
  ]);
  await Promise.all(
    ([[their2, "theirs"], [our1, "ours"]] as const).map(([to, side]) =>
      transportsBetween(directory, [their1, to], (role, work) => cell(role, "theirs", work, side))
    ),
  );
  await their2.addTransport(our1.publicKey, "stcpr");

  await tell("found by route find", async () => {
    const { code, stdout, stderr } = await becomes(async () => {
      const result = await ours.run([
        ...["route", "find", their1.publicKey, their2.publicKey, "--min-hops", "2", "--max-hops", "2"],
        ...["--deployment", deployment.file, "--home", lab.path("home"), "--json"],
      ]);
      assert.equal(result.code, 0, result.stderr);
      return result;
    });
    const text = textOf("skyctl route find", { code, stdout, stderr });
    assert.ok(text.includes(our1.publicKey), `It does not lead over ours: ${text}`);
    return "over the visor of the other side";
  });
  await tell("uptime by transports", async () => {
    // Of those of 2024 only the one that was dialled registers a transport, and so is counted.
    const key = parsePublicKey((isControl ? their1 : their2).publicKey);
    const listed = await becomes(async () => {
      const [first] = await directory.transportUptimes.uptimes({ keys: [key] });
      assert.ok(first !== undefined, "The transport discovery does not list it");
      assert.equal(first.isOnline, true, "it is listed as offline");
      return first;
    });
    const [[day, percent]] = [...listed.daily] as [[string, number]];
    assert.ok(percent > 0, `${percent} %`);
    return `online, ${percent} % of ${day}`;
  });
  await tell("transport setup", () => orderTransport(deployment.transportSetup, [their2, their1]));
  await tell("transport setup, their command", async () => {
    if (!(theirs instanceof PeerBuild)) throw new SkipError("skyctl has no command of the kind");
    return await orderByCommand(theirs, deployment.transportSetup, their2, our1);
  });

  // Between two of theirs it carries 0.2 MB/s, on their own deployment too: the file takes the other one.
  for (const [from, to] of [[their1, their2], [their2, their1]] as const) {
    const slow = (await from.transports()).find(({ type, remote }) =>
      type === "sudph" && remote === to.publicKey
    );
    if (slow !== undefined) await from.removeTransport(slow.id);
  }
  const fetchFile = fileFetcher(options);
  const socks = (from: RouteVisor, to: RouteVisor, hops: number) => async () => {
    const address = await from.startProxy(to.publicKey, hops);
    try {
      const rate = await fetchFile(address);
      if (hops > 1 && await our1.relayRules() === 0) throw new Error("Ours has no rule that passes on");
      return rate;
    } finally {
      await from.stopProxy();
    }
  };
  await cell("visor: SOCKS, 1 hop", "theirs", socks(their2, their1, 1));
  await cell("visor: SOCKS, 2 hops", "theirs", socks(their1, their2, 2));

  await isUp;
  await tell("orderly end", async () => {
    const key = parsePublicKey(their2.publicKey);
    const before = await directory.tracesOf(key);
    await their2.end();
    await becomes(async () => assert.deepEqual(await directory.tracesOf(key), []), GONE_MS);
    return `gone: ${before.join(", ")}`;
  });
  await killed;
}

/** A visor that nobody hears of any more is nowhere, once what it said has lived its time. */
async function killTwo(build: ServiceBuild, { lab, ours }: LiveOptions): Promise<string> {
  await using ends = new AsyncDisposableStack();
  const deployment = await new OurServices(lab, ours).startDeployment({ entryTimeoutSeconds: LIFE_SECONDS });
  ends.defer(() => deployment.end());
  const directory = ends.use(await Directory.of(deployment));
  const [one, two] = await Promise.all([
    build.startVisor(deployment, { isPublic: true }),
    build.startVisor(deployment),
  ]);
  ends.defer(() => one.kill());
  ends.defer(() => two.kill());
  await one.addTransport(two.publicKey, "stcpr");
  const whole = ["dmsg entry", "stcpr", "sudph", "visor", "skysocks", "stcpr transport"];
  const key = parsePublicKey(one.publicKey);
  await becomes(async () => assert.deepEqual(await directory.tracesOf(key), whole));
  await Promise.all([one.kill(), two.kill()]);
  assert.deepEqual(await directory.tracesOf(key), whole, "it told somebody, or was forgotten too early");
  const startedMs = performance.now();
  await becomes(async () => assert.deepEqual(await directory.tracesOf(key), []), FORGOTTEN_MS);
  return `${whole.join(", ")}: gone ${Math.round((performance.now() - startedMs) / 1000)} s later`;
}

/** The peer's own commands for a transport setup node, at ours. */
async function orderByCommand(
  peer: PeerBuild,
  url: string,
  from: RouteVisor,
  to: RouteVisor,
): Promise<string> {
  const ask = async (...args: string[]) =>
    JSON.parse(textOf(`its svc tps ${args[0]}`, await peer.run(["svc", "tps", ...args, "--addr", url])));
  const ends = ["--from", from.publicKey];
  const { ID: id } = await ask("add", ...ends, "--to", to.publicKey, "--type", "dmsg");
  const ids = async () => (await ask("list", ...ends) ?? []).map(({ ID }: { ID: string }) => ID);
  assert.ok((await ids()).includes(id), `${id} is not listed`);
  assert.deepEqual(await ask("rm", ...ends, "--tpid", id), { Result: true });
  assert.ok(!(await ids()).includes(id), `${id} is still listed`);
  return `${id} added, listed, removed`;
}
