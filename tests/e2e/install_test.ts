import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { withFolder } from "./_process.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

Deno.test("README's install command makes a skyctl that runs from any folder, and can be given again", () =>
  withFolder(async (folder) => {
    const [line] = /^deno install [^#\n]*/m.exec(await Deno.readTextFile(`${root}README.md`)) ?? [];
    assert(line !== undefined, "README.md names no install command");
    const run = async (program: string, args: readonly string[], cwd: string) => {
      const env = { DENO_INSTALL_ROOT: folder, NO_COLOR: "1" };
      const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args], cwd, env })
        .output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout);
    };
    const lock = await Deno.readTextFile(`${root}deno.lock`);
    for (let times = 0; times < 2; times++) {
      await run(Deno.execPath(), line.trim().split(/\s+/).slice(1), root);
      const program = Deno.build.os === "windows" ? `${folder}/bin/skyctl.cmd` : `${folder}/bin/skyctl`;
      assert.match(await run(program, ["keys", "gen"], folder), /^public key: 0[23][0-9a-f]{64}\n$/);
    }
    assert.equal(await Deno.readTextFile(`${root}deno.lock`), lock, "the project's own lock file stays");
  }));
