/** `conf set`: typed, validated, every other byte kept. */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import { applyEdits } from "../../../lib/deployment/edit/mod.ts";
import { ConfigError } from "../../../lib/deployment/mod.ts";
import { setField, UnknownFieldError } from "../../../lib/visor/conf/mod.ts";
import { parseVisorConfig } from "../../../lib/visor/config/mod.ts";

const SAMPLE = Deno.readTextFileSync(
  new URL("../../vectors/deployment/visor-config-2024-http.json", import.meta.url),
);
const other = keyPairFromSeed(new TextEncoder().encode("another"));

function set(field: string, given: string, text = SAMPLE, force = false) {
  const result = setField(text, "v.json", { field, given, force });
  return { ...result, text: applyEdits(text, result.edits) };
}

/** A field, a text of the command line, and the JSON that the file has then. */
const CASES: readonly (readonly [field: string, given: string, json: string])[] = [
  ["dmsg.sessions_count", "4", "4"],
  ["log_level", "debug", '"debug"'],
  ["is_public", "true", "true"],
  ["routing.route_finder_timeout", "30s", '"30s"'],
  ["routing.route_finder_timeout", "30000000000", "30000000000"],
  ["dmsg.discovery", "http://127.0.0.1:9090", '"http://127.0.0.1:9090"'],
  ["transport.stcpr_port", "7000", "7000"],
  ["launcher.apps[2].auto_start", "false", "false"],
  ["launcher.apps[2].port", "4", "4"],
  ["cli_addr", "127.0.0.1:4000", '"127.0.0.1:4000"'],
  ["skywire-tcp.listening_address", ":7000", '":7000"'],
];

for (const [field, given, json] of CASES) {
  Deno.test(`setField() ${field} ${given}: one value of the recorded file, and no other byte`, () => {
    const { text, isChanged, edits } = set(field, given);
    assert.equal(isChanged, true);
    assert.equal(edits.length, 1);
    const { start, end, text: written } = edits[0]!;
    assert.equal(written, json);
    assert.equal(text, SAMPLE.slice(0, start) + json + SAMPLE.slice(end));
    assert.equal(set(field, given, text).isChanged, false, "the second time");
    parseVisorConfig(text, "v.json");
  });
}

Deno.test("setField() takes lists with commas and in JSON, and keys of free names", () => {
  const keys = [other.publicKey, keyPairFromSeed(new TextEncoder().encode("third")).publicKey];
  for (const given of [keys.join(","), `${keys[0]} , ${keys[1]}`, JSON.stringify(keys)]) {
    const { text } = set("user_survey_whitelist", given);
    assert.deepEqual(JSON.parse(text).user_survey_whitelist, keys);
  }
  assert.deepEqual(JSON.parse(set("hypervisors", "").text).hypervisors, []);
  const { text } = set(`skywire-tcp.pk_table.${other.publicKey}`, "10.0.0.1:7777");
  assert.deepEqual(JSON.parse(text)["skywire-tcp"].pk_table, { [other.publicKey]: "10.0.0.1:7777" });
  const args = set("launcher.apps[3].args", "--srv 'a b' --direct").text;
  assert.equal(JSON.parse(args).launcher.apps[3].args, "--srv 'a b' --direct");
});

Deno.test("setField() writes under the name of 2024 where the file has only that one", () => {
  assert.equal(JSON.parse(set("pty.dmsg_port", "23").text).dmsgpty.dmsg_port, 23);
  assert.equal(set("dmsgpty.dmsg_port", "23").field, "dmsgpty.dmsg_port");
  assert.deepEqual(JSON.parse(set("pty.dmsg_port", "23", "{}").text), { pty: { dmsg_port: 23 } });
});

Deno.test("setField() sk sets pk with it, and shows neither before nor after", () => {
  const secret = other.secretKey.reveal();
  const { text, before, after } = set("sk", secret);
  assert.deepEqual([JSON.parse(text).sk, JSON.parse(text).pk], [secret, other.publicKey]);
  assert.deepEqual([before, after], ["[hidden]", "[hidden]"]);
  const rest = (of: string) => ({ ...JSON.parse(of), sk: 0, pk: 0 });
  assert.deepEqual(rest(text), rest(SAMPLE));
});

/** What cannot be set, and what is said of it. */
const REFUSED: readonly (readonly [field: string, given: string, message: RegExp])[] = [
  ["dmsg.sessions_count", "many", /field dmsg\.sessions_count: value "many": it must be a whole number/],
  ["dmsg.sessions_count", "9999", /value 9999: it must be a whole number from 0 to 2048/],
  ["is_public", "yes", /value "yes": it must be true or false/],
  ["log_level", "loud", /value "loud": it must be one of/],
  ["log_level", "", /it must be|$/],
  ["dmsg.discovery", "ftp://x", /it must be a URL/],
  ["routing.route_finder_timeout", "soon", /a duration/],
  ["hypervisors", "x", /item 0 must be a public key/],
  ["launcher.apps[9].port", "1", /it has 5 items/],
  ["launcher.apps[1].name", "skysocks", /another app has it already/],
  ["pk", other.publicKey, /it must be 02b9/],
  ["pk", "00", /value "00": it must be a public key, 66 hex characters/],
  ["pk", "", /value "": it must be 02b9\w+, which belongs to sk/],
  ["pk", "0".repeat(66), /it must be 02b9\w+, which belongs to sk/],
  ["cli_addr", "0.0.0.0:1", /for this machine alone/],
  ["is_public.x", "1", /No field is called/],
];

for (const [field, given, message] of REFUSED.filter(([, given]) => given !== "")) {
  Deno.test(`setField() refuses ${field} ${given.slice(0, 12)}`, () => {
    assert.throws(() => set(field, given), (error) => {
      assert(error instanceof ConfigError || error instanceof UnknownFieldError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("setField() sk of zeros: there is none, and no pk, as Go writes it", () => {
  const { text, before, after } = set("sk", "0".repeat(64));
  assert.deepEqual([JSON.parse(text).sk, JSON.parse(text).pk], ["0".repeat(64), "0".repeat(66)]);
  assert.deepEqual([before, after], ["[hidden]", "0".repeat(64)]);
  assert.equal(parseVisorConfig(text, "v.json").secretKey, undefined);
  assert.deepEqual(set("sk", "0".repeat(64), text).isChanged, false);
});

Deno.test("setField() sk out of range: file, field and what makes one", () => {
  assert.throws(() => set("sk", "f".repeat(64)), (error) => {
    assert(error instanceof ConfigError);
    assert.equal(
      error.message,
      "v.json: field sk: value (not shown): it is no secret key, for it is out of range",
    );
    assert.match(error.hint!, /skyctl keys gen/);
    return true;
  });
});

Deno.test("setField() shows no passcode, neither before nor after, in arguments of either form", () => {
  const once = set("launcher.apps[2].args", "app skysocks --passcode hunter2");
  const again = set("launcher.apps[2].args", "app skysocks --passcode hunter3", once.text);
  assert.equal(JSON.parse(again.text).launcher.apps[2].args, "app skysocks --passcode hunter3");
  assert.deepEqual([again.before, again.after], [
    "app skysocks --passcode ***",
    "app skysocks --passcode ***",
  ]);
  const list = set("launcher.apps[2].args", '["--passcode","hunter4"]', again.text);
  assert.deepEqual([list.before, list.after], ["app skysocks --passcode ***", ["--passcode", "***"]]);
  const item = set("launcher.apps[2].args[1]", "hunter5", list.text, true);
  assert.equal(JSON.parse(item.text).launcher.apps[2].args[1], "hunter5");
  assert.deepEqual([item.before, item.after], ["***", "***"]);
});

Deno.test("setField() of an item that cannot be: the remedy names that very place", () => {
  const transports = JSON.stringify({ persistent_transports: [{ pk: other.publicKey, type: "stcpr" }] });
  const servers = JSON.stringify({
    dmsg: { servers: [{ static: other.publicKey, server: { address: "127.0.0.1:1" } }] },
  });
  const refused: [string, string, string, string][] = [
    ["launcher.apps[1].port", "99999", SAMPLE, "skyctl conf set 'launcher.apps[1].port' VALUE -c v.json"],
    [
      "dmsg.servers[0].server.address",
      "x",
      servers,
      "skyctl conf set 'dmsg.servers[0].server.address' VALUE",
    ],
    [
      "persistent_transports[0].type",
      "foo",
      transports,
      "skyctl conf set 'persistent_transports[0].type' TYPE",
    ],
  ];
  for (const [field, given, text, remedy] of refused) {
    assert.throws(() => set(field, given, text), (error) => {
      assert(error instanceof ConfigError, String(error));
      assert.equal(error.field, field);
      assert(error.hint?.startsWith(remedy), error.hint);
      return true;
    });
  }
  assert.equal(set("persistent_transports[0].type", "dmsg", transports).isChanged, true);
});

Deno.test("setField() refuses what a part of the value is warned of, as it does of the part alone", () => {
  const pk = other.publicKey;
  const list = (...types: string[]) => JSON.stringify(types.map((type) => ({ pk, type })));
  const at = (text: string) => `{"persistent_transports":${text}}`;
  const refused = (field: string, given: string, text = "{}") => {
    let refusal: unknown;
    assert.throws(() => set(field, given, text), (error) => (refusal = error) instanceof ConfigError);
    return (refusal as ConfigError).field;
  };
  assert.equal(refused("persistent_transports", list("foo")), "persistent_transports[0].type");
  assert.equal(refused("persistent_transports", list("dmsg", "foo")), "persistent_transports[1].type");
  const apps = JSON.stringify(["skysocks", "b"].map((name) => ({ name, binary: "skysocks", port: 3 })));
  assert.equal(refused("launcher.apps", apps), "launcher.apps[1].port");
  assert.equal(set("persistent_transports", list("stcpr", "dmsg"), "{}").isChanged, true);
  // What was there before may move.
  const moved = set("persistent_transports", list("dmsg", "foo"), at(list("foo")));
  assert.equal(moved.text, at(list("dmsg", "foo")));
  assert.equal(
    refused("persistent_transports", list("bar", "foo"), at(list("foo"))),
    "persistent_transports[0].type",
  );
  assert.equal(set("log_level", "debug", at(list("foo"))).isChanged, true, "of another field");
});

Deno.test("setField() of what is around fields: the remedy of a wrong value does not empty the good one", () => {
  const refused: [string, string, string][] = [
    ["dmsg", "3", "dmsg"],
    ["transport.log_store", '"x"', "transport.log_store"],
    ["transport", '{"log_store": 3}', "transport.log_store"],
    ["launcher.apps[0]", "3", "launcher.apps[0]"],
  ];
  for (const [field, given, at] of refused) {
    assert.throws(() => set(field, given, SAMPLE, true), (error) => {
      assert(error instanceof ConfigError, String(error));
      assert.deepEqual([error.field, error.hint], [
        at,
        "it takes an object; skyctl conf show --all lists the fields in it",
      ]);
      return true;
    });
  }
});

Deno.test("setField() never repeats a secret that it refuses", () => {
  const secret = other.secretKey.reveal();
  const given: [string, string][] = [
    ["sk", `${secret}0`],
    ["pk", secret],
    ["tarnsport", secret],
    ["launcher.apps[2].args", `["--passcode","${secret.slice(0, 9)}"`],
    ["launcher.apps[2].args", `--passcode '${secret.slice(0, 9)}`],
    ["launcher.apps[2].args", `--pass"code" '${secret.slice(0, 9)}`],
    ["launcher.apps[2].args", `["--pass''code","${secret.slice(0, 9)}"`],
  ];
  for (const [field, text] of given) {
    assert.throws(() => set(field, text), (error: Error & { hint?: string }) => {
      assert(!`${error.message} ${error.hint}`.includes(secret.slice(0, 9)), error.message);
      return true;
    });
  }
});

Deno.test("setField() of a field that nobody knows needs to be told so, and says which may be meant", () => {
  assert.throws(() => set("dmsg.sesions_count", "3"), (error) => {
    assert(error instanceof UnknownFieldError);
    assert.equal(error.hint, "is dmsg.sessions_count meant?");
    return true;
  });
  assert.throws(() => set("mine.own", "3"), (error) => {
    assert(error instanceof UnknownFieldError);
    assert.equal(error.hint, "skyctl conf show --all lists the fields; --force sets any");
    return true;
  });
  const forced = (given: string) => JSON.parse(set("mine.own", given, SAMPLE, true).text).mine.own;
  assert.deepEqual(["3", "[1]", "text", '"3"'].map(forced), [3, [1], "text", "3"]);
});

Deno.test("setField() mends a file field by field: what was wrong before does not stop it", () => {
  const broken = '{"log_level":"loud","dmsg":{"sessions_count":-1}}';
  const once = set("log_level", "info", broken).text;
  assert.equal(once, '{"log_level":"info","dmsg":{"sessions_count":-1}}');
  assert.equal(
    set("dmsg.sessions_count", "2", once).text,
    '{"log_level":"info","dmsg":{"sessions_count":2}}',
  );
});
