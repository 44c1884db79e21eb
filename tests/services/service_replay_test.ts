/** What real services answered, asked of ours: `tests/vectors/services/{auth,transport-discovery,address-resolver}.json`. */
import assert from "node:assert/strict";
import { type KeyPair, parsePublicKey, verify } from "../../lib/crypto/mod.ts";
import { fromHex } from "../../lib/crypto/mod.ts";
import {
  AddressResolverUnderTest,
  ask,
  type Exchange,
  type Otherwise,
  recordedPair,
  replay,
  signed,
  TransportDiscoveryUnderTest,
} from "./service_support.ts";
import auth from "../vectors/services/auth.json" with { type: "json" };
import resolving from "../vectors/services/address-resolver.json" with { type: "json" };
import transports from "../vectors/services/transport-discovery.json" with { type: "json" };

const SERVER = parsePublicKey("02b6f7cd177e3698b571958d430687f261437e01d2602e8b378472174b4e25310f");
const MONITOR = parsePublicKey("0209a7397e707ca0e81f7c2c33f52694e80fd97c2719f573b90e9dec2923d8716c");
const dmsgAt = (key: string) => () => ({ address: `${key}:80`, servers: [SERVER] });

const AUTH_OTHERWISE: Record<string, Otherwise> = {
  "nonce: not a curve point": {
    why: "2024 panicked and answered 500 without a body; a bad key is the caller's mistake",
    status: 400,
    body: `{"error":{"message":"Invalid public key","code":400}}\n`,
  },
};

const TRANSPORTS_OTHERWISE: Record<string, Otherwise> = {
  "register the same id again: the PostgreSQL store of 2025 fails; the memory store and the 2026 Redis store accept it as a refresh":
    {
      why: "a registration is renewed each 90 s: the same once more is no mistake",
      status: 201,
      body: /^\[\{"entry":\{"t_id":"abf54e67-2485-0315-9c82-23093b2e7204"/,
    },
  "register: not JSON": {
    why: "the text is that of another parser",
    status: 400,
    body: `{"error":"body is no JSON"}\n`,
  },
  "register: wrong JSON type": {
    why: "the text is that of another parser",
    status: 500,
    body: /^\{"error":"json: cannot unmarshal/,
  },
};

const NOT_THE_CALLERS = "register two at once";

const RESOLVING_OTHERWISE: Record<string, Otherwise> = {
  "bind stcpr: not JSON (no status is set: implicit 200, empty body, nothing bound)": {
    why: "2024 says 200 and binds nothing: nobody learns of it",
    status: 400,
    body: `{"error":"body is no port and addresses"}`,
  },
};

/** The service of auth.json and transport-discovery.json; no limit, as the recorder went faster than a visor. */
const transportDiscovery = () =>
  new TransportDiscoveryUnderTest(
    { whitelistKeys: [MONITOR], requestsPerMinute: 0 },
    { dmsgStatus: dmsgAt("030ebce6acd33822852bc301bc1509f9d36373a2a6a1ff87b020c4322abba7ed77") },
  );

const addressResolver = () =>
  new AddressResolverUnderTest(
    { whitelistKeys: [MONITOR] },
    { dmsgStatus: dmsgAt("02cc989194f88e5e4f9e24260e01b377751d043fd9a23df1a2c8535064c9edb13c") },
  );

Deno.test("the ladder of refusals: 21 of 22 exchanges of auth.json as recorded", async () => {
  await using service = transportDiscovery();
  assert.equal(await replay(service.api, auth.exchanges, AUTH_OTHERWISE), 21);
  assert.equal(auth.exchanges.length, 22);
});

Deno.test("the transport discovery: 28 exchanges as recorded, but for three, and one that asks for another's transport", async () => {
  await using service = transportDiscovery();
  await ask(service.api, { // the recorder had used one number before: auth.json ran on the same service
    path: `/transports/edge:${SERVER}`,
    headers: signed(recordedPair("visorA"), 0),
  });
  const before = transports.exchanges.findIndex(({ name }) => name === NOT_THE_CALLERS);
  let same = await replay(
    service.api,
    transports.exchanges.slice(0, before),
    pick(TRANSPORTS_OTHERWISE, 0, before),
  );

  // visorB registers its own transport and one between visorA and visorC. 2024 looks at neither; ours refuses
  // all of it, and gets each from an edge of its own instead.
  const { request } = transports.exchanges[before]!;
  const refused = await ask(service.api, {
    ...request,
    headers: request.headers as Record<string, string>,
    body: request.body!,
  });
  assert.equal(refused.status, 400);
  assert.equal(refused.body, `{"error":"caller is no edge of the transport"}\n`);
  const [own, foreign] = JSON.parse(request.body!);
  for (const [owner, item] of [["visorB", own], ["visorA", foreign]] as const) {
    const body = JSON.stringify([item]) + "\n";
    const nonce = owner === "visorA" ? 1 : 0;
    const headers = signed(recordedPair(owner), nonce, body);
    const answer = await ask(service.api, { method: "POST", path: "/transports/", headers, body });
    assert.equal(answer.status, 201);
    assert.equal(answer.body, body, "the echo is what was sent, byte for byte");
  }

  const rest = transports.exchanges.slice(before + 1);
  same += await replay(service.api, rest, pick(TRANSPORTS_OTHERWISE, before + 1));
  assert.equal(same, 24);
  assert.equal(transports.exchanges.length, 28);
});

Deno.test("the address resolver: 23 of 24 exchanges of address-resolver.json as recorded", async () => {
  await using service = addressResolver();
  assert.equal(await replay(service.api, resolving.exchanges, RESOLVING_OTHERWISE), 23);
  assert.equal(resolving.exchanges.length, 24);
});

/** Those of `otherwise` whose exchange is in this part of the transport discovery's. */
function pick(otherwise: Record<string, Otherwise>, from: number, to?: number): Record<string, Otherwise> {
  const names = new Set(transports.exchanges.slice(from, to).map(({ name }) => name));
  return Object.fromEntries(Object.entries(otherwise).filter(([name]) => names.has(name)));
}

/** Ways to spoil a signed request, each with the text of its refusal. */
const MUTANTS: readonly [name: string, spoil: (headers: Record<string, string>) => void, text: RegExp][] = [
  [
    "another key",
    (headers) => headers["SW-Public"] = recordedPair("visorC").publicKey,
    /Recovered pubkey|SW-Nonce/,
  ],
  ["a flipped bit", (headers) => headers["SW-Sig"] = flipped(headers["SW-Sig"]!), /Recovered pubkey/],
  [
    "another recovery id",
    (headers) => headers["SW-Sig"] = otherRecovery(headers["SW-Sig"]!),
    /Recovered pubkey/,
  ],
  [
    "no recovery id",
    (headers) => headers["SW-Sig"] = `${headers["SW-Sig"]!.slice(0, 128)}04`,
    /Validity failed/,
  ],
  [
    "a cut signature",
    (headers) => headers["SW-Sig"] = headers["SW-Sig"]!.slice(2),
    /Invalid signature length/,
  ],
  [
    "the next number",
    (headers) => headers["SW-Nonce"] = `${Number(headers["SW-Nonce"]) + 1}`,
    /SW-Nonce does not/,
  ],
  ["no number", (headers) => delete headers["SW-Nonce"], /SW-Nonce missing/],
];

function flipped(hex: string): string {
  return hex.slice(0, 40) + (hex[40] === "0" ? "1" : "0") + hex.slice(41);
}

function otherRecovery(hex: string): string {
  return hex.slice(0, 129) + (hex[129] === "0" ? "1" : "0");
}

for (
  const [file, exchanges, make, count] of [
    ["address-resolver.json", resolving.exchanges, addressResolver, 3],
    ["auth.json", auth.exchanges, transportDiscovery, 1],
  ] as const
) {
  Deno.test(`mutants and replays of every request of ${file} that counts are refused and change nothing`, async () => {
    await using service = make();
    let counted = 0;
    for (const exchange of exchanges as readonly Exchange[]) {
      const { method, path, body } = exchange.request;
      const headers = exchange.request.headers as Record<string, string>;
      const asked = { method, path, body: body ?? "", remote: "127.0.0.1:40000" };
      const counts = headers["SW-Sig"] !== undefined && exchange.response.status === 200 && body !== "nope";
      if (counts && method !== "GET" || counts && file === "auth.json") {
        for (const [name, spoil, text] of MUTANTS) {
          const spoiled = { ...headers };
          spoil(spoiled);
          const answer = await ask(service.api, { ...asked, headers: spoiled });
          assert.equal(answer.status, 401, `${exchange.name}: ${name}: ${answer.body}`);
          assert.match(JSON.parse(answer.body).error.message, text, `${exchange.name}: ${name}`);
        }
        const other = await ask(service.api, { ...asked, headers, body: `${body ?? ""} ` });
        assert.match(other.body, /Recovered pubkey/, `${exchange.name}: another body`);
        assert.equal((await ask(service.api, { ...asked, headers })).status, 200, exchange.name);
        const again = await ask(service.api, { ...asked, headers });
        assert.match(again.body, /SW-Nonce does not match/, `${exchange.name}: replayed`);
        counted++;
      } else await ask(service.api, { ...asked, headers });
    }
    assert.ok(counted >= count, `${counted}`);
  });
}

Deno.test("every recorded signature is the stated signer's, over body and number", () => {
  let checked = 0;
  for (const { exchanges } of [auth, transports, resolving]) {
    for (const exchange of exchanges) {
      const headers = exchange.request.headers as Record<string, string>;
      const signer = (exchange as { signer?: { key?: string } | null }).signer?.key;
      if (headers["SW-Sig"] === undefined || signer === undefined) continue;
      const owner: KeyPair = recordedPair(signer as Parameters<typeof recordedPair>[0]);
      assert.equal(owner.publicKey, headers["SW-Public"]);
      const payload = new TextEncoder().encode(`${exchange.request.body ?? ""}${headers["SW-Nonce"]}`);
      assert.ok(verify(owner.publicKey, fromHex(headers["SW-Sig"]), payload), exchange.name);
      checked++;
    }
  }
  assert.equal(checked, 34);
});
