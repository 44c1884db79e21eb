import assert from "node:assert/strict";
import type { RawHandler } from "../../lib/http/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { folderHandler, safeSegments } from "../../lib/visor/mod.ts";
import { withSimulation, withSystemWorld } from "../support/world.ts";
import { ask } from "./_requests.ts";

/** A folder `/site` beside a secret, in a simulated world. */
function withSite(test: (handler: RawHandler, world: World) => Promise<void>): Promise<void> {
  return withSimulation(1, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      const write = (path: string, text: string) => world.files.write(path, new TextEncoder().encode(text));
      await world.files.makeDirectory("/site/docs");
      await world.files.makeDirectory("/site/two words");
      await write("/secret", "secret");
      await write("/site-secret", "secret"); // its path begins like the folder's
      await write("/site/a.txt", "0123456789");
      await write("/site/docs/index.html", "<p>docs</p>");
      await write("/site/two words/<b>&\"'.txt", "odd");
      await test(folderHandler("/site/", world), world);
    });
  });
}

const OUTSIDE = [
  "/../secret",
  "/..",
  "/docs/../../secret",
  "/%2e%2e/secret",
  "/%2E%2E%2Fsecret",
  "/..%2fsecret",
  "/..%5csecret",
  "/docs%2f..%2f..%2fsecret",
  "/..\\secret",
  "/a%00.txt",
  "/c:/secret",
  "/a.txt::$DATA",
  "/%",
  "/%ff",
  "/%c0%ae%c0%ae/secret",
  "/%0a",
];

Deno.test("folderHandler() reaches nothing outside of its folder by any path", () =>
  withSite(async (handler) => {
    for (const target of OUTSIDE) {
      const { status, body } = await ask(handler, target);
      assert.equal(status, 400, target);
      assert(!body.includes("secret"), target);
    }
    for (const target of ["/secret", "/-secret", "//secret", "/./secret", "/%252e%252e/secret"]) {
      assert.equal((await ask(handler, target)).status, 404, target);
    }
    assert.equal(OUTSIDE.length, 16);
  }));

Deno.test("safeSegments() keeps names as they are, and drops empty and dot segments", () => {
  assert.deepEqual(safeSegments("//a/./b%20c/...x/"), ["a", "b c", "...x"]);
  assert.deepEqual(safeSegments("/"), []);
});

/** Range and what it gives: status, Content-Range, body. */
const RANGES:
  readonly (readonly [range: string, status: number, contentRange: string | undefined, body: string])[] = [
    ["bytes=0-3", 206, "bytes 0-3/10", "0123"],
    ["bytes=4-", 206, "bytes 4-9/10", "456789"],
    ["bytes=-2", 206, "bytes 8-9/10", "89"],
    ["bytes=8-99", 206, "bytes 8-9/10", "89"],
    ["bytes=10-", 416, "bytes */10", ""],
    ["bytes=-0", 416, "bytes */10", ""],
    ["bytes=x", 200, undefined, "0123456789"],
    ["lines=1-2", 200, undefined, "0123456789"],
  ];

Deno.test("folderHandler() serves ranges", () =>
  withSite(async (handler) => {
    for (const [range, status, contentRange, body] of RANGES) {
      const answer = await ask(handler, "/a.txt", { headers: [["range", range]] });
      assert.deepEqual([answer.status, answer.headers["Content-Range"], answer.body], [
        status,
        contentRange,
        body,
      ]);
    }
  }));

Deno.test("folderHandler() answers GET and HEAD, with types, and refuses the rest", () =>
  withSite(async (handler) => {
    const get = await ask(handler, "/a.txt?x=1");
    assert.deepEqual([get.status, get.body], [200, "0123456789"]);
    assert.match(get.headers["Content-Type"]!, /^text\/plain/);
    const head = await ask(handler, "/a.txt", { method: "HEAD", headers: [["range", "bytes=1-2"]] });
    assert.deepEqual([head.status, head.headers["Content-Range"], head.body], [206, "bytes 1-2/10", ""]);
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      const { status, headers } = await ask(handler, "/a.txt", { method });
      assert.deepEqual([status, headers.Allow], [405, "GET, HEAD"]);
    }
    assert.equal((await ask(handler, "/none.txt")).status, 404);
    assert.equal((await ask(handler, "/a.txt/b")).status, 404);
  }));

Deno.test("folderHandler() serves index.html, lists other directories, and redirects to their slash, here only", () =>
  withSite(async (handler) => {
    assert.equal((await ask(handler, "/docs/")).body, "<p>docs</p>");
    const moved = await ask(handler, "/docs");
    assert.deepEqual([moved.status, moved.headers.Location], [301, "/docs/"]);
    // Two slashes in a Location would be another host.
    assert.equal((await ask(handler, "//docs")).headers.Location, "/docs/");
    assert.equal((await ask(handler, "/two%20words")).headers.Location, "/two%20words/");
    const listed = await ask(handler, "/two%20words/");
    assert.equal(listed.headers["Content-Type"], "text/html; charset=utf-8");
    assert(!/<b>/.test(listed.body) && !/&"'/.test(listed.body), listed.body);
    const href = /href="([^"]+)"/.exec(listed.body)![1]!;
    assert.equal((await ask(handler, `/two%20words/${href}`)).body, "odd");
    assert.match((await ask(handler, "/")).body, /<title>\/<\/title>[^]*a\.txt[^]*docs/);
  }));

Deno.test("folderHandler() ends the body early when the file shrinks meanwhile, and lets go of it", () =>
  withSimulation(2, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      await world.files.makeDirectory("/site");
      await world.files.write("/site/big", new Uint8Array(600_000));
      const short = {
        outside: <T>(work: () => Promise<T>) => work(),
        files: {
          ...world.files,
          openRead: async (path: string) => {
            const file = await world.files.openRead(path);
            let reads = 0;
            return {
              bytes: file.bytes,
              seek: (position: number) => file.seek(position),
              read: (into: Uint8Array) => ++reads > 1 ? Promise.resolve(0) : file.read(into),
              close: () => file.close(),
            };
          },
        },
      };
      const { status, body } = await ask(folderHandler("/site", short), "/big");
      assert.deepEqual([status, body.length], [200, 262_144]); // the server above sees that 600,000 were promised
    });
  }));

Deno.test("folderHandler() follows links inside its folder, and none that leaves it", async () => {
  const base = await Deno.makeTempDir();
  try {
    await withSystemWorld(async (world) => {
      await Deno.mkdir(`${base}/site/sub`, { recursive: true });
      await Deno.mkdir(`${base}/site-2`);
      await Deno.writeTextFile(`${base}/secret`, "secret");
      await Deno.writeTextFile(`${base}/site-2/secret`, "secret");
      await Deno.writeTextFile(`${base}/site/a.txt`, "a");
      await Deno.symlink("../a.txt", `${base}/site/sub/inside.txt`);
      await Deno.symlink(`${base}/secret`, `${base}/site/outside.txt`);
      await Deno.symlink("../site-2", `${base}/site/beside`);
      await Deno.symlink("../../secret", `${base}/site/sub/index.html`);
      await Deno.symlink("nowhere", `${base}/site/dangling`);
      await Deno.symlink("site", `${base}/link`); // the folder itself may be named by a link
      for (const folder of [`${base}/site`, `${base}/link`]) {
        const handler = folderHandler(folder, world);
        assert.equal((await ask(handler, "/sub/inside.txt")).body, "a");
        for (const target of ["/outside.txt", "/beside/secret", "/beside/", "/dangling"]) {
          assert.equal((await ask(handler, target)).status, 404, target);
        }
        assert(!(await ask(handler, "/sub/")).body.includes("secret"));
      }
    });
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});
