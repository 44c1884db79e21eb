/** Heads of requests and answers, bodies in chunks, ranges and URLs. @module */
import { Ledger, memoryPair } from "../../../lib/base/mod.ts";
import { HttpClient, parseRange, type RawHandler, serveHttpConn, splitUrl } from "../../../lib/http/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import exchanges from "../../vectors/dmsg/discovery-http.json" with { type: "json" };
import { discoveryHttp } from "../../dmsg/_recording.ts";
import { byteMutants, textMutants } from "../_mutants.ts";
import { alone, ended } from "../_rig.ts";
import type { FuzzTarget } from "../_target.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const chunked = "5\r\nhello\r\n10;name=value\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n";

const requests = [
  ...exchanges.exchanges.slice(0, 12).map(({ method, path }) =>
    `${method} ${path} HTTP/1.1\r\nHost: a:80\r\n\r\n`
  ),
  "POST /hello?x=1 HTTP/1.1\r\nHost: a\r\nUser-Agent: vector\r\nContent-Length: 5\r\n\r\nbody!",
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
  `POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
  "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\nRange: bytes=0-5\r\n\r\n",
].map(encode);

const answers = [
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nbody!",
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`,
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 204 No Content\r\nDate: Sat, 21 Nov 2026 07:19:26 GMT\r\n\r\n",
  "HTTP/1.0 200 OK\r\n\r\nuntil the end",
].map(encode);

const reads: RawHandler = async ({ body }) => {
  let length = 0;
  for (let view = await body.read(); view !== null; view = await body.read()) length += view.length;
  return { status: 200, body: `${length}` };
};

/** Whole answers, each of a status that this server gives. */
function holdAnswers(text: string): void {
  for (const answer of text.split(/(?=HTTP\/1\.1 )/)) {
    if (/^$|^HTTP\/1\.1 (100|200|400|408|413|414|417|431|501|505) [^]*\r\n\r\n/.test(answer)) continue;
    throw new Error(`No answer of this server: ${JSON.stringify(answer.slice(0, 300))}`);
  }
}

function serve(bytes: Uint8Array): Promise<unknown> {
  return alone(async (ledger) => {
    const clock = new VirtualClock({ ledger });
    const [near, far] = memoryPair({ bytesMax: 1 << 20, ledger });
    const served = serveHttpConn(near, { raw: reads }, { clock, ledger, remote: "fuzz:1", sendDate: false });
    for (let offset = 0, step = 1; offset < bytes.length; offset += step, step = step * 3 % 4_001) {
      void far.write(bytes.subarray(offset, offset + step)).catch(() => {});
    }
    if (bytes.length % 2 === 0) void far.closeWrite().catch(() => {});
    let answer = "";
    const reading = (async () => {
      for (let view = await far.read(); view !== null; view = await far.read()) {
        answer += String.fromCharCode(...view);
      }
    })().catch(() => {});
    await ended(clock, served);
    far.close();
    await Promise.all([reading, far.closed]);
    holdAnswers(answer);
    return answer;
  });
}

function ask(bytes: Uint8Array): Promise<unknown> {
  return alone(async (ledger: Ledger) => {
    const clock = new VirtualClock({ ledger });
    const peers: Promise<unknown>[] = [];
    await using client = new HttpClient({
      clock,
      ledger,
      dial: async () => {
        const [near, far] = memoryPair({ bytesMax: 1 << 20, ledger });
        peers.push((async () => {
          await far.read();
          await far.write(bytes).catch(() => {}); // the client may have had enough
          far.close();
          await far.closed;
        })());
        return near;
      },
    });
    const asking = client.send({ url: "http://a/" }).then((answer) => answer.bytes(100_000));
    try {
      return await ended(clock, asking);
    } finally {
      await client.close();
      await Promise.allSettled(peers);
      await clock.advance(0);
    }
  });
}

export const httpTargets: readonly FuzzTarget[] = [
  { name: "http/requests", inputs: byteMutants(requests), feed: serve, refuses: false },
  { name: "http/answers", inputs: byteMutants(answers), feed: ask },
  {
    name: "http/range",
    inputs: textMutants(["bytes=0-499", "bytes=-500", "bytes=9500-", "bytes=0-0,-1"]),
    feed(text: string) {
      const range = parseRange(text, 1_000);
      if (
        typeof range === "object" && !(0 <= range.first && range.first <= range.last && range.last < 1_000)
      ) {
        throw new Error(`Range ${range.first} to ${range.last}`);
      }
      return range;
    },
    refuses: false,
  },
  {
    name: "http/url",
    inputs: textMutants([
      "http://a:80/path?query",
      "dmsg://key:80",
      "https://[::1]:8/",
      ...discoveryHttp.slice(0, 3).map(
        ({ path }) => `http://discovery${path}`,
      ),
    ]),
    feed: splitUrl,
  },
];
