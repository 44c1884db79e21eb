/** `conf gen`: whom it asks for the services, and what it makes of an answer, of none, and of a wrong one. */
import assert from "node:assert/strict";
import { WorldError } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import {
  A,
  A_CONF,
  B,
  B_CONF,
  DEAD,
  EMBEDDED,
  HOME,
  publicKey,
  put,
  read,
  secretKey,
  withMachine,
} from "./_conf_gen_machine.ts";
import { withControlDouble } from "./_control_double.ts";

/** Answers that are no deployment. */
const JUNK = ["{}", '{"error":"maintenance"}', '{"stun_servers":[]}', "[]", "so much for JSON"];

Deno.test("conf gen -S and $SKYDEPLOY take no file for a deployment that names no dmsg discovery", () =>
  withMachine(async ({ plain, gen, world }) => {
    await put(world, "/empty.json", {});
    await put(world, "/half.json", { prod: { conf: A_CONF } });
    for (const file of ["/own.json", "/home/control.json", "/half.json"]) {
      const { code, stdout, stderr } = await gen("-S", file, "-o", "/new.json");
      assert.deepEqual([code, stdout], [2, ""], file);
      assert.match(
        stderr,
        /^Error: \/\S+: field dmsg_discovery is missing, and so is dmsg_discovery_dmsg\nHint: /,
      );
      const replaced = await plain(["conf", "gen", "--nofetch", "-o", "/new.json"], {
        ...HOME,
        SKYDEPLOY: file,
      });
      assert.deepEqual([replaced.code, /dmsg_discovery is missing/.test(replaced.stderr)], [2, true], file);
    }
    assert.match((await gen("-S", "/empty.json")).stderr, /^Error: \/empty\.json: Deployment must be/);
    assert.equal(await world.files.info("/new.json"), undefined);
  }));

for (const junk of JUNK) {
  Deno.test(`conf gen: an answer of ${junk} is no deployment; the services of a file stay, --nodefaults fails`, () =>
    withMachine(async ({ gen, serve, world }) => {
      const before = await read(world, "/own.json");
      const asked = await serve(B_CONF, () => junk);
      const { code, stdout, stderr } = await gen("-r", "-o", "/own.json");
      assert.equal(code, 0);
      assert.match(stdout, /its key \S+ kept, services of \/own\.json\n$/);
      assert.match(
        stderr,
        /^warning: the configuration service told no deployment, so services stay those of \/own\.json: The config/,
      );
      assert.deepEqual(await read(world, "/own.json"), before);
      const anew = await gen("-a", B_CONF, "-n");
      assert.match(
        anew.stderr,
        /^warning: the configuration service told no deployment, so services are those of the embedded/,
      );
      assert.equal(JSON.parse(anew.stdout).dmsg.discovery, EMBEDDED, "none was there before");
      for (const more of [["-r", "-o", "/own.json"], ["-a", B_CONF, "-o", "/new.json"]]) {
        const refused = await gen("--nodefaults", ...more);
        assert.deepEqual([refused.code, refused.stdout], [4, ""]);
        assert.match(refused.stderr, /^Error: The config bootstrapper answered with/);
      }
      assert.equal(asked(), 4);
      assert.deepEqual(await read(world, "/own.json"), before);
      assert.equal(await world.files.info("/new.json"), undefined);
    }));
}

Deno.test("conf gen -r keeps the services of a file of another network while its service is not reached", () =>
  withMachine(async ({ gen, world }) => {
    const before = await read(world, "/own.json");
    const kept = await gen("-r", "-o", "/own.json", "--minsess", "5");
    assert.equal(kept.code, 0);
    assert.match(
      kept.stderr,
      /^warning: the configuration service was not reached, so services stay those of \/own\.json: /,
    );
    assert.equal(kept.stderr.trimEnd().includes("\n"), false, kept.stderr);
    assert.deepEqual(await read(world, "/own.json"), {
      ...before,
      dmsg: { ...before.dmsg, sessions_count: 5 },
    });
    assert.equal(before.stun_servers[0], "127.0.0.1:3478");
    assert.equal(before.transport.allow_loopback_addresses, true);
    const refused = await gen("-r", "-o", "/own.json", "--nodefaults");
    assert.deepEqual([refused.code, refused.stdout], [3, ""]);

    await put(world, "/none.json", { ...before, conf_service: "" });
    const unnamed = await gen("-r", "-o", "/none.json");
    assert.match(unnamed.stderr, /^warning: the configuration service was not asked, so services stay those/);
    assert.equal((await read(world, "/none.json")).dmsg.discovery, B.dmsg_discovery);

    const dmsgUrl = `dmsg://${publicKey}:80`; // as files of 2024 have it
    await put(world, "/2024.json", {
      ...before,
      conf_service: "",
      dmsg: { ...before.dmsg, discovery: dmsgUrl, discovery_dmsg: undefined },
    });
    assert.equal((await gen("-r", "-o", "/2024.json")).code, 0);
    assert.equal((await read(world, "/2024.json")).dmsg.discovery_dmsg, dmsgUrl);
  }));

Deno.test("conf gen -r of a file of the embedded deployment, or of none, gets the embedded one as before", () =>
  withMachine(async ({ gen, world }) => {
    const names = { sk: secretKey.reveal(), pk: publicKey, conf_service: DEAD };
    await put(world, "/named.json", { ...names, dmsg: { discovery: `${EMBEDDED}/` } });
    await put(world, "/conf.json", names);
    await put(world, "/none.json", { ...names, conf_service: "" });
    for (const file of ["/named.json", "/conf.json", "/none.json"]) {
      const { code, stderr } = await gen("-r", "-o", file, "-a", DEAD);
      assert.equal(code, 0);
      assert.match(
        stderr,
        /^warning: the configuration service was not reached, so services are those of the emb[^\n]*\n$/,
      );
      const config = await read(world, file);
      assert.equal(config.dmsg.discovery, EMBEDDED);
      assert.match(config.conf_service_dmsg, /^dmsg:/);
    }
  }));

Deno.test("conf gen -r asks the network of the file itself, not that of the home; of a file without one the home's", () =>
  withMachine(async ({ gen, serve, world }) => {
    assert.equal((await gen("-S", "/a.json")).code, 0, "the home is of A");
    const ofA = await serve(A_CONF, () => JSON.stringify({ ...A, route_finder: "http://127.0.0.1:7401" }));
    const ofB = await serve(B_CONF, () => JSON.stringify({ ...B, route_finder: "http://127.0.0.1:7402" }));
    const made = await gen("-r", "-o", "/own.json");
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    assert.match(made.stdout, /services of the configuration service\n$/);
    const own = await read(world, "/own.json");
    assert.deepEqual([own.dmsg.discovery, own.routing.route_finder], [
      B.dmsg_discovery,
      "http://127.0.0.1:7402",
    ]);
    assert.deepEqual([ofA(), ofB()], [0, 1]);

    assert.equal((await gen("-r")).stderr, "");
    assert.equal((await read(world, "/home/visor.json")).routing.route_finder, "http://127.0.0.1:7401");
    await put(world, "/none.json", { sk: secretKey.reveal(), log_level: "info" });
    assert.equal((await gen("-r", "-o", "/none.json")).stderr, "");
    assert.equal((await read(world, "/none.json")).dmsg.discovery, A.dmsg_discovery);
    assert.deepEqual([ofA(), ofB()], [2, 1]);

    await put(world, "/home/visor.json", "no configuration of a visor");
    assert.equal((await gen("-r", "-o", "/own.json")).stderr, "");
    assert.equal(ofB(), 2, "a faulty home is not in the way");
  }));

Deno.test("conf gen -r moves a file to another network where that is asked for, and says so", () =>
  withMachine(async ({ plain, gen, serve, world }) => {
    const said =
      `warning: /own.json is of the network of ${B.dmsg_discovery}, and the new configuration of that of `;
    const ofA = await serve(A_CONF, () => JSON.stringify({ dmsg_discovery: A.dmsg_discovery }));
    const ofB = await serve(B_CONF, () => JSON.stringify(B));
    const moved = await gen("-r", "-o", "/own.json", "-a", A_CONF, "-n");
    assert.equal(moved.stderr, `${said}${A.dmsg_discovery}\n`);
    assert.equal(JSON.parse(moved.stdout).dmsg.discovery, A.dmsg_discovery);
    const replaced = await plain(["conf", "gen", "-r", "-o", "/own.json", "-n"], {
      ...HOME,
      SKYDEPLOY: "/a.json",
    });
    assert.equal(replaced.stderr, `${said}${A.dmsg_discovery}\n`);
    assert.equal((await gen("-r", "-o", "/own.json", "-S", "/a.json", "-n")).stderr, moved.stderr);
    assert.equal((await gen("-r", "-o", "/own.json", "--nofetch", "-n")).stderr, `${said}${EMBEDDED}\n`);
    assert.deepEqual([ofA(), ofB()], [2, 0]);

    await put(world, "/faulty.json", { ...await read(world, "/own.json"), stun_servers: 3 });
    const faulty = await gen("-r", "-o", "/faulty.json");
    assert.equal(faulty.code, 2, "nobody knows what would be kept of it");
    assert.match(faulty.stderr, /^Error: \/faulty\.json: field stun_servers: /);
    assert.equal((await gen("-r", "-o", "/faulty.json", "-S", "/b.json")).code, 0, "nothing of it is");
  }));

Deno.test("conf gen asks $SKYDEPLOY's deployment, and with -t the test deployment where that says that it is", () =>
  withMachine(async ({ plain, serve, world }) => {
    await put(world, "/both.json", { prod: A, test: { ...B, conf: B_CONF } });
    const [ofA, ofB] = [await serve(A_CONF, () => JSON.stringify(A)), await serve(B_CONF, () => "{}")];
    const gen = async (...more: string[]) => {
      const { stdout } = await plain(["conf", "gen", "--json", "--dry-run", ...more], {
        ...HOME,
        SKYDEPLOY: "/both.json",
      });
      return JSON.parse(stdout).deployment;
    };
    assert.equal(await gen(), "the configuration service");
    assert.deepEqual([ofA(), ofB()], [1, 0]);
    assert.equal(await gen("-t"), "/both.json");
    assert.deepEqual([ofA(), ofB()], [1, 1]);
  }));

Deno.test("conf gen keeps the address that was asked where the answer names none of its own", () => {
  let told: object = {};
  const dmsg = `dmsg://${publicKey}:80`;
  return withControlDouble({
    serviceAsk: () => ({ status: 200, text: JSON.stringify(told) }),
  }, async ({ plain, world }) => {
    await put(world, "/b.json", { ...B, conf_dmsg: dmsg });
    assert.equal((await plain(["conf", "gen", "-S", "/b.json"], HOME)).code, 0);
    const gen = async (...more: string[]) => {
      const { code, stdout, stderr } = await plain(["conf", "gen", "-r", "-n", ...more], HOME);
      assert.deepEqual([code, stderr], [0, ""]);
      const { conf_service, conf_service_dmsg } = JSON.parse(stdout);
      return [conf_service, conf_service_dmsg];
    };
    told = { ...B, conf: "" };
    assert.deepEqual(await gen(), [B_CONF, dmsg]);
    assert.deepEqual(await gen("--http"), [B_CONF, ""]);
    told = { ...B, conf: "", conf_dmsg: dmsg };
    assert.deepEqual(await gen("--http"), [B_CONF, ""], "it names itself over dmsg alone");
    told = { ...B, conf: "http://127.0.0.1:7999" };
    assert.deepEqual(await gen(), ["http://127.0.0.1:7999", ""], "it is elsewhere now");
    const another = `dmsg://${keyPairFromSeed(new Uint8Array([1])).publicKey}:80`;
    told = { ...B, conf: "", conf_dmsg: another };
    assert.deepEqual(await gen(), ["", another]);
  });
});

Deno.test("conf gen -r asks through the running visor of the home where the file is of its network", () => {
  class Down extends WorldError {
    readonly code = "SERVICE_UNREACHABLE";
  }
  let asked = 0;
  return withControlDouble({
    serviceAsk: () => {
      asked++;
      throw new Down("nobody there");
    },
  }, async ({ plain, world }) => {
    await put(world, "/a.json", A);
    await put(world, "/b.json", B);
    const gen = async (...more: string[]) => (await plain(["conf", "gen", ...more], HOME)).code;
    assert.deepEqual([await gen("-S", "/b.json"), await gen("-S", "/a.json", "-o", "/other.json")], [0, 0]);
    assert.deepEqual([await gen("-r"), asked], [0, 1]);
    assert.deepEqual([await gen("-r", "-o", "/other.json"), asked], [0, 1], "it is on another one");
    await put(world, "/moved.json", { ...await read(world, "/home/visor.json"), conf_service: A_CONF });
    assert.deepEqual([await gen("-r", "-o", "/moved.json"), asked], [0, 1], "it asks elsewhere");
  });
});

Deno.test("conf gen -r of what a visor's first start made asks that visor, wherever it is", () => {
  let asked = 0;
  return withControlDouble({
    serviceAsk: () => {
      asked++;
      return { status: 200, text: JSON.stringify(B) };
    },
  }, async ({ plain, world }) => {
    const made = { sk: secretKey.reveal(), pk: publicKey, dmsg: { discovery: EMBEDDED } };
    await put(world, "/home/visor.json", made);
    const { stderr, stdout } = await plain(["conf", "gen", "-r", "-n"], HOME);
    assert.match(stderr, /^warning: \/home\/visor\.json is of the network of http:\/\/dmsgd[^\n]*\n$/);
    assert.deepEqual([JSON.parse(stdout).dmsg.discovery, asked], [B.dmsg_discovery, 1]);
  }, {
    setUp: async (world) => {
      await put(world, "/b.json", B);
      return { deploymentFile: "/b.json", [Symbol.asyncDispose]: () => Promise.resolve() };
    },
  });
});

Deno.test("conf gen -r --sn takes nothing for a setup node's file but one, and keeps its network", () =>
  withMachine(async ({ gen, world }) => {
    await put(world, "/server.json", {
      public_key: publicKey,
      secret_key: secretKey.reveal(),
      local_address: ":1",
    });
    for (const [file, what] of [["/own.json", "a visor"], ["/server.json", "a dmsg server"]] as const) {
      const before = await read(world, file);
      for (const more of [["-S", "/b.json"], ["--nofetch", "--dry-run"]]) {
        const { code, stderr } = await gen("-r", "--sn", "-o", file, ...more);
        assert.equal(code, 2);
        assert.match(
          stderr,
          new RegExp(`it is the configuration of ${what}, and no configuration of a setup n`),
        );
      }
      assert.deepEqual(await read(world, file), before);
    }
    assert.match((await gen("-r", "--sn", "-o", "/b.json")).stderr, /it is a deployment file, and no conf/);
    assert.equal((await gen("--sn", "-S", "/b.json", "-o", "/sn.json")).code, 0);
    const before = await read(world, "/sn.json");
    const kept = await gen("-r", "--sn", "-o", "/sn.json");
    assert.equal(kept.code, 0);
    assert.match(kept.stderr, /so services stay those of \/sn\.json: \/?\S* ?.*names no config bootstrapper/);
    assert.deepEqual(await read(world, "/sn.json"), before);
    assert.deepEqual([before.transport_discovery, before.dmsg.servers.length], [B.transport_discovery, 1]);
  }));
