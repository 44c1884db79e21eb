/** Where sudph looks for the address resolver. @module */
import assert from "node:assert/strict";
import { AddressResolverClient } from "../../lib/directory/mod.ts";
import { resolverUdpAddress } from "../../lib/visor/_resolver_address.ts";

const CASES: readonly [http: string | undefined, said: unknown, at: string | undefined][] = [
  ["http://ar.example:9093", undefined, "ar.example:9093"],
  ["http://ar.example", undefined, "ar.example:30178"],
  ["https://ar.example", ":30178", "ar.example:30178"],
  ["http://ar.example:9093", "203.0.113.1:30178", "203.0.113.1:30178"],
  ["http://ar.example:9093", ":7", "ar.example:7"],
  ["http://ar.example:9093", "0.0.0.0:7", "ar.example:7"],
  ["http://ar.example:9093", "[::]:7", "ar.example:7"],
  ["http://ar.example:9093", "[2001:db8::1]:7", "2001:db8::1:7"],
  ["http://ar.example:9093", "x y:7", "ar.example:9093"],
  ["http://ar.example:9093", ":0", "ar.example:9093"],
  ["http://ar.example:9093", 7, "ar.example:9093"],
  [undefined, "udp.example:30178", "udp.example:30178"],
  [undefined, ":30178", undefined],
  [undefined, undefined, undefined],
];

function resolverThat(answers: () => { readonly status: number; readonly text: string }) {
  return new AddressResolverClient(async ({ method, path }) => {
    assert.deepEqual([method, path], ["GET", "/health"]);
    return { headers: [], ...answers() };
  });
}

Deno.test("resolverUdpAddress() goes by the resolver's health, then by its URL", async () => {
  const { signal } = new AbortController();
  for (const [http, said, expected] of CASES) {
    const resolver = resolverThat(() => ({ status: 200, text: JSON.stringify({ udp_address: said }) }));
    const at = await resolverUdpAddress(resolver, http, signal);
    const text = at === undefined ? undefined : `${at.hostname}:${at.port}`;
    assert.equal(text, expected, `${http} and ${said}`);
  }
});

Deno.test("resolverUdpAddress() does without a health that fails where there is a URL", async () => {
  const { signal } = new AbortController();
  for (const answer of [{ status: 500, text: "" }, { status: 200, text: "no JSON" }]) {
    const resolver = resolverThat(() => answer);
    assert.deepEqual(await resolverUdpAddress(resolver, "http://a:1", signal), { hostname: "a", port: 1 });
    await assert.rejects(resolverUdpAddress(resolver, undefined, signal));
  }
});
