/** Autoconnect: up to five public visors, sudph before stcpr, never itself, and no dial for whom it has. */
import assert from "node:assert/strict";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import type { FindServices } from "../../../lib/directory/mod.ts";
import type { TransportType } from "../../../lib/transport/mod.ts";
import { Autoconnect, type AutoconnectOptions } from "../../../lib/visor/presence/mod.ts";
import { type Bench, keyAt, onBench, told } from "./support.ts";

const own = keyAt(0);
const visors = Array.from({ length: 20 }, (_, index) => keyAt(index + 1));
const nameOf = (key: PublicKey) => key === own ? "own" : `${visors.indexOf(key) + 1}`;

class Net {
  readonly dials: string[] = [];
  readonly asked: FindServices[] = [];
  readonly live = new Map<PublicKey, string[]>();
  types: TransportType[] = ["stcpr", "sudph", "dmsg"];
  listed: PublicKey[] = visors;
  /** Undefined: it works. */
  failure: (key: PublicKey, type: string) => Error | "silent" | undefined = () => undefined;

  start({ world: { clock }, log }: Bench, more: Partial<AutoconnectOptions> = {}): Autoconnect {
    // deno-lint-ignore no-this-alias
    const net = this;
    return new Autoconnect({
      clock,
      publicKey: own,
      directory: {
        find: (wanted) => {
          this.asked.push(wanted);
          return Promise.resolve(this.listed.map((publicKey) => ({ publicKey })));
        },
      },
      transports: {
        get types() {
          return net.types;
        },
        to: (key) => (this.live.get(key) ?? []).map((type) => ({ type })),
        dial: async (key, type, { label, signal }) => {
          assert.equal(label, "automatic");
          this.dials.push(`${nameOf(key)} ${type}`);
          const failure = this.failure(key, type);
          if (failure === "silent") {
            await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          }
          if (failure !== undefined) throw failure;
          this.live.set(key, [...this.live.get(key) ?? [], type]);
        },
      },
      log,
      ...more,
    });
  }

  taken(): string[] {
    return this.dials.splice(0);
  }
}

Deno.test("VI-1: five public visors are connected after 10 s, by sudph, and looked at every 5 min", () =>
  onBench(async (bench) => {
    const net = new Net();
    const auto = net.start(bench);
    await bench.wait(9_900);
    assert.deepEqual(net.asked, []);
    await bench.wait(200);
    assert.deepEqual(net.taken(), ["1 sudph", "2 sudph", "3 sudph", "4 sudph", "5 sudph"]);
    assert.deepEqual(net.asked, [{ type: "visor", quantity: 10 }]);
    assert.equal(auto.connected, 5);
    await bench.wait(300_000);
    assert.deepEqual([net.asked.length, net.taken()], [1, []], "nobody is missing: nobody is asked");
    net.live.delete(visors[1]!);
    net.live.delete(visors[3]!);
    assert.equal(auto.connected, 3);
    net.listed = [visors[0]!, visors[3]!, visors[8]!, visors[9]!];
    await bench.wait(300_000);
    assert.deepEqual(
      net.taken(),
      ["4 sudph", "9 sudph"],
      "two are missing, and those that live are left alone",
    );
    await auto.close();
    net.live.clear();
    await bench.wait(900_000);
    assert.deepEqual(net.taken(), []);
  }));

Deno.test("stcpr comes after sudph, of what the visor serves; the visor itself and strangers beyond ten are no candidates", () =>
  onBench(async (bench) => {
    const net = new Net();
    net.listed = [own, ...visors];
    net.failure = (_, type) => type === "sudph" ? new Error("no hole") : undefined;
    net.live.set(visors[0]!, ["dmsg"]);
    net.live.set(visors[1]!, ["stcpr"]);
    const auto = net.start(bench);
    await bench.wait(11_000);
    assert.deepEqual(
      net.taken(),
      [1, 3, 4, 5].flatMap((at) => [`${at} sudph`, `${at} stcpr`]),
      "a transport over dmsg is none of these, one that somebody else made counts",
    );
    await auto.close();

    const one = new Net();
    one.types = ["stcpr", "dmsg"];
    one.failure = () => new Error("closed");
    const other = one.start(bench);
    await bench.wait(11_000);
    assert.deepEqual(one.taken().length, 10);
    assert.equal(other.connected, 0);
    assert.deepEqual(told(bench.records), [], "who cannot be reached is nothing that is wrong here");
    await other.close();
  }));

Deno.test("a dial in silence is given up after 12 s, and holds no end up", () =>
  onBench(async (bench) => {
    const net = new Net();
    net.listed = visors.slice(0, 2);
    net.failure = (key) => key === visors[0] ? "silent" : undefined;
    const auto = net.start(bench);
    await bench.wait(10_000 + 2 * 12_000 + 100);
    assert.deepEqual(net.taken(), ["1 sudph", "1 stcpr", "2 sudph"]);
    await bench.wait(300_000 + 5_000);
    const startedMs = bench.nowMs();
    await auto.close();
    assert.equal(bench.nowMs(), startedMs);
  }));

Deno.test("while the service discovery is away, visors that have such transports are taken; without any of it, it is tried again", () =>
  onBench(async (bench) => {
    const directory = { find: () => Promise.reject(new Error("away")) };
    const net = new Net();
    const asked: number[] = [];
    const auto = net.start(bench, {
      directory,
      others: (count) => {
        asked.push(count);
        return Promise.resolve([visors[6]!, own]);
      },
    });
    await bench.wait(11_000);
    assert.deepEqual([net.taken(), asked], [["7 sudph"], [10]]);
    await auto.close();

    const lonely = new Net();
    let tries = 0;
    const other = lonely.start(bench, {
      directory: {
        find: () => {
          tries++;
          return Promise.reject(new Error("away"));
        },
      },
    });
    await bench.wait(10_000 + 36_000);
    assert.equal(tries, 4);
    assert.deepEqual(told(bench.records), ["warn It does not work, and is tried again"]);
    await other.close();
  }));
