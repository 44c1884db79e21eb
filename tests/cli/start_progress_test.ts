import assert from "node:assert/strict";
import { type RunEvent, StartProgress } from "../../commands/visor/_run.ts";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import type { Visor } from "../../lib/visor/mod.ts";

/** A visor that is what a test says. */
function fakeVisor() {
  const now = { servers: [] as string[], published: false };
  const status = () => ({
    publicKey: "02ab" as PublicKey,
    ready: now.servers.length > 0 && now.published,
    dmsg: {
      sessions: now.servers.map((server) => ({ server, address: `${server}:1` })),
      entry: { published: now.published, sequence: "0" },
    },
  });
  return { now, visor: { status } as unknown as Pick<Visor, "status"> };
}

Deno.test("StartProgress tells each step once, also a session that comes after readiness", () => {
  const { now, visor } = fakeVisor();
  const told: RunEvent[] = [];
  const progress = new StartProgress(visor, (event) => told.push(event));
  const events = () => told.splice(0).map((event) => event.event === "session" ? event.server : event.event);
  progress.look();
  assert.deepEqual(events(), []);
  now.servers = ["one"];
  progress.look();
  progress.look();
  assert.deepEqual(events(), ["one"]);
  now.published = true;
  progress.look();
  assert.deepEqual(events(), ["published", "ready"]);
  now.servers = ["one", "two"];
  progress.look();
  assert.deepEqual(events(), ["two"]);
  for (now.servers of [[], ["one", "two"]]) progress.look(); // lost and back: nothing new
  assert.deepEqual(events(), []);
});
