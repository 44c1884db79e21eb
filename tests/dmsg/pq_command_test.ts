/** `SKYWIRE_REQUIRE_PQ` in the environment of a command, against a server without the hybrid (PQ-3). */
import assert from "node:assert/strict";
import { generateKeyPair } from "../../lib/crypto/mod.ts";
import { DmsgServer } from "../../lib/dmsg/mod.ts";
import type { PostQuantumMode } from "../../lib/noise/mod.ts";
import { RUN_ARGUMENTS } from "../cli/_run.ts";
import { withSystemWorld } from "../support/world.ts";

const REQUIRED =
  "post-quantum required (SKYWIRE_REQUIRE_PQ) but the session negotiated classical-only — refusing the handshake";

for (
  const [value, mode, connects] of [
    ["1", "off", false],
    ["1", "offer", true],
    ["", "off", true],
  ] as [string, PostQuantumMode, boolean][]
) {
  Deno.test(`with SKYWIRE_REQUIRE_PQ="${value}" and a server in mode "${mode}" a command ${connects ? "connects" : "fails, and says why"}`, () =>
    withSystemWorld(async (world) => {
      const local = generateKeyPair(world.random);
      const server = new DmsgServer({ world, local, postQuantum: { mode } });
      const { port } = await server.listen({ hostname: "127.0.0.1", port: 0 });
      const folder = await Deno.makeTempDir({ prefix: "skyctl-pq-" });
      try {
        const file = `${folder}/net.json`;
        const dmsg_servers = [{ static: local.publicKey, server: { address: `127.0.0.1:${port}` } }];
        await Deno.writeTextFile(
          file,
          JSON.stringify({ own: { dmsg_discovery: "http://127.0.0.1:1", dmsg_servers } }),
        );
        const { code, stdout } = await new Deno.Command(Deno.execPath(), {
          args: [...RUN_ARGUMENTS, "dmsg", "ping", local.publicKey, "--deployment", file, "--json"],
          env: { SKYWIRE_REQUIRE_PQ: value, SKYCTL_HOME: folder },
          stdin: "null",
          stderr: "null",
        }).output();
        const { error } = JSON.parse(new TextDecoder().decode(stdout));
        assert.equal(error.code, connects ? "DMSG_202" : "NO_SERVER"); // nobody listens at a server's key
        assert.equal(code, connects ? 4 : 3);
        assert.equal(JSON.stringify(error).includes(REQUIRED), !connects, JSON.stringify(error));
      } finally {
        await Deno.remove(folder, { recursive: true });
        await server.close();
      }
    }));
}
