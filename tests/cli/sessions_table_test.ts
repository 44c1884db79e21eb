import assert from "node:assert/strict";
import { renderSessions } from "../../commands/_render_sessions.ts";

const SESSION = {
  server: "02".padEnd(66, "a"),
  remote: "03".padEnd(66, "b"),
  address: "127.0.0.1:8081",
  postQuantum: true,
  streams: 3,
  uptimeMs: 65_000,
  bytesIn: 2048,
  bytesOut: 1_048_576,
};

Deno.test("renderSessions() shows server, remote key, address, streams, uptime and bytes (CL-1)", () => {
  const [head, row, ...rest] = renderSessions([SESSION]).split("\n");
  assert.deepEqual(rest, []);
  const names = head!.split(/ {2,}/);
  const cells = row!.trim().split(/ {2,}/);
  const byName = Object.fromEntries(names.map((name, index) => [name, cells[index]]));
  assert.deepEqual(
    ["server", "remote key", "address", "streams", "uptime", "in", "out"].map((name) => byName[name]),
    [SESSION.server, SESSION.remote, "127.0.0.1:8081", "3", "1m 05s", "2 KiB", "1 MiB"],
  );
  assert.equal(cells.length, names.length);
  assert.equal(renderSessions([]), "no dmsg session");
});
