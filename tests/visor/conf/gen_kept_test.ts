/** What `conf gen -r` takes over, and what `conf set` leaves alone: members that nobody knows, wherever they are. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import { embeddedDeployment } from "../../../lib/deployment/mod.ts";
import { applyEdits } from "../../../lib/deployment/edit/mod.ts";
import {
  checkConfig,
  newConfig,
  parseSkyenv,
  resolveSettings,
  setField,
} from "../../../lib/visor/conf/mod.ts";
import { renderConfig } from "../../../lib/visor/config/mod.ts";

const RUNS = { numRuns: 200 };
const { secretKey } = keyPairFromSeed(new TextEncoder().encode("generated"));
const key = (name: string) => keyPairFromSeed(new TextEncoder().encode(name)).publicKey;
const world = { random: { bytes: (length: number) => new Uint8Array(length).fill(7) } };

// deno-lint-ignore no-explicit-any
type Loose = Record<string, any>;

/** Of settings and an older configuration the one that `conf gen -r` makes, as it is read from its file. */
function regenerated(old: Loose, flags: Record<string, unknown> = {}): Loose {
  const skyenv = parseSkyenv("", "");
  const resolved = resolveSettings({ flags, env: () => undefined, skyenv, skyenvFile: "" });
  const { config } = newConfig({ world, secretKey, resolved, deployment: embeddedDeployment(), old });
  const text = renderConfig(config);
  assert.deepEqual(checkConfig(text, "v.json").filter(({ severity }) => severity === "error"), []);
  return JSON.parse(text);
}

const FULL = JSON.parse(JSON.stringify({
  ...regenerated({}, { ishv: true, servevpn: true, dmsgweb: true }),
  "skywire-tcp": { pk_table: { [key("a")]: "10.0.0.1:7777" }, listening_address: ":7000" },
  persistent_transports: [{ pk: key("a"), type: "stcpr" }],
}));
const SAMPLES: readonly Loose[] = [
  FULL,
  ...["visor-config-2024-http.json", "visor-config-2024-dmsghttp.json"].map((name) =>
    JSON.parse(Deno.readTextFileSync(new URL(`../../vectors/deployment/${name}`, import.meta.url)))
  ),
];

/** Steps to an object; an item of a list is told by its name, key or number. */
type Path = readonly string[];

/** Every object of a configuration to which somebody could have added a member. */
function objectsOf(value: unknown, path: Path = []): Path[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => objectsOf(item, [...path, stepOf(item, index)]));
  }
  if (typeof value !== "object" || value === null) return [];
  const isTable = path.at(-1) === "pk_table"; // its members are keys, and nothing else
  const inner = Object.entries(value).flatMap(([name, item]) => objectsOf(item, [...path, name]));
  return isTable ? inner : [path, ...inner];
}

function stepOf(item: Loose, index: number): string {
  return `#${item?.["name"] ?? item?.["static"] ?? index}`;
}

function at(value: Loose, path: Path): Loose | undefined {
  return path.reduce<Loose | undefined>(
    (inner, step) =>
      inner === undefined
        ? undefined
        : Array.isArray(inner)
        ? inner.find((item, index) => stepOf(item, index) === step)
        : Object.hasOwn(inner, step)
        ? inner[step]
        : undefined,
    value,
  );
}

function put(into: Loose, name: string, value: unknown): void {
  Object.defineProperty(into, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Names that no field has, some of them a trap. */
const unknownName = fc.oneof(
  fc.constantFrom(
    "__proto__",
    "toString",
    "constructor",
    "dmsg.discovery",
    "launcher.apps[0].name",
    "sk.x",
    "a[0]",
    " ",
  ),
  fc.string({ minLength: 1, maxLength: 12 }).map((name) => `zz${name}`),
);
const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)));

/** An older configuration with unknown members, and where they are. */
const withUnknown = fc.constantFrom(...SAMPLES).chain((sample) =>
  fc.array(fc.tuple(fc.constantFrom(...objectsOf(sample)), unknownName, json), { minLength: 1, maxLength: 8 })
    .map((added) => {
      const old = structuredClone(sample);
      for (const [path, name, value] of added) put(at(old, path)!, name, value);
      return { old, places: added.map(([path, name]) => ({ path, name })) };
    })
);

Deno.test("newConfig() with an older one keeps unknown members wherever they are, in apps and servers that stay too", () => {
  fc.assert(
    fc.property(
      withUnknown,
      fc.constantFrom({}, { dmsghttp: true }, { ishv: true }, { dmsgpty: key("d") }),
      (given, flags) => {
        const made = regenerated(given.old, flags);
        for (const { path, name } of given.places) {
          const before = at(given.old, path)!;
          const after = at(made, path);
          if (path[0] === "dmsg" && path[1] === "servers" && after === undefined) continue; // no server any more
          assert(after !== undefined, `${path.join(" ")} is gone`);
          assert(Object.hasOwn(after, name), `${path.join(" ")} has lost ${name}`);
          assert.deepEqual(after[name], before[name]);
        }
        assert.deepEqual(regenerated(made, flags), made, "again: the same");
      },
    ),
    RUNS,
  );
});

/** Fields with two values each, so that one of them is a change. */
const FIELDS = fc.constantFrom(
  ...([
    ["dmsg.sessions_count", 4, 5],
    ["log_level", "debug", "warn"],
    ["launcher.apps[1].auto_start", true, false],
    ["transport.stcpr_port", 7001, 7002],
    ["routing.min_hops", 2, 3],
    ["stats.retention_days", 3, 4],
  ] as const).flatMap(([field, ...values]) => values.map((value) => ({ field, value }))),
);

Deno.test("setField() changes one value, and no unknown member anywhere", () => {
  fc.assert(
    fc.property(
      withUnknown,
      FIELDS,
      fc.constantFrom("\t", 2, undefined),
      ({ old }, { field, value }, indent) => {
        const text = JSON.stringify(old, null, indent);
        const { edits } = setField(text, "v.json", { field, given: String(value) });
        const after = JSON.parse(applyEdits(text, edits));
        const path = field.split(/[.[\]]+/);
        const last = path.pop()!;
        const [around, aroundBefore] = [after, old].map((config) =>
          path.reduce<Loose | undefined>((inner, step) => inner?.[step], config)
        );
        assert.equal(around![last], value);
        if (aroundBefore === undefined) delete after[path[0]!];
        else if (Object.hasOwn(aroundBefore, last)) put(around!, last, aroundBefore[last]);
        else delete around![last];
        assert.deepEqual(after, old);
      },
    ),
    RUNS,
  );
});

Deno.test("newConfig() with an older one: an app's own members stay by its name, what is said of it is new", () => {
  const apps = [
    { name: "skysocks-client", binary: "x", args: ["--old"], auto_start: true, port: 99, zz: { deep: [1] } },
    { name: "vpn-client", binary: "skywire", port: 43, zz: 2 },
    { name: "skysocks", zz: null },
  ];
  const made = regenerated({ launcher: { apps } }).launcher.apps;
  assert.deepEqual(made.map(({ name, port, zz }: Loose) => [name, port, zz]), [
    ["skysocks", 3, null],
    ["skysocks-client", 13, { deep: [1] }],
    ["vpn-client", 43, 2],
  ]);
  assert.equal(made[1].auto_start, false);
});

Deno.test("newConfig() with an older one: stcp stays on as it is, table, address and all", () => {
  const full = { pk_table: { [key("a")]: "10.0.0.1:7777" }, listening_address: ":7000", zz: 1 };
  assert.deepEqual(regenerated({ "skywire-tcp": full })["skywire-tcp"], full);
  const empty = { pk_table: null, listening_address: ":7777" };
  assert.deepEqual(regenerated({ "skywire-tcp": {} })["skywire-tcp"], empty);
  assert.equal(regenerated({})["skywire-tcp"], undefined);
});

Deno.test("newConfig() with an older one: what a server that stays has besides, and none of one that went", () => {
  const [first] = embeddedDeployment().dmsgServers;
  const servers = [
    { static: first!.publicKey, server: { address: "10.9.9.9:1", address_ws: "wss://x" }, zz: 1 },
    { static: key("gone"), server: { address: "10.9.9.9:1" }, zz: 2 },
  ];
  const made = regenerated({ dmsg: { servers } }).dmsg.servers;
  assert.deepEqual(made[0], {
    static: first!.publicKey,
    server: { address: first!.address, address_ws: "wss://x" },
    zz: 1,
  });
  assert.equal(made.length, 9);
});
