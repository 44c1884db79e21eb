/** `conf show`: which value holds, and where it came from; nothing secret. */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import { ConfigError } from "../../../lib/deployment/mod.ts";
import { networkOfFile } from "../../../lib/directory/mod.ts";
import { fieldsAt, showConfig, shownAt, shownValue } from "../../../lib/visor/conf/mod.ts";
import { VISOR_FIELDS } from "../../../lib/visor/config/mod.ts";

const { secretKey, publicKey } = keyPairFromSeed(new TextEncoder().encode("shown"));
const other = keyPairFromSeed(new TextEncoder().encode("other")).publicKey;

const show = (content: object, overrides = {}) =>
  new Map(
    showConfig(JSON.stringify(content), "v.json", overrides).map((
      { field, value, origin },
    ) => [field, [origin, value]]),
  );

Deno.test("showConfig() of an empty file: defaults, and services of the embedded deployment", () => {
  const shown = show({});
  assert.deepEqual(shown.get("dmsg.sessions_count"), ["default", 1]);
  assert.deepEqual(shown.get("log_level"), ["default", "info"]);
  assert.deepEqual(shown.get("dmsg.discovery"), ["deployment", "http://dmsgd.skywire.skycoin.com"]);
  assert.equal(shown.get("dmsg.servers")?.[0], "deployment");
  assert.equal((shown.get("dmsg.servers")?.[1] as unknown[]).length, 9);
  assert.equal(shown.get("routing.route_setup_nodes")?.[0], "deployment");
  assert.equal(shown.get("routing.route_finder_dmsg")?.[0], "deployment");
  const used = Object.entries(VISOR_FIELDS).filter(([, { isUsed }]) => isUsed).map(([path]) => path);
  assert.deepEqual([...shown.keys()], used, "every field that is used, and no other");
});

Deno.test("showConfig(): what the file says is the file's, empty texts and null say nothing", () => {
  const shown = show({
    dmsg: { sessions_count: 5, discovery: "", servers: [] },
    log_level: "",
    hypervisors: null,
    survey_whitelist: [],
    is_public: true,
    mine: { a: 1 },
  });
  assert.deepEqual(shown.get("dmsg.sessions_count"), ["file", 5]);
  assert.equal(shown.get("dmsg.discovery")?.[0], "deployment");
  assert.equal(shown.get("dmsg.servers")?.[0], "deployment");
  assert.deepEqual(shown.get("log_level"), ["default", "info"]);
  assert.deepEqual(shown.get("hypervisors"), ["default", []]);
  assert.deepEqual(shown.get("survey_whitelist"), ["file", []]);
  assert.deepEqual(shown.get("is_public"), ["file", true]);
  assert.deepEqual(shown.get("mine"), ["file", { a: 1 }]);
});

Deno.test("showConfig(): another discovery brings no value of the embedded deployment", () => {
  const shown = show({ dmsg: { discovery: "http://127.0.0.1:9090" } });
  assert.deepEqual(shown.get("dmsg.discovery"), ["file", "http://127.0.0.1:9090"]);
  assert.deepEqual(shown.get("dmsg.servers"), ["deployment", []]);
  assert.deepEqual(shown.get("transport.discovery"), ["default", null]);
});

Deno.test("showConfig(): flags win over the file, and so does the network of --deployment", () => {
  const file = JSON.stringify({
    local: {
      dmsg_discovery: "http://127.0.0.1:1",
      dmsg_servers: [{ static: other, server: { address: "127.0.0.1:2" } }],
      service_discovery: "http://127.0.0.1:3",
      uptime_tracker: "http://127.0.0.1:4",
      transport_setup: [other],
    },
  });
  const transport = { transport_setup: [publicKey] };
  const shown = show({ log_level: "warn", dmsg: { discovery: "http://x" }, transport }, {
    values: { log_level: "debug", cli_addr: "127.0.0.1:9" },
    network: networkOfFile(file, "d.json"),
  });
  assert.deepEqual(shown.get("log_level"), ["flag", "debug"]);
  assert.deepEqual(shown.get("cli_addr"), ["flag", "127.0.0.1:9"]);
  assert.deepEqual(shown.get("dmsg.discovery"), ["deployment", "http://127.0.0.1:1"]);
  assert.deepEqual(shown.get("launcher.service_discovery"), ["deployment", "http://127.0.0.1:3"]);
  assert.deepEqual(shown.get("uptime_tracker.addr"), ["deployment", "http://127.0.0.1:4"]);
  assert.deepEqual(shown.get("transport.transport_setup"), ["deployment", [publicKey, other]]);
});

Deno.test("showConfig() shows no secret, wherever it stands", () => {
  const secret = secretKey.reveal();
  const text = JSON.stringify({
    sk: secret,
    pk: publicKey,
    transport: { tps_sk: secret },
    hypervisor: { cookies: { hash_key: secret + secret, block_key: secret } },
    launcher: {
      apps: [{ name: "a", args: ["--passcode", "word-1"] }, { name: "b", args: ["--passcode=word-2"] }],
    },
    future: { api_token: "word-3", list: [`key ${secret}`] },
  });
  const shown = JSON.stringify(showConfig(text, "v.json"));
  for (const word of [secret, "word-1", "word-2", "word-3"]) assert(!shown.includes(word), word);
  assert(shown.includes(publicKey));
  assert.deepEqual(shownValue("sk", ""), "", "that there is none is no secret");
});

Deno.test("showConfig() refuses what no visor starts with", () => {
  assert.throws(() => show({ dmsg: 3 }), ConfigError);
});

/** Arguments as one text, and what is shown of it. */
const TEXTS: readonly (readonly [args: string, shown: string])[] = [
  ["app skysocks --passcode hunter2", "app skysocks --passcode ***"],
  ["app skysocks -passcode=hunter2 --whitelist 'a  b'", "app skysocks -passcode=*** --whitelist 'a  b'"],
  ["--PASSCODE 'hunter 2' --x \"it's\"", `--PASSCODE *** --x "it's"`],
  ["--passcode\thunter2 -v", "--passcode *** -v"],
  ["'--passcode=hunter 2'", "--passcode=***"],
  ["--passcode '' --direct", "--passcode '' --direct"],
  ["--passcode 'hunter2", "[hidden]"],
  [`app skysocks --pass"code" hunter3`, "app skysocks --passcode ***"],
  [`--pass''code=hunter3 --direct`, "--passcode=*** --direct"],
  [`--pass"code hunter3`, "[hidden]"],
  ["--note 'it is open", "--note 'it is open"],
  ["--srv 'a  b'   --direct", "--srv 'a  b'   --direct"],
];

for (const [args, shown] of TEXTS) {
  Deno.test(`shownValue() of the arguments ${args}`, () => {
    assert.equal(shownValue("launcher.apps[2].args", args), shown);
    assert.deepEqual(shownValue("launcher.apps", [{ name: "a", args }]), [{ name: "a", args: shown }]);
  });
}

Deno.test("shownAt() shows a part as the whole would be shown", () => {
  const secret = secretKey.reveal();
  const raw = {
    sk: "0".repeat(64),
    launcher: {
      apps: [{ name: "a", args: ["--passcode", "hunter2", "--direct"] }, { args: "--passcode hunter2" }],
    },
    api_secret: { of: { me: 1 } },
    mine: { text: secret, empty: null },
  };
  const at = (...path: (string | number)[]) => shownAt(raw, path);
  assert.equal(at("sk"), "0".repeat(64), "that there is none is no secret");
  assert.equal(at("launcher", "apps", 0, "args", 1), "***");
  assert.equal(at("launcher", "apps", 0, "args", 2), "--direct");
  assert.equal(at("launcher", "apps", 1, "args"), "--passcode ***");
  assert.equal(at("api_secret", "of", "me"), "[hidden]");
  assert.equal(at("mine", "text"), "[hidden]");
  assert.deepEqual([at("mine", "empty"), at("mine", "none"), at("none"), at("launcher", 3)], [
    null,
    null,
    null,
    null,
  ]);
});

Deno.test("fieldsAt() gives the fields that a path names, or the part of one", () => {
  const content = {
    launcher: {
      apps: [{ name: "a", args: ["--passcode", "hunter2"] }, { name: "b", port: 7, more: { x: [1] } }],
    },
    "skywire-tcp": { pk_table: { [publicKey]: "127.0.0.1:1" } },
    hypervisors: [publicKey, other],
    dmsgpty: { dmsg_port: 21 },
    own: { of: [{ me: 1 }] },
  };
  const fields = showConfig(JSON.stringify(content), "v.json");
  const at = (path: string) =>
    fieldsAt(fields, path).map(({ field, value, origin }) => [field, value, origin]);
  const one = (path: string) => at(path).map(([field, ...rest]) => (assert.equal(field, path), rest)).flat();
  assert.deepEqual(at("launcher.display_node_ip"), [["launcher.display_node_ip", false, "default"]]);
  assert(
    at("launcher").length > 3 && at("launcher").every(([field]) => String(field).startsWith("launcher.")),
  );
  assert.deepEqual(one("launcher.apps[0]"), [{ name: "a", args: ["--passcode", "***"] }, "file"]);
  assert.deepEqual(one("launcher.apps[0].args[1]"), ["***", "file"]);
  assert.deepEqual(one("launcher.apps[1].port"), [7, "file"]);
  assert.deepEqual(one("launcher.apps[0].port"), [0, "default"]);
  assert.deepEqual(one("launcher.apps[1].more.x[0]"), [1, "file"]);
  assert.deepEqual(one(`skywire-tcp.pk_table.${publicKey}`), ["127.0.0.1:1", "file"]);
  assert.deepEqual(one("hypervisors[1]"), [other, "file"]);
  assert.deepEqual(one("own.of[0].me"), [1, "file"]);
  assert.deepEqual(at("pty.dmsg_port"), [["dmsgpty.dmsg_port", 21, "file"]], "under its name of 2024");
  assert.deepEqual(one("rewards.enable"), [false, "default"]);
  assert.deepEqual(one("survey_client_sk"), [null, "default"]);
  for (
    const none of [
      "launcher.apps[2]",
      "launcher.apps[2].port",
      "launcher.apps[0].colour",
      "launcher.apps[x]",
      "launch",
      "hypervisors[2]",
      "hypervisors.0",
      "rewards.enable.x",
      "own.",
      "",
    ]
  ) assert.deepEqual(at(none), [], none);
  assert.deepEqual(fieldsAt([], "launcher.apps[0].port"), [], "of no list there is no item");
});
