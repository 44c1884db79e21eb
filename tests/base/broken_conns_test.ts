/** The compliance suite catches every Conn that is wrong, and lets a right one pass. @module */
import assert from "node:assert/strict";
import { memoryPair } from "../../lib/base/mod.ts";
import { BROKEN_CONNS } from "./broken_conns.ts";
import { COMPLIANCE_CASES, complianceFailures } from "./conn_compliance.ts";

const options = { cannot: { truncate: "no frames" }, pairs: 20, transferBytes: 200_000 };

/** A broken Conn leaves rejections that nobody waits for: they are its flaw, not the test's. */
async function withStrayRejections<T>(work: () => Promise<T>): Promise<T> {
  const ignore = (event: PromiseRejectionEvent) => event.preventDefault();
  globalThis.addEventListener("unhandledrejection", ignore);
  try {
    return await work();
  } finally {
    globalThis.removeEventListener("unhandledrejection", ignore);
  }
}

Deno.test("complianceFailures() finds nothing wrong with a memory pair", async () => {
  const failures = await complianceFailures(({ ledger }) => {
    const [near, far] = memoryPair({ ledger });
    return { near, far };
  }, options);
  assert.deepEqual([...failures], []);
});

for (const { flaw, caughtBy, make } of BROKEN_CONNS) {
  Deno.test(`connCompliance() catches a Conn that ${flaw}`, async () => {
    assert.ok(COMPLIANCE_CASES.some((each) => each.name === caughtBy), `No case is called "${caughtBy}"`);
    const failures = await withStrayRejections(() => complianceFailures(make, options));
    assert.ok(failures.has(caughtBy), `Caught by ${[...failures.keys()].join(" | ") || "nothing"}`);
  });
}

Deno.test("no case of the compliance suite is idle: some broken Conn fails it, for its flaw", async () => {
  const runnable = COMPLIANCE_CASES.filter((each) => each.needs !== "truncate").map((each) => each.name);
  const caught = new Set<string>();
  for (const { flaw, caughtBy, make } of BROKEN_CONNS) {
    const failures = await withStrayRejections(() => complianceFailures(make, options));
    if (flaw.startsWith("leaks")) failures.clear(); // whichever case meets it fails: that says nothing
    caught.add(caughtBy);
    for (const name of failures.keys()) caught.add(name);
  }
  assert.deepEqual(runnable.filter((name) => !caught.has(name)), []);
});
