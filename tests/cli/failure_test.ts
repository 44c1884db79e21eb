import assert from "node:assert/strict";
import { CallerError, MalformedError, TimedOutError } from "../../lib/base/mod.ts";
import { failureOf, renderFailure, renderFailureJson } from "../../lib/cli/failure.ts";
import { Command } from "../../lib/cli/mod.ts";

class BadSettingError extends CallerError {
  readonly code = "BAD_SETTING";
}

Deno.test("failureOf() gives each fault its exit code", () => {
  assert.deepEqual(failureOf(new BadSettingError("no")).exitCode, 2);
  assert.deepEqual(failureOf(new TimedOutError("dial", 5)).exitCode, 3);
  assert.deepEqual(failureOf(new MalformedError("bad bytes")).exitCode, 4);
  assert.deepEqual(failureOf(new DOMException("Interrupted", "AbortError")).exitCode, 130);
});

Deno.test("failureOf() takes everything unforeseen for a defect, and keeps its stack", () => {
  for (const thrown of [new TypeError("x is undefined"), "a text", undefined, null, 7]) {
    const { code, exitCode } = failureOf(thrown);
    assert.deepEqual([code, exitCode], ["INTERNAL", 1]);
  }
  const text = renderFailure(failureOf(new TypeError("x is undefined")));
  assert.match(text, /^Error: x is undefined\n\s+at .*failure_test\.ts/);
  assert.doesNotMatch(renderFailure(failureOf(new TimedOutError("dial", 5))), /\n\s+at /);
});

Deno.test("renderFailure() sets causes further in, nearest first, and the hint last", () => {
  const inner = new TimedOutError("Dial of 127.0.0.1:80", 20, { hint: "is it up?" });
  const error = new BadSettingError("Cannot start", { cause: new Error("No session", { cause: inner }) });
  assert.deepEqual(
    renderFailure(failureOf(error)),
    "Error: Cannot start\n" +
      "  because: No session\n" +
      "    because: Dial of 127.0.0.1:80 did not finish within 20 ms\n" +
      "Hint: is it up?\n",
  );
});

Deno.test("failureOf() stops at a chain of causes that has no end", () => {
  const first = new Error("a");
  first.cause = new Error("b", { cause: first });
  assert.deepEqual(failureOf(first).causes.length, 6);
});

Deno.test("renderFailureJson() is one document with code, message, hint and causes", () => {
  const error = new BadSettingError("Cannot start", { cause: "a text", hint: "try again" });
  assert.deepEqual(JSON.parse(renderFailureJson(failureOf(error))), {
    error: { code: "BAD_SETTING", message: "Cannot start", hint: "try again", causes: ["a text"] },
  });
  assert.deepEqual(JSON.parse(renderFailureJson(failureOf(new MalformedError("x")))).error.hint, null);
});

Deno.test("failureOf() turns commander's complaints into usage errors with a hint", async () => {
  const tree = () => {
    const root = new Command("t").exitOverride().configureOutput({ outputError() {}, writeErr() {} });
    root.command("verb").argument("<key>").option("--size <n>").action(() => {});
    return root;
  };
  const cases: [string[], RegExp, RegExp][] = [
    [["vreb"], /^Unknown command 'vreb'$/, /Did you mean verb\?/],
    [["verb", "k", "--sise", "1"], /^Unknown option '--sise'$/, /Did you mean --size\?/],
    [["verb"], /^Missing required argument 'key'$/, /--help/],
    [["verb", "k", "--size"], /argument missing$/, /--help/],
    [["verb", "k", "more"], /^Too many arguments/, /--help/],
    [[], /^No command is given$/, /one of the commands above/],
  ];
  for (const [argv, message, hint] of cases) {
    const thrown = await tree().parseAsync(argv, { from: "user" }).then(() => undefined, (error) => error);
    const failure = failureOf(thrown);
    assert.deepEqual([failure.code, failure.exitCode], ["USAGE", 2]);
    assert.match(failure.message, message);
    assert.match(failure.hint ?? "", hint);
  }
});

Deno.test("renderFailure() lets no word of a peer steer the terminal", () => {
  const cause = new Error("\x9b2J");
  const text = renderFailure(failureOf(new MalformedError("it said \x1b]0;x\x07\nHint: rm", { cause })));
  assert.deepEqual(text, "Error: it said \\x1b]0;x\\x07\\x0aHint: rm\n  because: \\x9b2J\n");
});
