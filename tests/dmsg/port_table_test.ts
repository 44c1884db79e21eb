/** The ports of one client: who listens, and which ephemeral ones are taken. */
import assert from "node:assert/strict";
import { PortTable } from "../../lib/dmsg/_port_table.ts";
import { DmsgError, Listener } from "../../lib/dmsg/mod.ts";

const [FIRST, LAST] = [49_152, 65_535];

function listenerOn(table: PortTable, port: number): Listener {
  return new Listener(port, (closed) => table.unbind(closed));
}

Deno.test("PortTable gives ephemeral ports from 49153 on, and wraps to 49152", () => {
  const table = new PortTable();
  const ports = Array.from({ length: LAST - FIRST + 1 }, () => {
    const port = table.reserve();
    table.free(port);
    return port;
  });
  assert.deepEqual(ports.slice(0, 2), [FIRST + 1, FIRST + 2]);
  assert.deepEqual(ports.slice(-2), [LAST, FIRST]);
  assert.equal(new Set(ports).size, 16_384);
  assert.equal(table.reserve(), FIRST + 1);
});

Deno.test("PortTable refuses with 400 once every ephemeral port is taken, and goes on when one is free", () => {
  const table = new PortTable();
  table.bind(listenerOn(table, 50_000));
  const taken = new Set<number>();
  for (let count = 0; count < 16_383; count++) taken.add(table.reserve());
  assert.equal(taken.size, 16_383);
  assert.equal(taken.has(50_000), false, "a port with a listener is never given");
  for (let again = 0; again < 2; again++) {
    assert.throws(() => table.reserve(), (error: DmsgError) => error.dmsgCode === 400);
  }
  table.free(60_000);
  assert.equal(table.reserve(), 60_000);
  table.listener(50_000)!.close();
  assert.equal(table.reserve(), 50_000);
});

Deno.test("PortTable keeps a reserved port until it is freed", () => {
  const table = new PortTable();
  const held = table.reserve();
  for (let count = 0; count < 16_384; count++) {
    const port = table.reserve();
    assert.notEqual(port, held);
    table.free(port);
  }
});

Deno.test("PortTable binds a port once, and never one that is an open stream's", () => {
  const table = new PortTable();
  const first = listenerOn(table, 80);
  table.bind(first);
  assert.throws(() => table.bind(listenerOn(table, 80)), (error: DmsgError) => error.dmsgCode === 400);
  assert.equal(table.listener(80), first);
  const ephemeral = table.reserve();
  assert.throws(
    () => table.bind(listenerOn(table, ephemeral)),
    (error: DmsgError) => error.dmsgCode === 400,
  );
  table.free(ephemeral);
  table.bind(listenerOn(table, ephemeral));
});

Deno.test("PortTable frees a port only for the listener that holds it", () => {
  const table = new PortTable();
  const first = listenerOn(table, 80);
  table.bind(first);
  first.close();
  assert.equal(table.listener(80), undefined);
  const second = listenerOn(table, 80);
  table.bind(second);
  table.unbind(first);
  first.close();
  assert.equal(table.listener(80), second);
});

Deno.test("PortTable refuses what is no port with a RangeError", () => {
  const table = new PortTable();
  for (const port of [0, -1, 65_536, 1.5, NaN, Infinity]) {
    assert.throws(() => table.bind(listenerOn(table, port)), RangeError, String(port));
  }
  for (const port of [1, 65_535]) table.bind(listenerOn(table, port));
  assert.deepEqual(table.listeners().map(({ port }) => port), [1, 65_535]);
});
