/**
 * Fills the cells of our visors on the peer's whole deployment: three of them, in a line of stcpr transports.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parsePublicKey } from "../../lib/crypto/mod.ts";
import type { FillCell } from "./cells.ts";
import type { LiveOptions } from "./live.ts";
import { generateConfig } from "./our_services.ts";
import { runOurVisor } from "./ours_routes.ts";
import type { RouteVisor } from "./route_build.ts";
import type { WholeDeployment } from "./service_build.ts";
import type { ServiceRole, VISOR_ROLES } from "./service_rows.ts";
import { becomes, Directory, orderTransport, registrations, transportsBetween } from "./service_visors.ts";

const GONE_MS = 15_000;

/** One cell each. */
export async function tryOurVisors(
  deployment: WholeDeployment,
  options: LiveOptions,
  cell: FillCell<ServiceRole>,
): Promise<void> {
  const { lab, ours } = options;
  const tell = (role: keyof typeof VISOR_ROLES, work: () => Promise<string>) =>
    cell(`visor: ${role}`, "ours", work);
  await using ends = new AsyncDisposableStack();
  const directory = ends.use(await Directory.of(deployment));
  const [one, two, three] = await Promise.all([true, false, false].map(async (isPublic) => {
    const home = lab.path("home");
    await generateConfig(ours, `${home}/visor.json`, ["--svcconf", deployment.file], { isPublic });
    const visor = await runOurVisor(ours, home);
    ends.defer(() => visor.end());
    return visor;
  })) as [RouteVisor, RouteVisor, RouteVisor];

  const { entry, bound, visor, skysocks, saysItIsUp } = registrations(directory, one, tell);
  const isUp = saysItIsUp(deployment, options);
  ends.defer(() => isUp);
  await Promise.all([
    entry(),
    bound("stcpr"),
    bound("sudph"),
    visor(),
    skysocks(),
  ]);
  await transportsBetween(directory, [one, two], (role, work) => cell(role, "ours", work, "ours"));
  await two.addTransport(three.publicKey, "stcpr");
  await tell("found by route find", async () => {
    const found = await becomes(async () => {
      const result = await ours.run([
        ...["route", "find", one.publicKey, three.publicKey, "--min-hops", "2", "--max-hops", "2"],
        ...["--deployment", deployment.file, "--home", lab.path("home"), "--json"],
      ]);
      assert.equal(result.code, 0, result.stderr);
      return result.stdout;
    });
    assert.ok(found.includes(two.publicKey), `It does not lead over the second: ${found}`);
    return "over the second";
  });
  await tell("two hops by the setup node", async () => {
    const { ms, way } = await one.ping(three.publicKey, 2);
    assert.deepEqual(way, [two.publicKey, three.publicKey]);
    return `${ms.toFixed(2)} ms`;
  });
  await tell(
    "transport setup",
    () => orderTransport(deployment.transportSetup, [one, three], { triesMax: 3 }),
  );
  await isUp;
  await tell("orderly end", async () => {
    const key = parsePublicKey(one.publicKey);
    const before = await directory.tracesOf(key);
    await one.end();
    await becomes(async () => assert.deepEqual(await directory.tracesOf(key), []), GONE_MS);
    return `gone: ${before.join(", ")}`;
  });
}
