import assert from "node:assert/strict";
import type { RawHandler } from "../../lib/http/mod.ts";
import { Rig } from "./_rig.ts";

/** Reads the body, so that what is wrong in it is found; says what it got. */
const readsBody: RawHandler = async ({ body }) => {
  let length = 0;
  for (let view = await body.read(); view !== null; view = await body.read()) length += view.length;
  return { status: 200, body: `${length}` };
};

const H = "Host: a\r\n";
const POST = `POST / HTTP/1.1\r\n${H}`;
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;

const refusals: readonly [claim: string, request: string, status: number][] = [
  ["a length and chunks together", `${POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
  ["chunks and a length together", `${POST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n`, 400],
  ["two lengths", `${POST}Content-Length: 3\r\nContent-Length: 4\r\n\r\n`, 400],
  ["two equal lengths", `${POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\n`, 400],
  ["a list of lengths", `${POST}Content-Length: 3, 3\r\n\r\n`, 400],
  ["a signed length", `${POST}Content-Length: +3\r\n\r\n`, 400],
  ["a negative length", `${POST}Content-Length: -3\r\n\r\n`, 400],
  ["a hexadecimal length", `${POST}Content-Length: 0x3\r\n\r\n`, 400],
  ["an empty length", `${POST}Content-Length:\r\n\r\n`, 400],
  ["a length beyond exact numbers", `${POST}Content-Length: 9999999999999999\r\n\r\n`, 400],
  ["a body above the bound by its length", `${POST}Content-Length: 1025\r\n\r\n`, 413],
  ["a body above the bound by a chunk", `${CHUNKED}401\r\n`, 413],
  ["a body above the bound by chunks", `${CHUNKED}400\r\n${"x".repeat(1024)}\r\n1\r\n`, 413],
  ["an unknown transfer encoding", `${POST}Transfer-Encoding: gzip\r\n\r\n`, 501],
  ["two transfer encodings", `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n`, 501],
  ["chunks twice", `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`, 501],
  ["chunks in HTTP/1.0", `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n`, 400],
  ["a lone LF behind the request line", `GET / HTTP/1.1\n${H}\r\n`, 400],
  ["a lone LF behind a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400],
  ["a lone LF as the empty line", `GET / HTTP/1.1\r\n${H}\n`, 400],
  ["a lone CR in a field", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", 400],
  ["a lone CR before a blank", "GET / HTTP/1.1\r\nHost: a\r \r\n\r\n", 400],
  ["a lone CR in a value", `GET / HTTP/1.1\r\n${H}X: a\rb\r\n\r\n`, 400],
  ["a lone CR before a blank in a value", `GET / HTTP/1.1\r\n${H}X: a\r b\r\n\r\n`, 400],
  ["a blank between CR and LF", `GET / HTTP/1.1\r\n${H}X: a\r \nY: b\r\n\r\n`, 400],
  ["a CR before the end of a line", `GET / HTTP/1.1\r\n${H}X: a\r\r\n\r\n`, 400],
  ["a CR before the end of the head", `GET / HTTP/1.1\r\n${H}\r\r\n`, 400],
  ["text behind the CR of the empty line", `GET / HTTP/1.1\r\n${H}\rX: a\r\n\r\n`, 400],
  ["a folded field", `GET / HTTP/1.1\r\n${H} folded\r\n\r\n`, 400],
  ["a field folded by a tab", `GET / HTTP/1.1\r\n${H}\tfolded\r\n\r\n`, 400],
  ["a fold behind the request line", `GET / HTTP/1.1\r\n ${H}\r\n`, 400],
  ["NUL in a value", `GET / HTTP/1.1\r\n${H}X: a\0b\r\n\r\n`, 400],
  ["DEL in a value", `GET / HTTP/1.1\r\n${H}X: a\x7fb\r\n\r\n`, 400],
  ["BEL in a name", `GET / HTTP/1.1\r\n${H}X\x07: a\r\n\r\n`, 400],
  ["a blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400],
  ["a field without colon", `GET / HTTP/1.1\r\n${H}nothing\r\n\r\n`, 400],
  ["a field without name", `GET / HTTP/1.1\r\n${H}: x\r\n\r\n`, 400],
  ["a name that is no token", `GET / HTTP/1.1\r\n${H}a(b: x\r\n\r\n`, 400],
  ["a name above ASCII", `GET / HTTP/1.1\r\n${H}n\xe9: x\r\n\r\n`, 400],
  ["no Host", "GET / HTTP/1.1\r\nX: a\r\n\r\n", 400],
  ["no field at all", "GET / HTTP/1.1\r\n\r\n", 400],
  ["two Hosts", `GET / HTTP/1.1\r\n${H}${H}\r\n`, 400],
  ["an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400],
  ["a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400],
  ["a Host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400],
  ["a Host with a blank", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400],
  ["HTTP/2.0", `GET / HTTP/2.0\r\n${H}\r\n`, 505],
  ["HTTP/1.2", `GET / HTTP/1.2\r\n${H}\r\n`, 505],
  ["a version in small letters", `GET / http/1.1\r\n${H}\r\n`, 400],
  ["no version", `GET /\r\n${H}\r\n`, 400],
  ["a version with more behind it", `GET / HTTP/1.1 x\r\n${H}\r\n`, 400],
  ["two blanks in the request line", `GET  / HTTP/1.1\r\n${H}\r\n`, 400],
  ["a method that is no token", `G(T / HTTP/1.1\r\n${H}\r\n`, 400],
  ["an empty request line", `\r\nGET / HTTP/1.1\r\n${H}\r\n`, 400],
  ["a target that is no path", `GET a HTTP/1.1\r\n${H}\r\n`, 400],
  ["a target with a fragment", `GET /#a HTTP/1.1\r\n${H}\r\n`, 400],
  ["a target above ASCII", `GET /\xe9 HTTP/1.1\r\n${H}\r\n`, 400],
  ["* for another method than OPTIONS", `GET * HTTP/1.1\r\n${H}\r\n`, 400],
  ["CONNECT", `CONNECT a:80 HTTP/1.1\r\n${H}\r\n`, 501],
  ["a target too long", `GET /${"a".repeat(8192)} HTTP/1.1\r\n${H}\r\n`, 414],
  ["a request line without end", `GET /${"a".repeat(9000)}`, 414],
  ["a head too large", `GET / HTTP/1.1\r\n${H}X: ${"a".repeat(16 * 1024)}\r\n\r\n`, 431],
  ["a head without end", `GET / HTTP/1.1\r\n${H}X: ${"a".repeat(17 * 1024)}`, 431],
  ["too many fields", `GET / HTTP/1.1\r\n${H}${"X: y\r\n".repeat(128)}\r\n`, 431],
  ["an unknown expectation", `${POST}Expect: 200-ok\r\nContent-Length: 1\r\n\r\n`, 417],
  ["a chunk size that is no number", `${CHUNKED}x\r\n`, 400],
  ["an empty chunk size", `${CHUNKED}\r\n`, 400],
  ["a signed chunk size", `${CHUNKED}+1\r\n`, 400],
  ["a chunk size with 0x", `${CHUNKED}0x1\r\n`, 400],
  ["a chunk size with too many digits", `${CHUNKED}00000000000001\r\n`, 400],
  ["a blank before a chunk size", `${CHUNKED} 1\r\n`, 400],
  ["a lone LF behind a chunk size", `${CHUNKED}1\nx\r\n`, 400],
  ["a chunk longer than its size", `${CHUNKED}1\r\nxy\r\n`, 400],
  ["a chunk that ends with a lone LF", `${CHUNKED}1\r\nx\n0\r\n\r\n`, 400],
  ["a chunk extension without end", `${CHUNKED}1;${"a".repeat(300)}`, 400],
  ["NUL in a chunk extension", `${CHUNKED}1;a\0\r\nx\r\n`, 400],
  ["trailers without end", `${CHUNKED}0\r\n${"X: y\r\n".repeat(800)}`, 400],
];

for (const [claim, request, status] of refusals) {
  for (const pieces of ["whole", "byte by byte"] as const) {
    if (pieces === "byte by byte" && request.length > 2000) continue;
    Deno.test(`serveHttpConn() refuses ${claim} with ${status} (${pieces})`, async () => {
      const rig = new Rig();
      const client = rig.connect({ raw: readsBody }, { limits: { bodyBytesMax: 1024 } });
      const sending = (async () => {
        if (pieces === "whole") await client.send(request);
        else for (const byte of request) await client.send(byte);
      })().catch(() => {}); // refused before the end of it
      const answer = await client.readToEnd();
      await sending;
      assert.equal(answer.slice(0, 13), `HTTP/1.1 ${status} `);
      assert.match(answer, /\r\nConnection: close\r\n\r\n\d{3} /);
      assert.equal(answer.split("HTTP/1.1 ").length, 2, "one answer only");
      await rig.end();
    });
  }
}

Deno.test("the table of refusals is whole", () => assert.equal(refusals.length, 77));

const accepted: readonly [claim: string, request: string, body: string][] = [
  ["a value with bytes above ASCII", `GET / HTTP/1.1\r\n${H}X: \xe9\r\n\r\n`, "0"],
  ["an empty value", `GET / HTTP/1.1\r\n${H}X:\r\n\r\n`, "0"],
  ["a target of the longest length", `GET /${"a".repeat(8191)} HTTP/1.1\r\n${H}\r\n`, "0"],
  ["an absolute target", `GET http://a/b HTTP/1.1\r\n${H}\r\n`, "0"],
  ["OPTIONS *", `OPTIONS * HTTP/1.1\r\n${H}\r\n`, "0"],
  ["a body of the largest length", `${POST}Content-Length: 1024\r\n\r\n${"x".repeat(1024)}`, "1024"],
  [
    "chunks with extensions and trailers",
    `${CHUNKED}3;a=b\r\nxyz\r\n0A ; c\r\n0123456789\r\n00\r\nT: v\r\n\r\n`,
    "13",
  ],
  ["CHUNKED in capitals", `${POST}Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n`, "0"],
];
for (const [claim, request, body] of accepted) {
  Deno.test(`serveHttpConn() accepts ${claim}`, async () => {
    for (const pieces of [[request], [...request]]) {
      const rig = new Rig();
      const client = rig.connect({ raw: readsBody }, { limits: { bodyBytesMax: 1024 } });
      for (const piece of pieces) await client.send(piece);
      const answer = await client.readUntil(`\r\n\r\n${body}`);
      assert.equal(answer, `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      client.conn.close();
      await rig.end();
    }
  });
}
