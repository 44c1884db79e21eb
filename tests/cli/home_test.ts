/** homeOf(): which folder a command works with. */
import assert from "node:assert/strict";
import { homeOf } from "../../lib/cli/mod.ts";

Deno.test("homeOf() takes the option before the environment, and that before the user's own folder", () => {
  const cases: [option: string | undefined, environment: Record<string, string>, home: string][] = [
    ["/given", { SKYCTL_HOME: "/named", HOME: "/me" }, "/given"],
    [undefined, { SKYCTL_HOME: "/named", HOME: "/me" }, "/named"],
    [undefined, { SKYCTL_HOME: "", HOME: "/me" }, "/me/.skyctl"],
    ["", { HOME: "/me" }, "/me/.skyctl"],
    [undefined, { HOME: "/me/" }, "/me/.skyctl"],
    [undefined, { HOME: "", USERPROFILE: "C:\\Users\\me" }, "C:\\Users\\me/.skyctl"],
    [undefined, { USERPROFILE: "C:\\Users\\me\\" }, "C:\\Users\\me/.skyctl"],
    [undefined, {}, ".skyctl"],
    ["/given//", {}, "/given"],
    ["D:\\sky\\", {}, "D:\\sky"],
    ["/", {}, "/"],
  ];
  for (const [home, environment, expected] of cases) {
    assert.equal(
      homeOf({ env: (name) => environment[name] }, { home }),
      expected,
      JSON.stringify([home, environment]),
    );
  }
});
