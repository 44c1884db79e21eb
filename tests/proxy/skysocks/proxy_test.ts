/** The whole proxy: program, client, yamux, server, target. */
import assert from "node:assert/strict";
import { withSystemWorld } from "../../support/world.ts";
import { echo, readAll, readText, target, utf8, withProxy } from "./_bench.ts";

Deno.test("bytes go both ways through the proxy, and both halves end on their own", () =>
  withSystemWorld((world) =>
    withProxy(world, async ({ client, connect }) => {
      const echoing = await target(world, echo);
      const conn = await connect(echoing.address);
      await conn.write(utf8("hello"));
      assert.equal(await readText(conn, 5), "hello");
      await conn.write(utf8("last"));
      await conn.closeWrite();
      assert.equal(await readAll(conn), "last");
      conn.close();
      await conn.closed;
      assert.equal(client.status().detail, "Running");
      assert.equal(client.status().connectionsTotal, 1);
      await echoing.close();
    })
  ));
