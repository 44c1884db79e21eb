/** What real discoveries answered, asked of ours: `tests/vectors/dmsg/discovery-http.json`, `.../services/dmsg-discovery.json`. */
import assert from "node:assert/strict";
import { parsePublicKey, SecretKey, sign, toHex } from "../../lib/crypto/mod.ts";
import { DiscoveryUnderTest } from "./discovery_support.ts";
import discoveryHttp from "../vectors/dmsg/discovery-http.json" with { type: "json" };
import services from "../vectors/services/dmsg-discovery.json" with { type: "json" };

/** One recorded exchange, of either file. */
interface Exchange {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  readonly expected: { readonly status: number; readonly contentType: string; readonly body: string };
  readonly allow?: string;
}

const recordedHttp: Exchange[] = discoveryHttp.exchanges.map((exchange) => ({
  name: exchange.note,
  method: exchange.method,
  path: exchange.path,
  headers: Object.fromEntries(Object.entries(exchange.request_headers ?? {})) as Record<string, string>,
  body: exchange.request_body,
  expected: {
    status: exchange.status,
    contentType: exchange.response_content_type,
    body: exchange.response_body,
  },
}));

const recordedServices: Exchange[] = services.exchanges.map(({ name, request, response }) => {
  const headers = response.headers as Record<string, string | undefined>;
  return {
    name,
    method: request.method,
    path: request.path,
    headers: Object.fromEntries(Object.entries(request.headers)) as Record<string, string>,
    body: request.body ?? undefined,
    expected: { status: response.status, contentType: headers["Content-Type"] ?? "", body: response.body },
    allow: headers["Allow"],
  };
});

const vectorKeys = discoveryHttp.keys;
const keyOf = (name: keyof typeof vectorKeys) => parsePublicKey(vectorKeys[name].pk);

/** The discovery of discovery-http.json, as its `implementation` says that it was started. */
const likeRecordedHttp = () =>
  new DiscoveryUnderTest({
    wallMs: 1_795_245_567_745, // the bodies' own times: 2026-11-21T07:19:27.7Z
    settings: {
      passPhrase: "passphrase",
      officialServers: [keyOf("dmsg-vector-server-2")],
      whitelistKeys: [keyOf("dmsg-vector-network-monitor")],
    },
  });

/** The discovery of services/dmsg-discovery.json: test mode, and one live server registered before. */
async function likeRecordedServices(): Promise<DiscoveryUnderTest> {
  const server = parsePublicKey("02b6f7cd177e3698b571958d430687f261437e01d2602e8b378472174b4e25310f");
  const discovery = new DiscoveryUnderTest({
    wallMs: 1_795_245_235_200,
    settings: {
      allowLoopbackAddresses: true,
      officialServers: [server],
      whitelistKeys: [parsePublicKey("0209a7397e707ca0e81f7c2c33f52694e80fd97c2719f573b90e9dec2923d8716c")],
      publicKey: parsePublicKey("035b92f3b3301e74e24c5ba7ba140ab44bccddf1311bc0c0ec4ace92b219a1d87c"),
    },
    dmsgStatus: () => ({
      address: "035b92f3b3301e74e24c5ba7ba140ab44bccddf1311bc0c0ec4ace92b219a1d87c:80",
      servers: [server],
    }),
  });
  // The live server had posted what is listed, its type included: it was official by the discovery's list.
  const posted = exchangeNamed(recordedServices, "all_servers after").expected.body.slice(1, -1);
  assert.equal((await discovery.post(posted)).body, `{"message":"wrote a new entry","code":200}`);
  discovery.clock.setWallMs(1_795_245_239_495);
  return discovery;
}

function exchangeNamed(exchanges: readonly Exchange[], name: string): Exchange {
  const found = exchanges.find((exchange) => exchange.name === name);
  assert.ok(found, name);
  return found;
}

const ask = (discovery: DiscoveryUnderTest, { path, method, body, headers }: Exchange) =>
  discovery.ask(path, { method, body, headers });

async function assertSame(discovery: DiscoveryUnderTest, exchange: Exchange): Promise<void> {
  const { path, method, name, allow, expected } = exchange;
  const { status, contentType, headers, body } = await ask(discovery, exchange);
  const where = `${name}: ${method} ${path}`;
  assert.equal(status, expected.status, where);
  assert.equal(contentType, expected.contentType, where);
  if (allow !== undefined) assert.equal(headers.get("allow"), allow, where);
  if (path === "/health") assertSameHealth(body, expected.body);
  else if (ANY_ORDER.has(path)) assert.deepEqual(asSet(body), asSet(expected.body), where);
  else assert.equal(body, expected.body, where);
}

/** The members of 2024 in their order; the time of start is the discovery's own; those of 2026 come behind. */
function assertSameHealth(body: string, expected: string): void {
  const recorded = JSON.parse(expected);
  const ours = JSON.parse(body);
  assert.deepEqual(Object.keys(ours).slice(0, Object.keys(recorded).length), Object.keys(recorded));
  assert.match(ours.started_at, /^2026-11-21T07:\d\d:\d\d\.\d+Z$/);
  for (const member of Object.keys(recorded)) {
    if (member !== "started_at") assert.deepEqual(ours[member], recorded[member]);
  }
}

const ANY_ORDER: ReadonlySet<string> = new Set(
  ["all_servers", "entries", "visorEntries"].map((route) => `/dmsg-discovery/${route}`),
);

/** The items of a JSON list as texts, timestamps exact; an answer that is no list as itself. */
function asSet(body: string): string[] {
  if (!body.startsWith("[")) return [body];
  return body.slice(1, -1).split(/(?<=[}"]),(?=\{"version"|"0)/).sort();
}

/** Signed over a member that the discovery of 2024 did not know, and ours, of 2026, does. */
const MEMBER_OF_2026 = "extra field, signed over: the signature no longer matches";

Deno.test("the discovery answers 53 of 54 exchanges of discovery-http.json as recorded, in order", async () => {
  await using discovery = likeRecordedHttp();
  let same = 0;
  for (const exchange of recordedHttp) {
    if (exchange.name === MEMBER_OF_2026) continue; // we would store it: the next test
    await assertSame(discovery, exchange);
    same++;
  }
  assert.equal(same, 53);
});

Deno.test("the 54th: a signature over an unknown member is refused; `protocol`, unknown in 2024, is known now", async () => {
  await using discovery = likeRecordedHttp();
  const recorded = exchangeNamed(recordedHttp, MEMBER_OF_2026);
  assert.equal((await ask(discovery, recorded)).status, 200);

  const unsigned = recorded.body!.replace(/,"signature":"[0-9a-f]+"/, "").replace(`"protocol"`, `"of_2030"`);
  const secretKey = SecretKey.parse(vectorKeys["dmsg-vector-client-a"].sk);
  const signature = toHex(sign(new TextEncoder().encode(unsigned), secretKey));
  const answer = await discovery.post(unsigned.replace(/\}$/, `,"signature":"${signature}"}`));
  assert.equal(answer.status, recorded.expected.status);
  assert.equal(answer.contentType, recorded.expected.contentType);
  assert.equal(answer.body, recorded.expected.body);
});

Deno.test("the discovery answers all 27 exchanges of dmsg-discovery.json as recorded", async () => {
  await using discovery = await likeRecordedServices();
  for (const exchange of recordedServices) await assertSame(discovery, exchange);
  assert.equal(recordedServices.length, 27);
});

/** Ways to spoil a post that was accepted, each with what must be the answer. */
const MUTANTS: readonly [name: string, spoil: (body: string) => string, status: number, message: RegExp][] = [
  ["flipped signature", (body) => flipHex(body, "signature", 40), 401, /^invalid signature$/],
  [
    "other recovery id",
    (body) => body.replace(/("signature" ?: ?"[0-9a-f]{128})0(.)"/, flipRecovery),
    401,
    /^invalid signature$/,
  ],
  [
    "cut signature",
    (body) => body.replace(/("signature" ?: ?"[0-9a-f]{100})[0-9a-f]+"/, '$1"'),
    401,
    /^invalid signature$/,
  ],
  [
    "no signature",
    (body) => body.replace(/"signature" ?: ?"[0-9a-f]+"/, '"unsigned":1'),
    422,
    /no signature$/,
  ],
  ["changed sequence", (body) => body.replace(/"sequence":\d+/, '"sequence":99'), 401, /^invalid signature$/],
  ["changed client or server", changePart, 401, /^invalid signature$/],
  [
    "another owner",
    (body) => body.replace(/"static":"[0-9a-f]+"/, `"static":"${OTHER_KEY}"`),
    401,
    /^invalid signature$/,
  ],
  [
    "owner is no point",
    (body) => body.replace(/"static":"[0-9a-f]+"/, `"static":"02${"f".repeat(64)}"`),
    500,
    /unexpected/,
  ],
  ["cut JSON", (body) => body.slice(0, -1), 500, /unexpected/],
  ["sequence as text", (body) => body.replace(/"sequence":(\d+)/, '"sequence":"$1"'), 500, /unexpected/],
  ["version emptied", (body) => body.replace(/"version":"[^"]*"/, '"version":""'), 422, /no version$/],
];
const OTHER_KEY = "035e4dad0fcb46324ce198ec093a88b5b5e48063b600443166e1bf1c8e6cbeaaa9";

function flipHex(body: string, member: string, at: number): string {
  return body.replace(
    new RegExp(`("${member}" ?: ?"[0-9a-f]{${at}})([0-9a-f])`),
    (_, before, digit) => before + (digit === "0" ? "1" : "0"),
  );
}

function flipRecovery(_whole: string, before: string, digit: string): string {
  return `${before}0${digit === "0" ? "1" : "0"}"`;
}

function changePart(body: string): string {
  return body.includes(`"server":{`)
    ? body.replace(/"availableSessions":\d+/, '"availableSessions":77')
    : body.replace(/"delegated_servers":(\[[^\]]*\]|null)/, `"delegated_servers":["${OTHER_KEY}"]`);
}

for (
  const [file, exchanges, make, posts] of [
    ["discovery-http.json", recordedHttp, async () => likeRecordedHttp(), 10],
    ["dmsg-discovery.json", recordedServices, likeRecordedServices, 3],
  ] as const
) {
  Deno.test(`mutants of every accepted post of ${file} are refused and change nothing`, async () => {
    await using discovery = await make();
    let accepted = 0;
    for (const exchange of exchanges) {
      if (exchange.name === MEMBER_OF_2026) continue;
      if (exchange.method === "POST" && exchange.expected.status === 200) {
        await assertMutantsRefused(discovery, exchange);
        accepted++;
      }
      await assertSame(discovery, exchange);
      if (exchange.method === "POST" && exchange.expected.status === 200) {
        const again = await ask(discovery, exchange); // a replay is a stale sequence
        assert.equal(again.status, 422, exchange.name);
        assert.match(again.body, /sequence field of new entry/, exchange.name);
      }
    }
    assert.equal(accepted, posts);
  });
}

async function assertMutantsRefused(discovery: DiscoveryUnderTest, exchange: Exchange): Promise<void> {
  const before = await discovery.store.counts();
  for (const [name, spoil, status, message] of MUTANTS) {
    const body = spoil(exchange.body!);
    assert.notEqual(body, exchange.body, `${exchange.name}: ${name} spoils nothing`);
    const answer = await ask(discovery, { ...exchange, body });
    assert.equal(answer.status, status, `${exchange.name}: ${name}: ${answer.body}`);
    assert.match(JSON.parse(answer.body).message, message, `${exchange.name}: ${name}`);
  }
  assert.deepEqual(await discovery.store.counts(), before);
}
