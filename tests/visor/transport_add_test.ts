/** What `tp add` asks of a visor: which type it gets, and what it is told of those that it does not. */
import assert from "node:assert/strict";
import { SkyError } from "../../lib/base/mod.ts";
import { keyOf, withFleet } from "./_fleet.ts";

/** What a call fails with: message with its causes, code and hint. */
async function failureOf(call: Promise<unknown>): Promise<{ text: string; code: string; hint?: string }> {
  const error = await call.then(() => assert.fail("it did not fail"), (error: unknown) => error);
  assert(error instanceof SkyError, String(error));
  const causes: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) causes.push(at.message);
  return { text: causes.join(": "), code: error.code, hint: error.hint };
}

Deno.test("tp add falls back to dmsg, and says which type failed with what", () =>
  withFleet(340, ["A", "B"], async (fleet) => {
    fleet.simulation.partition("A", "B");
    const made = await fleet.call("A", "transportAdd", { key: keyOf("B") });
    assert.equal(made.type, "dmsg");
    assert.deepEqual(made.passedOver?.map(({ type }) => type), ["stcpr", "sudph"]);
    assert.match(made.passedOver![0]!.failure, /^\S.*(timed out|not .*within|Cannot connect)/i);
    const again = await fleet.call("A", "transportAdd", { key: keyOf("B") });
    assert.equal(again.passedOver, undefined, "nothing was tried");
  }));

Deno.test("tp add to a key that no type reaches names each type's failure", () =>
  withFleet(341, ["A"], async (fleet) => {
    const { text, code } = await failureOf(fleet.call("A", "transportAdd", { key: keyOf("nobody") }));
    assert.equal(code, "TRANSPORT_DIAL_FAILED");
    assert.match(text, /of type stcpr, sudph, dmsg to .*stcpr: .*no entry for this PK.*; dmsg: /);
    assert.match(text, /"allow_loopback_addresses": true/);
  }));

Deno.test("tp add and visor ping of the own key, and of types that are not served, are refused with a hint", () =>
  withFleet(342, ["A"], async (fleet) => {
    for (const call of ["transportAdd", "visorPing"] as const) {
      const { code, text, hint } = await failureOf(fleet.call("A", call, { key: keyOf("A") }));
      assert.equal(code, "OWN_KEY");
      assert.match(text, /this visor itself/);
      assert.match(hint!, /skyctl visor status/);
    }
    assert.deepEqual(await fleet.call("A", "transports", {}), []);
    const stcp = await failureOf(fleet.call("A", "transportAdd", { key: keyOf("B"), type: "stcp" }));
    assert.equal(stcp.code, "TRANSPORT_TYPE_UNAVAILABLE");
    assert.match(stcp.hint!, /^use one of stcpr, .*dmsg$/);
    const hops = await failureOf(fleet.call("A", "visorPing", { key: keyOf("B"), forward: ["zzz"] }));
    assert.equal(hops.code, "ROUTE_HOP");
    assert.match(hops.hint!, /skyctl tp ls/);
  }));
