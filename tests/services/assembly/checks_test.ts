/** What is told before anything is made: one key for two, places that are one by another name, short lives (SV-1). */
import assert from "node:assert/strict";
import { type LogRecord, logTo, silentLog } from "../../../lib/base/mod.ts";
import { keptKeyPair } from "../../../lib/crypto/mod.ts";
import { AddressInUseError, FileNotFoundError, type Network, type World } from "../../../lib/runtime/mod.ts";
import { checkPlan, type Listening, type PlannedService } from "../../../lib/services/assembly/mod.ts";
import { checkKeys, checkPorts, warnOfShortLives } from "../../../lib/services/assembly/_checks.ts";
import { InvalidServiceSettingError } from "../../../lib/services/hosting/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { pair } from "../service_support.ts";
import { FOLDER, HOST, planOf, startAssembly } from "./support.ts";

const onAMachine = (test: (here: World) => Promise<void>) =>
  withSimulation(1, async (simulation) => {
    const here = simulation.node("here", { address: HOST });
    await simulation.run(() => test(here));
  });

/** A transport discovery and a dmsg server, or what else is asked, with these keys. */
function withKeys(
  keys: readonly PlannedService["key"][],
  types = ["transport-discovery", "setup-node"] as const,
) {
  return planOf(types).map((plan, at) => ({ ...plan, key: keys[at]! }));
}

Deno.test("checkKeys() refuses one key for two services, by file or by itself, and names both", () =>
  onAMachine(async (here) => {
    await here.files.makeDirectory(FOLDER);
    const [one, copy, missing] = [`${FOLDER}/one.key`, `${FOLDER}/copy.key`, `${FOLDER}/none.key`];
    const { secretKey } = await keptKeyPair(here, one);
    await here.files.write(copy, await here.files.read(one));
    const cases: [PlannedService["key"], PlannedService["key"], string][] = [
      [{ file: one }, { file: one }, `, that of ${one}`],
      [{ file: one }, { file: copy }, `, that of ${copy}`],
      [{ secretKey }, { file: copy }, `, that of ${copy}`],
      [{ file: one }, { secretKey }, ""],
      [{ file: missing }, { file: `${FOLDER}/../${FOLDER.slice(1)}/none.key` }, `, that of ${FOLDER}/../`],
    ];
    for (const [first, second, what] of cases) {
      await assert.rejects(
        startAssembly(here, withKeys([first, second])),
        (error) =>
          error instanceof InvalidServiceSettingError &&
          error.message.startsWith(`transport-discovery and setup-node have the same key${what}`) &&
          !error.message.includes(secretKey.reveal()) && /keyfile of its own/.test(error.hint!),
      );
    }
    await assert.rejects(here.files.read(missing), FileNotFoundError);
    await checkKeys(here, withKeys([{ file: one }, { secretKey: pair("other").secretKey }]));
  }));

Deno.test("checkKeys() has nothing against a key that nobody is told, and something against that of a server", () =>
  onAMachine(async (here) => {
    const key = { secretKey: pair("one").secretKey };
    const [discovery, finder, server] = planOf(["transport-discovery", "route-finder", "dmsg-server"], {
      mode: "http",
    }).map((plan) => ({ ...plan, key }));
    await checkKeys(here, [discovery!, finder!, server!]);
    await checkKeys(here, [discovery!, { ...finder!, mode: "dual" }]);
    await assert.rejects(
      checkKeys(here, [server!, { ...server!, name: "dmsg-server-2" }]),
      /have the same key$/,
    );
    await assert.rejects(checkKeys(here, [server!, { ...finder!, mode: "dmsg" }]), /have the same key$/);
  }));

/** A network where each of `taken` is another program's, and `localhost` is 127.0.0.1. */
function networkWith(taken: readonly string[] = []) {
  const held = new Set(taken);
  const open = (kind: string) => (at: { readonly hostname: string; readonly port: number }) => {
    const place = `${kind} ${at.hostname === "localhost" ? "127.0.0.1" : at.hostname}:${at.port}`;
    if (held.has(place)) return Promise.reject(new AddressInUseError(at));
    held.add(place);
    return Promise.resolve({ address: at, close: () => void held.delete(place) });
  };
  const network = { listen: open("TCP"), datagrams: open("UDP") } as unknown as Network;
  return { network, held };
}

const at = (who: string, hostname: string, port = 7_721, protocol: "TCP" | "UDP" = "TCP"): Listening => ({
  who,
  protocol,
  address: { hostname, port },
});

Deno.test("checkPorts() names two services whose hosts are one by another name, and leaves nothing open", async () => {
  const { network, held } = networkWith();
  await assert.rejects(
    checkPorts(
      { network },
      [at("ar", "127.0.0.1", 7_722), at("tpd", "localhost"), at("sd", "127.0.0.1")],
      "hint",
    ),
    (error) =>
      error instanceof InvalidServiceSettingError &&
      error.message ===
        "sd and tpd would both listen on TCP port 7721: 127.0.0.1:7721 and localhost:7721",
  );
  assert.deepEqual([...held], []);
  await assert.rejects(
    checkPorts({ network }, [at("ar", "127.0.0.2"), at("tpd", "127.0.0.1"), at("sd", "localhost")], "hint"),
    /^Invalid.*sd and tpd would both listen on TCP port 7721: localhost:7721 and 127\.0\.0\.1:7721$/,
    "the first at that port is none of the two",
  );
  assert.deepEqual([...held], []);
  const fine = [
    at("tpd", "127.0.0.1"),
    at("sd", "127.0.0.2"),
    at("ar", "127.0.0.1", 7_721, "UDP"),
    at("rf", "127.0.0.1", 0),
    at("ut", "127.0.0.1", 0),
  ];
  await checkPorts({ network }, fine, "hint");
  assert.deepEqual([...held], []);
});

Deno.test("checkPorts() does not blame a service for another program, whatever else has that port", async () => {
  const { network, held } = networkWith(["TCP 127.0.0.2:7721"]);
  await assert.rejects(
    checkPorts({ network }, [at("tpd", "127.0.0.1"), at("sd", "127.0.0.2")], "stop it"),
    (error) =>
      error instanceof AddressInUseError && error.hint === "stop it" &&
      /sd was to listen there \(TCP\)/.test(String(error.cause)),
  );
  assert.deepEqual([...held], ["TCP 127.0.0.2:7721"]);
  await assert.rejects(
    checkPorts({ network }, [{ ...at("metrics", "127.0.0.2"), hint: "move it" }], "stop it"),
    { code: "ADDRESS_IN_USE", hint: "move it" },
    "what to do at that place comes first",
  );
});

Deno.test("a place that metrics will have is looked at with the services', and told with what to do", () =>
  onAMachine(async (here) => {
    const address = { hostname: HOST, port: 2_121 };
    const taken = await here.network.listen(address);
    const alsoListening = [{ who: "metrics", protocol: "TCP" as const, address }];
    await assert.rejects(
      startAssembly(here, planOf(["transport-discovery"]), { alsoListening, portHint: "try --metrics" }),
      (error) =>
        error instanceof AddressInUseError && error.hint === "try --metrics" &&
        /metrics was to listen there/.test(String(error.cause)),
    );
    taken.close();
  }));

Deno.test("a life in which visors do not renew is told of once, with the services that it is of", () =>
  onAMachine(async (here) => {
    const told: LogRecord[] = [];
    const log = logTo((record) => told.push(record), () => 0);
    const types = [
      "dmsg-discovery",
      "dmsg-server",
      "transport-discovery",
      "address-resolver",
      "uptime-tracker",
    ] as const;
    const shortLived = planOf(types, { entryTimeoutMs: 40_000 });
    await using _assembly = await startAssembly(here, shortLived, { log });
    const lines = told.filter(({ message }) => /before visors renew them, each 90 s/.test(message));
    assert.deepEqual(lines.map(({ level, fields }) => [level, fields]), [
      ["warn", { services: "transport-discovery 40 s, address-resolver 40 s" }],
    ]);
    for (const [entryTimeoutMs, count] of [[90_000, 1], [90_001, 0], [0, 0], [undefined, 0]] as const) {
      told.length = 0;
      warnOfShortLives(log, planOf(["service-discovery"], { entryTimeoutMs }));
      assert.equal(told.length, count, `${entryTimeoutMs} ms`);
    }
    warnOfShortLives(silentLog, []);
  }));

Deno.test("checkPlan() refuses public addresses by which nobody reaches anything", () => {
  const [resolver] = planOf(["address-resolver"]);
  const plan = (publicUdpAddress: string | undefined, publicHost?: string) => [{
    ...resolver!,
    publicHost,
    settings: { ...resolver!.settings, publicUdpAddress },
  }];
  for (const text of ["net.example", "203.0.113.9", "2001:db8::1", "localhost", "a", "net.example."]) {
    checkPlan(plan(undefined, text));
  }
  for (
    const text of [
      "",
      "http://net.example:80/x y",
      "net.example:80",
      "net example",
      "[2001:db8::1]",
      "0.0.0.0",
      "::",
      "x/",
    ]
  ) {
    assert.throws(() => checkPlan(plan(undefined, text)), InvalidServiceSettingError, text);
  }
  for (
    const [text, written] of [
      ["[2001:db8::1]", "2001:db8::1"],
      ["[net.example]", "net.example"],
      ["bücher.example", "xn--bcher-kva.example"],
      ["例え.テスト", "xn--r8jz45g.xn--zckzah"],
      ["bücher.example/x", "a name or an address, without scheme, port and path: net.example"],
      ["http://bücher.example:80/x", "a name or an address, without scheme, port and path: net.example"],
      ["bücher.example:80", "a name or an address, without scheme, port and path: net.example"],
      ["[::]", "a name or an address, without scheme, port and path: net.example"],
      ["[x", "a name or an address, without scheme, port and path: net.example"],
    ] as const
  ) {
    assert.throws(() => checkPlan(plan(undefined, text)), { hint: `give --public-host ${written}` }, text);
    if (!written.includes(" ")) checkPlan(plan(undefined, written));
  }
  for (
    const [text, written] of [
      ["bücher.example:3", "xn--bcher-kva.example:3"],
      ["bücher.example:0", "host:port: ar.example.net:30178"],
      ["b ücher:3", "host:port: ar.example.net:30178"],
      ["2001:db8::1:30178", "host:port: ar.example.net:30178"],
    ] as const
  ) {
    const hint = `give its public UDP address as ${written}`;
    assert.throws(() => checkPlan(plan(text)), { hint }, text);
  }
  for (const text of ["ar.example.net:30178", "203.0.113.9:1", "[2001:db8::1]:65535"]) checkPlan(plan(text));
  for (
    const text of [
      "",
      "nonsense",
      ":30178",
      "0.0.0.0:30178",
      "[::]:30178",
      "ar.example.net:0",
      "ar.example.net:65536",
    ]
      .concat("2001:db8::1:30178", "[ar.example.net]:30178", "udp://ar.example.net:30178", "a b:1")
  ) {
    assert.throws(() => checkPlan(plan(text)), InvalidServiceSettingError, text);
  }
});
