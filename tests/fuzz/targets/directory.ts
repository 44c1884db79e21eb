/** Requests of the transport discovery and the address resolver, and what their clients are answered. @module */
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import {
  AddressResolverClient,
  RequestSigner,
  TransportDiscoveryClient,
} from "../../../lib/directory/mod.ts";
import type { AskService } from "../../../lib/dmsg/mod.ts";
import {
  AddressResolverUnderTest,
  recordedPair,
  TransportDiscoveryUnderTest,
} from "../../services/service_support.ts";
import auth from "../../vectors/services/auth.json" with { type: "json" };
import resolving from "../../vectors/services/address-resolver.json" with { type: "json" };
import transports from "../../vectors/services/transport-discovery.json" with { type: "json" };
import { jsonMutants, textMutants } from "../_mutants.ts";
import type { FuzzTarget } from "../_target.ts";

const bodiesOf = ({ exchanges }: { exchanges: readonly { request: { body?: string | null } }[] }) =>
  exchanges.flatMap(({ request }) => request.body ? [request.body] : []);
const pathsOf = ({ exchanges }: { exchanges: readonly { request: { path: string } }[] }) =>
  exchanges.map(({ request }) => request.path);
const answersOf = ({ exchanges }: typeof transports | typeof resolving, part: string) =>
  exchanges.filter(({ request, response }) => request.path.includes(part) && response.status === 200)
    .map(({ response }) => response.body);
const signatures = auth.exchanges.flatMap(({ request }) => {
  const { "SW-Public": key, "SW-Nonce": nonce, "SW-Sig": signature } = request.headers as Record<
    string,
    string
  >;
  return key === undefined ? [] : [`${key} ${nonce ?? ""} ${signature ?? ""}`];
});

const visor = recordedPair("visorA");

/** A request in the name of an edge; it is answered, whatever comes, and never with a failure of the store. */
async function register(body: string): Promise<string> {
  await using service = new TransportDiscoveryUnderTest({ requestsPerMinute: 0 });
  const answer = await service.askAs(visor, "/transports/", { method: "POST", body });
  await service.askAs(visor, "/transports/delete-batch", { method: "POST", body });
  if (answer.body.includes("store cannot be used")) throw new Error(answer.body);
  const all = JSON.parse((await service.ask("/all-transports")).body) ?? [];
  if (answer.status !== 201 && all.length > 0) throw new Error("What is refused is stored");
  return answer.body;
}

async function bind(body: string): Promise<string> {
  await using service = new AddressResolverUnderTest();
  const headers = { "SW-PublicIP": "203.0.113.7" };
  const answer = await service.askAs(visor, "/bind/stcpr", { method: "POST", body, headers });
  const { body: bound } = await service.ask("/transports");
  if ((answer.status === 200) !== (bound !== "{}")) throw new Error(`${answer.status}, but bound: ${bound}`);
  return answer.body;
}

async function look(path: string): Promise<string[]> {
  await using service = new TransportDiscoveryUnderTest({ requestsPerMinute: 0 });
  await using resolver = new AddressResolverUnderTest();
  const answers = [await service.askAs(visor, path), await resolver.askAs(visor, path)];
  for (const { status } of answers) {
    if (![200, 400, 404, 405, 410, 500].includes(status)) throw new Error(`${status}`);
  }
  return answers.map(({ body }) => body);
}

async function claim(text: string): Promise<string> {
  const [key = "", nonce = "", signature = ""] = text.split(" ", 3);
  await using service = new TransportDiscoveryUnderTest();
  const headers = { "SW-Public": key, "SW-Nonce": nonce, "SW-Sig": signature };
  const { status, body } = await service.ask("/v4/update", { headers });
  if (status !== 401 && !(status === 200 && signatures.includes(text.toLowerCase()))) {
    throw new Error(`${status}`);
  }
  return body;
}

/** A service that answers every question with one text. */
const saying = (text: string): AskService => () => Promise.resolve({ status: 200, text });
const local = keyPairFromSeed(new TextEncoder().encode("a visor"));

export const directoryTargets: readonly FuzzTarget[] = [
  {
    name: "services/registrations",
    inputs: jsonMutants(bodiesOf(transports)),
    feed: register,
    refuses: false,
  },
  { name: "services/binds", inputs: jsonMutants(bodiesOf(resolving)), feed: bind, refuses: false },
  {
    name: "services/paths",
    inputs: textMutants([...new Set([...pathsOf(transports), ...pathsOf(resolving)])]),
    feed: look,
    refuses: false,
  },
  { name: "services/claims", inputs: textMutants(signatures), feed: claim, refuses: false },
  {
    name: "directory/transport-lists",
    inputs: jsonMutants(answersOf(transports, "transports")),
    feed: (text: string) => new TransportDiscoveryClient(saying(text)).all(),
  },
  {
    name: "directory/addresses",
    inputs: jsonMutants(answersOf(resolving, "/resolve/")),
    feed: (text: string) => new AddressResolverClient(saying(text)).resolve("stcpr", local.publicKey),
  },
  {
    name: "directory/nonces",
    inputs: jsonMutants([`{"edge":"${local.publicKey}","next_nonce":18446744073709551615}\n`]),
    feed: (text: string) =>
      new RequestSigner(local).send({
        body: undefined,
        askNonce: () => Promise.resolve({ status: 200, text }),
        exchange: () => Promise.resolve({ status: 200, text: "" }),
      }),
  },
];
