import assert from "node:assert/strict";
import {
  canonicalHeaderName,
  contentRange,
  followRedirects,
  HeaderFields,
  parseRange,
  type RawHandler,
  renderHttpDate,
  splitUrl,
} from "../../lib/http/mod.ts";
import { Rig } from "./_rig.ts";

Deno.test("canonicalHeaderName() writes names as Go", () => {
  const names = {
    "content-type": "Content-Type",
    "SW-PUBLIC": "Sw-Public",
    "nm-pk": "Nm-Pk",
    ETag: "Etag",
    "www-authenticate": "Www-Authenticate",
    "x--y": "X--Y",
    "-a": "-A",
    "1a-b2": "1a-B2",
    "a_b.c": "A_b.c",
  };
  for (const [name, canonical] of Object.entries(names)) assert.equal(canonicalHeaderName(name), canonical);
  for (const name of ["", "a b", "a:", "é", "a\r\n"]) assert.equal(canonicalHeaderName(name), undefined);
});

Deno.test("canonicalHeaderName() stays right when its table is full", () => {
  for (let index = 0; index < 2_000; index++) assert.equal(canonicalHeaderName(`x-n${index}`), `X-N${index}`);
});

Deno.test("HeaderFields joins what came twice, and looks into lists", () => {
  const fields = new HeaderFields();
  fields.append("a", "1");
  fields.append("connection", "x , CLOSE");
  fields.append("a", "2");
  assert.deepEqual([fields.get("a"), fields.get("b"), fields.count("a"), fields.size], [
    "1, 2",
    undefined,
    2,
    3,
  ]);
  assert.deepEqual([fields.lists("connection", "close"), fields.lists("connection", "clos")], [true, false]);
  assert.deepEqual([...fields], [["a", "1"], ["connection", "x , CLOSE"], ["a", "2"]]);
});

Deno.test("splitUrl() keeps the authority as it is written", () => {
  assert.deepEqual(splitUrl("HTTP://A:80?q"), { scheme: "http", authority: "A:80", target: "/?q" });
  assert.deepEqual(splitUrl("dmsg://k/a/../b"), { scheme: "dmsg", authority: "k", target: "/a/../b" });
});

Deno.test("parseRange() reads one range, and ignores what may be ignored", () => {
  const cases: [string | undefined, number, ReturnType<typeof parseRange>][] = [
    ["bytes=0-0", 10, { first: 0, last: 0 }],
    ["bytes=2-5", 10, { first: 2, last: 5 }],
    ["bytes=2-", 10, { first: 2, last: 9 }],
    ["bytes=2-99", 10, { first: 2, last: 9 }],
    ["bytes=-3", 10, { first: 7, last: 9 }],
    ["bytes=-99", 10, { first: 0, last: 9 }],
    ["bytes=10-", 10, "unsatisfiable"],
    ["bytes=-0", 10, "unsatisfiable"],
    ["bytes=-1", 0, "unsatisfiable"],
    ["bytes=0-", 0, "unsatisfiable"],
    ["bytes=5-2", 10, "whole"],
    ["bytes=-", 10, "whole"],
    ["bytes=0-1,3-4", 10, "whole"],
    ["lines=0-1", 10, "whole"],
    ["bytes=a-b", 10, "whole"],
    ["bytes=0-9999999999999999", 10, "whole"],
    [undefined, 10, "whole"],
  ];
  for (const [value, bytes, range] of cases) assert.deepEqual(parseRange(value, bytes), range, `${value}`);
  assert.equal(contentRange(10, { first: 2, last: 5 }), "bytes 2-5/10");
  assert.equal(contentRange(10), "bytes */10");
});

Deno.test("renderHttpDate() renders the date of RFC 9110", () => {
  assert.equal(renderHttpDate(784111777000), "Sun, 06 Nov 1994 08:49:37 GMT");
});

const redirects: RawHandler = ({ method, target, host, headers, bodyBytes }) => {
  const [, status, to] = /^\/(\d{3})\/(.*)$/.exec(target) ?? [];
  if (status === undefined) {
    return {
      status: 200,
      body: JSON.stringify([method, host, target, headers.get("authorization") ?? "", bodyBytes]),
    };
  }
  return {
    status: Number(status),
    headers: to === "" ? [] : [["location", decodeURIComponent(to!)]],
    body: "moved",
  };
};
const via = (status: number, to: string) => `/${status}/${encodeURIComponent(to)}`;

Deno.test("followRedirects() follows as Go does", async () => {
  const rig = new Rig();
  const client = rig.client({ raw: redirects });
  const ask = async (target: string, method = "GET", body?: string) => {
    const request = {
      url: `http://a:80${target}`,
      method,
      body,
      headers: [["authorization", "secret"]] as const,
    };
    const answer = await followRedirects(client, request);
    return answer.status === 200
      ? JSON.parse(await answer.text(1000))
      : [answer.status, await answer.text(1000)];
  };
  assert.deepEqual(await ask("/x"), ["GET", "a:80", "/x", "secret", 0]);
  assert.deepEqual(await ask(via(302, "/x?y")), ["GET", "a:80", "/x?y", "secret", 0]);
  assert.deepEqual(await ask(via(302, "../x"), "POST", "body"), ["GET", "a:80", "/x", "secret", 0]);
  assert.deepEqual(await ask(via(303, "/x"), "PUT", "body"), ["GET", "a:80", "/x", "secret", 0]);
  assert.deepEqual(await ask(via(307, "/x"), "POST", "body"), ["POST", "a:80", "/x", "secret", 4]);
  assert.deepEqual(await ask(via(308, "http://b:80/x"), "PUT", "body"), ["PUT", "b:80", "/x", "", 4]);
  assert.deepEqual(await ask(via(301, via(301, "//b/x"))), ["GET", "b", "/x", "", 0]);
  assert.deepEqual(await ask("/302/"), [302, "moved"]);
  assert.deepEqual(await ask(via(304, "/x")), [304, ""]);
  await client.close();
  await rig.end();
});

Deno.test("followRedirects() ends in a circle, refuses a place that is none, and keeps a spent body", async () => {
  const rig = new Rig();
  const client = rig.client({
    raw: (request) =>
      request.target === "/circle"
        ? { status: 302, headers: [["location", "/circle"]] }
        : redirects(request) as ReturnType<typeof redirects>,
  });
  await assert.rejects(followRedirects(client, { url: "http://a/circle" }), { code: "HTTP_BAD_RESPONSE" });
  for (const nowhere of ["http://", "dmsg://a b/", "http://u@h/"]) {
    await assert.rejects(followRedirects(client, { url: `http://a${via(302, nowhere)}` }), {
      code: "HTTP_BAD_RESPONSE",
    });
  }
  const body = new Blob(["x"]).stream();
  const answer = await followRedirects(client, { url: `http://a${via(307, "/x")}`, method: "POST", body });
  assert.equal(answer.status, 307);
  answer.discard();
  await client.close();
  await rig.end();
});
