/** Apps by name: arguments, states, restarts, and skysocks over them. */
import assert from "node:assert/strict";
import { ConnResetError, type LogRecord, logTo, memoryPair, silentLog } from "../../../lib/base/mod.ts";
import { connectSocks } from "../../../lib/proxy/mod.ts";
import { sleep, type World } from "../../../lib/runtime/mod.ts";
import {
  type AppEntry,
  type AppInstance,
  type AppNetwork,
  type AppProgram,
  Launcher,
  LAUNCHER_APPS_MAX,
  shownArguments,
} from "../../../lib/visor/apps/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { echo, keyOf, Offers, readText, target, utf8 } from "../../proxy/skysocks/_bench.ts";

const SERVER = keyOf("server visor");

/** A network of one visor: what it dials reaches its own listeners. */
class LoopNetwork implements AppNetwork {
  readonly dials: { publicKey: string; port: number; direct?: boolean; minHops?: number }[] = [];
  readonly ports = new Map<number, Offers>();
  constructor(readonly world: World) {}

  dial: AppNetwork["dial"] = (to, { direct, minHops }) => {
    this.dials.push({ ...to, direct, minHops });
    const listener = this.ports.get(to.port);
    if (listener === undefined) return Promise.reject(new ConnResetError(`no listener on port ${to.port}`));
    const [near, far] = memoryPair({ ledger: this.world.ledger });
    listener.offer(far, keyOf("own"));
    return Promise.resolve(near);
  };

  listen: AppNetwork["listen"] = (port) => {
    if (this.ports.has(port)) throw new ConnResetError("port already bound");
    const offers = new Offers();
    this.ports.set(port, offers);
    return {
      accept: () => offers.accept(),
      close: () => {
        offers.close();
        this.ports.delete(port);
      },
    };
  };
}

function withLauncher(
  entries: readonly Partial<AppEntry>[],
  test: (launcher: Launcher, network: LoopNetwork, world: World) => Promise<void>,
  programs?: Record<string, AppProgram>,
): Promise<void> {
  return withSimulation(3, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      const network = new LoopNetwork(world);
      const launcher = new Launcher({
        world,
        network,
        log: silentLog,
        programs,
        entries: entries.map((entry) => ({
          name: "x",
          binary: entry.name ?? "x",
          args: [],
          autoStart: false,
          port: 0,
          ...entry,
        })),
      });
      try {
        await test(launcher, network, world);
      } finally {
        await launcher.close();
      }
    });
  });
}

/** As `config gen` of 2024 writes them, and one in the form of 2026. */
const CONFIGURED: readonly Partial<AppEntry>[] = [
  { name: "vpn-client", binary: "skywire", args: ["app", "vpn-client", "--dns", "1.1.1.1"], port: 43 },
  {
    name: "skychat",
    binary: "skywire",
    args: ["app", "skychat", "--addr", ":8001"],
    port: 1,
    autoStart: true,
  },
  { name: "skysocks", binary: "skywire", args: ["app", "skysocks"], port: 3, autoStart: true },
  {
    name: "skysocks-client",
    binary: "skywire",
    args: ["app", "skysocks-client", "--addr", ":1080", "--srv", SERVER, "--direct"],
    port: 13,
    autoStart: true,
  },
  { name: "second", binary: "skysocks-client", args: [`--srv=${SERVER}`, "--addr=:1081"] },
];

Deno.test("what the configuration starts by itself carries bytes, from its arguments alone (VI-2)", () =>
  withLauncher(CONFIGURED, async (launcher, network, world) => {
    launcher.startConfigured();
    await sleep(world.clock, 5_000);
    assert.deepEqual(
      launcher.apps().map(({ name, status, detailedStatus, builtIn }) =>
        `${name}: ${status}, ${detailedStatus}, ${builtIn}`
      ),
      [
        "vpn-client: stopped, not built in, false",
        "skychat: errored, Cannot start skychat: the app is not built in, only skysocks, skysocks-client are, false",
        "skysocks: running, Running, true",
        "skysocks-client: running, Running, true",
        "second: stopped, Stopped, true",
      ],
    );
    assert.deepEqual(network.dials.at(-1), { publicKey: SERVER, port: 3, direct: true, minHops: undefined });
    const { proxy } = launcher.app("skysocks-client")!;
    assert.equal(proxy!.address, "127.0.0.1:1080");
    assert.deepEqual([proxy!.server, proxy!.connected, proxy!.direct, proxy!.sessions], [
      SERVER,
      true,
      true,
      1,
    ]);
    const echoing = await target(world, echo);
    const program = await world.network.dial({ hostname: "127.0.0.1", port: 1080 });
    const { conn } = await connectSocks(program, echoing.address, { clock: world.clock });
    await conn.write(utf8("hello"));
    assert.equal(await readText(conn, 5), "hello");
    conn.close();
    await echoing.close();
  }));

Deno.test("a client survives its server: stopped, started, stopped and started again (VI-2)", () =>
  withLauncher(CONFIGURED, async (launcher, _network, world) => {
    await launcher.start("skysocks");
    await launcher.start("skysocks-client");
    await sleep(world.clock, 1_000);
    for (let round = 1; round <= 2; round++) {
      await launcher.stop("skysocks");
      await sleep(world.clock, 30_000);
      const lost = launcher.app("skysocks-client")!;
      assert.deepEqual(
        [lost.status, lost.detailedStatus, lost.restarts],
        ["starting", "Connection failed, reconnecting", 0],
      );
      assert.match(lost.proxy!.lastFailure!, /no listener|ended/);
      await launcher.start("skysocks");
      await sleep(world.clock, 31_000);
      const healed = launcher.app("skysocks-client")!;
      assert.deepEqual([healed.status, healed.proxy!.sessions], ["running", round + 1]);
    }
  }));

Deno.test("start and stop do nothing the second time, other arguments start anew", () =>
  withLauncher(CONFIGURED, async (launcher, network, world) => {
    await launcher.start("skysocks");
    assert.equal((await launcher.start("skysocks")).status, "running");
    assert.equal(network.ports.size, 1);
    await launcher.start("second", { args: ["--srv", SERVER, "--addr", ":1081"] });
    await sleep(world.clock, 500);
    assert.equal(launcher.app("second")!.proxy!.address, "127.0.0.1:1081");
    const other = await launcher.start("second", {
      args: ["--srv", SERVER, "--addr", "127.0.0.1:1082", "--min-hops", "2"],
    });
    assert.equal(other.proxy!.address, "127.0.0.1:1082");
    await sleep(world.clock, 500);
    assert.equal(network.dials.at(-1)!.minHops, 2);
    for (let count = 0; count < 2; count++) {
      assert.deepEqual((await launcher.stop("second")).status, "stopped");
    }
    assert.equal((await launcher.stop("vpn-client")).detailedStatus, "not built in");
  }));

Deno.test("a new name needs an app, and is kept when its arguments can be used", () =>
  withLauncher([], async (launcher) => {
    await assert.rejects(launcher.start("proxy2"), { code: "APP_NOT_FOUND" });
    await assert.rejects(launcher.stop("proxy2"), { code: "APP_NOT_FOUND" });
    await assert.rejects(launcher.start("proxy2", { app: "skysocks-client" }), { code: "APP_ARGUMENTS" });
    assert.deepEqual(launcher.apps(), []);
    const args = ["--srv", SERVER, "--addr", ":0"];
    assert.equal((await launcher.start("proxy2", { app: "skysocks-client", args })).status, "starting");
    assert.deepEqual(launcher.apps().map(({ name, app }) => [name, app]), [["proxy2", "skysocks-client"]]);
    await assert.rejects(launcher.start("toString"), { code: "APP_NOT_FOUND" });
  }));

Deno.test("arguments that cannot be used are told by name, and shown as the app's state", () =>
  withLauncher(CONFIGURED, async (launcher) => {
    const wrong: [string[], RegExp][] = [
      [[], /--srv: the key of the server's visor is missing/],
      [["--srv"], /--srv: its value is missing/],
      [["--srv", "abc"], /--srv: it must be a public key/],
      [["--srv", SERVER, "--addr", "1080"], /--addr: it must be host:port/],
      [["--srv", SERVER, "--addr", ":70000"], /--addr: it must be host:port/],
      [["--srv", SERVER, "--http", ":8080"], /no argument of that name; it has --srv, --addr/],
      [["--srv", SERVER, "--min-hops", "x"], /--min-hops: it is a whole number from 1 to 64/],
      [["--srv", SERVER, "--direct=maybe"], /--direct: it is true or false/],
      [["--srv", SERVER, "--direct", "--min-hops", "2"], /--direct: it is one hop/],
      [["--srv", SERVER, "stray"], /no argument of that name/],
      [["--__proto__", "1"], /no argument of that name/],
    ];
    for (const [args, message] of wrong) {
      await assert.rejects(launcher.start("second", { args }), { code: "APP_ARGUMENTS", message });
      const { status, detailedStatus, args: kept } = launcher.app("second")!;
      assert.equal(status, "errored");
      assert.match(detailedStatus, message);
      assert.deepEqual(kept, CONFIGURED[4]!.args, "what was configured stays");
    }
    await assert.rejects(launcher.start("second", { args: ["--srv", SERVER, "--addr", "nonsense"] }), {
      hint: "--addr :1081, or 127.0.0.1:1081",
    });
    // One that runs goes on when new arguments are wrong.
    await launcher.start("second");
    await assert.rejects(launcher.start("second", { args: ["--srv"] }), { code: "APP_ARGUMENTS" });
    assert.equal(launcher.app("second")!.status, "starting");
  }));

Deno.test("a port that is taken is tried again, and the state says why", () =>
  withLauncher(CONFIGURED, async (launcher, _network, world) => {
    const holder = await world.network.listen({ hostname: "127.0.0.1", port: 1081 });
    const { status, detailedStatus } = await launcher.start("second");
    assert.equal(status, "errored");
    assert.match(detailedStatus, /1081: the port is in use/);
    holder.close();
    await sleep(world.clock, 61_000);
    assert.equal(launcher.app("second")!.status, "starting", "it listens now, and looks for its server");
    assert.equal(launcher.app("second")!.restarts >= 1, true);
  }));

Deno.test("an app that nobody configured is stopped and forgotten by remove(); its name is free again", () =>
  withLauncher(CONFIGURED, async (launcher, _network, world) => {
    const made = { app: "skysocks-client", args: ["--srv", SERVER, "--addr", ":1085"] };
    const names = () => launcher.apps().map(({ name }) => name);
    const configured = names();
    for (let round = 0; round < 2; round++) { // the port is free again, too
      assert.equal((await launcher.start("made", made)).status, "starting");
      assert.deepEqual(names(), [...configured, "made"]);
      assert.equal((await launcher.remove("made")).status, "stopped");
      assert.deepEqual(names(), configured);
      await assert.rejects(launcher.start("made"), { code: "APP_NOT_FOUND" });
      await assert.rejects(launcher.remove("made"), { code: "APP_NOT_FOUND" });
    }
    await launcher.start("second");
    await assert.rejects(launcher.remove("second"), { code: "APP_CONFIGURED", message: /configuration/ });
    assert.notEqual(launcher.app("second")!.status, "stopped");
    // What is asked while it goes comes after.
    await launcher.start("made", made);
    const gone = launcher.remove("made");
    const again = launcher.start("made", made);
    await gone;
    assert.equal((await again).status, "starting");
    assert.deepEqual(names(), [...configured, "made"]);
    const both = [launcher.remove("made"), launcher.remove("made")];
    await Promise.all(both);
    assert.deepEqual(names(), configured);
    await sleep(world.clock, 10_000);
  }));

/** An app that ends when it is told to. */
function mortal(): { program: AppProgram; end: () => void; starts: () => number; live: () => number } {
  let end = () => {}, starts = 0, live = 0;
  return {
    starts: () => starts,
    live: () => live,
    end: () => end(),
    program: () => (): Promise<AppInstance> => {
      const ended = Promise.withResolvers<void>();
      starts++;
      live++;
      let isLive = true;
      end = ended.resolve;
      return Promise.resolve({
        ended: ended.promise,
        state: () => ({ status: "running", detailedStatus: "Running" }),
        close: () => {
          if (isLive) live--;
          isLive = false;
          ended.resolve();
          return Promise.resolve();
        },
      });
    },
  };
}

Deno.test("an app that ends by itself is started again, later each time, and at once after it ran well", () => {
  const app = mortal();
  return withLauncher([{ name: "m" }], async (launcher, _network, world) => {
    await launcher.start("m");
    const pauses: number[] = [];
    for (let count = 1; count <= 9; count++) {
      app.end();
      const endedMs = world.clock.monotonicMs();
      await sleep(world.clock, 0);
      const { status, detailedStatus } = launcher.app("m")!;
      assert.deepEqual([status, detailedStatus], ["errored", "The app has ended by itself"]);
      while (app.starts() === count) await sleep(world.clock, 500);
      pauses.push(Math.round((world.clock.monotonicMs() - endedMs) / 1_000));
    }
    assert.deepEqual(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert.equal(launcher.app("m")!.restarts, 9);
    await sleep(world.clock, 61_000);
    app.end();
    await sleep(world.clock, 1_500);
    assert.deepEqual([launcher.app("m")!.status, app.live()], ["running", 1]);
    await launcher.stop("m");
    assert.deepEqual([launcher.app("m")!.status, app.live()], ["stopped", 0]);
    await sleep(world.clock, 120_000);
    assert.equal(app.live(), 0, "a stopped app stays stopped");
  }, { m: app.program });
});

Deno.test("a stop ends an app that is just starting, and one that waits to be started again", () => {
  const starting = Promise.withResolvers<void>();
  const app = mortal();
  return withLauncher([{ name: "slow" }, { name: "m" }], async (launcher, _network, world) => {
    const started = launcher.start("slow");
    await sleep(world.clock, 0);
    assert.deepEqual(launcher.app("slow")!.detailedStatus, "Starting");
    const stopped = launcher.stop("slow");
    await sleep(world.clock, 0);
    assert.deepEqual(launcher.app("slow")!.detailedStatus, "Shutting down");
    starting.resolve();
    assert.equal((await stopped).status, "stopped");
    await started;
    assert.equal(app.live(), 0, "what came too late was closed");
    await launcher.start("m");
    app.end();
    await sleep(world.clock, 100);
    const beforeMs = world.clock.monotonicMs();
    await launcher.stop("m");
    assert.equal(world.clock.monotonicMs(), beforeMs);
  }, {
    m: app.program,
    slow: (args) => {
      const start = app.program(args);
      return async (context) => {
        await starting.promise;
        return await start(context);
      };
    },
  });
});

Deno.test("starts and stops of one app at the same time leave the last word to the last one", () => {
  const app = mortal();
  return withLauncher([{ name: "m" }], async (launcher) => {
    const calls = Array.from(
      { length: 21 },
      (_, index) => index % 2 ? launcher.stop("m") : launcher.start("m"),
    );
    await Promise.all(calls);
    assert.deepEqual([launcher.app("m")!.status, app.live()], ["running", 1]);
    await launcher.close();
    assert.equal(app.live(), 0);
    assert.equal((await launcher.start("m")).status, "stopped", "a closed launcher starts nothing");
  }, { m: app.program });
});

Deno.test("there is a bound of apps", () => {
  const app = mortal();
  const programs = { m: app.program };
  return withLauncher([], async (launcher) => {
    for (let count = 0; count < LAUNCHER_APPS_MAX; count++) await launcher.start(`m${count}`, { app: "m" });
    await assert.rejects(launcher.start("one more", { app: "m" }), { code: "LIMIT_REACHED" });
    await launcher.start("m0", { app: "m" });
  }, programs);
});

Deno.test("a passcode is in no shown arguments, however it is given", () => {
  const cases: [string[], string[]][] = [
    [["--passcode", "secret"], ["--passcode", "***"]],
    [["-passcode", "secret"], ["-passcode", "***"]],
    [["--passcode=secret"], ["--passcode=***"]],
    [["-passcode=secret=more\nand more"], ["-passcode=***"]],
    [["app", "skysocks", "--whitelist", "k", "--passcode", "secret", "--port", "3"], [
      "app",
      "skysocks",
      "--whitelist",
      "k",
      "--passcode",
      "***",
      "--port",
      "3",
    ]],
    [["--passcode", "--passcode", "secret"], ["--passcode", "***", "***"]],
    [["--passcode", "one", "--passcode=secret"], ["--passcode", "***", "--passcode=***"]],
    [["--Passcode", "secret"], ["--Passcode", "***"]],
    [["--passcode="], ["--passcode="]],
    [["--passcode", ""], ["--passcode", ""]],
    [["--passcode"], ["--passcode"]],
    [["passcode", "word"], ["passcode", "word"]],
    [[], []],
  ];
  for (const [given, shown] of cases) assert.deepEqual(shownArguments(given), shown);
});

Deno.test("a passcode works and is neither in states nor in logs", () =>
  withSimulation("passcode", async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      const logged: LogRecord[] = [];
      const log = logTo((record) => logged.push(record), () => simulation.nowMs);
      const entry = { name: "skysocks", binary: "skysocks", autoStart: true, port: 3 };
      const entries = [
        { ...entry, args: ["--passcode", "secret"] },
        { ...entry, name: "vpn-server", binary: "vpn-server", args: ["--passcode=secret"] },
      ];
      await using launcher = new Launcher({ world, network: new LoopNetwork(world), log, entries });
      launcher.startConfigured();
      await sleep(world.clock, 1_000);
      const shown = [launcher.apps(), launcher.app("skysocks")];
      shown.push(await launcher.start("skysocks", { args: ["--passcode=secret two"] }));
      assert.equal(launcher.app("skysocks")!.status, "running");
      assert.deepEqual(launcher.app("skysocks")!.args, ["--passcode=***"]);
      await assert.rejects(
        launcher.start("skysocks", { args: ["--passcode", "secret", "--other"] }),
        (error) => shown.push(String(error) as never) > 0,
      );
      await assert.rejects(
        launcher.start("skysocks", { args: ["--passcode", "x", "secret"] }),
        (error) => shown.push(String(error) as never) > 0,
      );
      shown.push(await launcher.stop("skysocks"));
      assert.ok(logged.length > 0);
      assert.doesNotMatch(JSON.stringify([shown, logged]), /secret/);
    });
  }));
