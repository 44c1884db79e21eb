/** `tests/vectors/services/visor-http.json`: what a Go visor serves on dmsg port 80, asked of ours; and the survey. */
import assert from "node:assert/strict";

import { LogRing, silentLog } from "../../lib/base/mod.ts";
import { keyPairFromSeed, SecretKey, sha256, toHex } from "../../lib/crypto/mod.ts";
import { type DmsgNetwork, renderDeploymentFile } from "../../lib/directory/mod.ts";
import { Survey, SURVEY_AGE_MAX_MS } from "../../lib/visor/_survey.ts";
import { logServer } from "../../lib/visor/log_server.ts";
import { withSimulation } from "../support/world.ts";
import { ask } from "./_requests.ts";
import keys from "../vectors/services/keys.json" with { type: "json" };
import recorded from "../vectors/services/visor-http.json" with { type: "json" };

const visor = SecretKey.parse(keys.visorA.sk).publicKey;
const listed = keyPairFromSeed(new TextEncoder().encode("listed")).publicKey;
const stranger = keyPairFromSeed(new TextEncoder().encode("stranger")).publicKey;

const START_MS = Date.parse("2026-11-21T07:21:34.399Z");

const network: DmsgNetwork = {
  name: "production",
  file: undefined,
  servers: [{ publicKey: listed, address: "203.0.113.5:8081" }],
  discoveryHttp: "http://dmsgd.example.org",
  discoveryDmsg: { publicKey: listed, port: 80 },
  transportDiscovery: { http: "http://tpd.example.org" },
  setupNodes: [stranger],
  surveyWhitelist: [listed],
};

/** A visor's port 80 and what it surveys; `rewardAddress` undefined: nobody gets its rewards. */
function withVisor(
  rewardAddress: string | undefined,
  test: (visor: {
    get(path: string, remote: string, method?: string): ReturnType<typeof ask>;
    advance(ms: number): void;
  }) => Promise<void>,
): Promise<void> {
  return withSimulation(1, async (simulation) => {
    const world = simulation.node("visor");
    let servers = [listed];
    let nowMs = 0;
    const clock = { monotonicMs: () => nowMs, wallMs: () => START_MS + nowMs };
    const survey = new Survey({
      world: { clock, diagnostics: world.diagnostics },
      publicKey: visor,
      rewardAddress,
      version: "v1.3.29",
      network,
      dmsgServers: () => servers,
    });
    const handler = logServer({
      world,
      own: visor,
      whitelist: new Set([listed]),
      log: silentLog,
      health: () => ({
        build_info: { version: "unknown", commit: "unknown", date: "unknown" },
        started_at: "2026-11-21T07:21:34.399Z",
        service_name: "visor",
      }),
      uptime: () => ({}),
      survey,
      ring: new LogRing(),
      onLine: () => () => {},
      logPath: undefined,
      mounted: () => [],
    });
    await simulation.run(() =>
      test({
        get: (path, remote, method) => ask(handler, path, { method, remote }),
        advance(ms) {
          servers = [stranger];
          nowMs += ms;
        },
      })
    );
  });
}

Deno.test("a visor's port 80: 4 exchanges of visor-http.json, 3 as recorded", () =>
  withVisor(undefined, async ({ get }) => {
    const callers: Record<string, string> = { "node-info, fetching key whitelisted": listed };
    let same = 0;
    for (const { name, request: { method, path }, response } of recorded.exchanges) {
      const answer = await get(path, `${callers[name] ?? stranger}:49152`, method);
      assert.equal(answer.status, response.status, name);
      if (path === "/health") {
        const [ours, theirs] = [JSON.parse(answer.body), JSON.parse(response.body)];
        assert.deepEqual(Object.keys(ours).slice(0, 2), Object.keys(theirs)); // those of 2026 come behind
        assert.deepEqual(ours.build_info, theirs.build_info);
        assert.match(ours.started_at, /^2026-11-21T07:21:34\.399\d*Z$/);
      } else if (response.status === 401) {
        // 2024 says nothing; 2026 says why (operations.md 1).
        assert.deepEqual([answer.body, response.body], ["401 Unauthorized", ""]);
        continue;
      } else assert.equal(answer.body, response.body, name);
      same++;
    }
    assert.deepEqual([same, recorded.exchanges.length, recorded.case_counts.exchanges], [3, 4, 4]);
  }));

Deno.test("a visor's survey, its checksum and its reward address are for listed keys, and for who reads", () =>
  withVisor("2jBbGxZRGoQG1mqhPBnXnLTxK6oxsTf8os6", async ({ get }) => {
    for (const path of ["/node-info", "/node-info/checksum", "/reward.txt", "/node-info?x"]) {
      const refused = await get(path, `${stranger}:1`);
      assert.deepEqual([refused.status, refused.body], [401, "401 Unauthorized"], path);
      assert.equal((await get(path, "203.0.113.9:80")).status, 500, "who has proved no key");
      assert.equal((await get(path, `${listed}:1`, "POST")).status, 405);
      for (const key of [visor, listed]) assert.equal((await get(path, `${key}:1`)).status, 200, path);
    }
  }));

Deno.test("a visor's survey with a reward address: who and what it is, the same for a day", () =>
  withVisor("2jBbGxZRGoQG1mqhPBnXnLTxK6oxsTf8os6", async ({ get, advance }) => {
    const caller = `${listed}:1`;
    const { body, headers } = await get("/node-info", caller);
    assert.equal(headers["Content-Type"], "application/json");
    const survey = JSON.parse(body);
    const empty = JSON.parse(recorded.exchanges[2]!.response.body);
    assert.deepEqual(survey, {
      timestamp: "2026-11-21T07:21:34.399Z",
      public_key: visor,
      skycoin_address: "2jBbGxZRGoQG1mqhPBnXnLTxK6oxsTf8os6",
      go_os: "linux",
      go_arch: "amd64",
      zcalusic_sysinfo: empty.zcalusic_sysinfo,
      uuid: empty.uuid,
      skywire_version: "v1.3.29",
      services: {
        dmsg_discovery: "http://dmsgd.example.org",
        dmsg_discovery_dmsg: `dmsg://${listed}:80`,
        transport_discovery: "http://tpd.example.org",
        transport_discovery_dmsg: "",
        route_setup_nodes: [stranger],
        survey_whitelist: [listed],
      },
      dmsg_servers: [listed],
    });
    const { dmsg_servers: _, ...deployed } = JSON.parse(renderDeploymentFile(network)).production;
    assert.deepEqual(survey.services, deployed, "as the deployment file has them, for who compares");
    const checksum = () => get("/node-info/checksum", caller);
    const sum = `{"sha256":"${toHex(sha256(new TextEncoder().encode(body)))}"}`;
    assert.equal((await checksum()).body, sum);
    assert.equal((await get("/reward.txt", caller)).body, "2jBbGxZRGoQG1mqhPBnXnLTxK6oxsTf8os6\n");

    advance(SURVEY_AGE_MAX_MS - 1);
    assert.deepEqual([(await get("/node-info", caller)).body, (await checksum()).body], [body, sum]);
    advance(1);
    const next = JSON.parse((await get("/node-info", caller)).body);
    assert.deepEqual(next.dmsg_servers, [stranger]);
    assert.equal(Date.parse(next.timestamp) - Date.parse(survey.timestamp), SURVEY_AGE_MAX_MS);
    assert.notEqual((await checksum()).body, sum);
  }));

Deno.test("a visor without a reward address has no reward.txt", () =>
  withVisor(undefined, async ({ get }) => {
    assert.equal((await get("/reward.txt", `${listed}:1`)).status, 404);
  }));
