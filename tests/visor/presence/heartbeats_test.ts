/** Heartbeats: every 5 min, the first after 5 min; again sooner where one failed. */
import assert from "node:assert/strict";
import { Heartbeats } from "../../../lib/visor/presence/mod.ts";
import { onBench, told } from "./support.ts";

Deno.test("VI-1: a heartbeat every 5 min, the first after 5 min, none after the end", () =>
  onBench(async ({ world: { clock }, log, nowMs, wait, records }) => {
    const times: number[] = [];
    const beats = new Heartbeats({
      clock,
      service: "uptime tracker",
      beat: () => Promise.resolve(times.push(nowMs() / 60_000) > 0),
      log,
    });
    assert.deepEqual(beats.state(), { service: "uptime tracker", lastMs: undefined, failure: undefined });
    await wait(16 * 60_000);
    assert.deepEqual(times.map(Math.round), [5, 10, 15]);
    assert.equal(Math.round((clock.monotonicMs() - beats.state().lastMs!) / 1_000), 60);
    await beats.close();
    await wait(20 * 60_000);
    assert.equal(times.length, 3);
    assert.deepEqual(told(records), []);
  }));

Deno.test("a heartbeat that fails is tried again after 5, 10, 20 ... s, and the next comes 5 min after the one that worked", () =>
  onBench(async ({ world: { clock }, log, nowMs, wait, records }) => {
    const times: number[] = [];
    let fails = true;
    const beats = new Heartbeats({
      clock,
      service: "uptime tracker",
      beat: () => {
        times.push(Math.round(nowMs() / 1_000));
        return fails ? Promise.reject(new Error("away")) : Promise.resolve(true);
      },
      log,
    });
    await wait(340_000);
    assert.deepEqual(times, [300, 305, 315, 335]);
    assert.equal(beats.state().failure, "away");
    fails = false;
    await wait(400_000);
    assert.deepEqual(times.slice(4), [375, 675]);
    assert.equal(beats.state().failure, undefined);
    assert.deepEqual(told(records), ["warn It does not work, and is tried again", "info It works again"]);
    await beats.close();
  }));

Deno.test("a service that counts nobody is no failure; one that is silent is cut off, and holds no end up", () =>
  onBench(async ({ world: { clock }, log, nowMs, wait, records }) => {
    const before = new Heartbeats({ clock, service: "old", beat: () => Promise.resolve(false), log });
    let asked = 0;
    const silent = new Heartbeats({
      clock,
      service: "silent",
      beat: (signal) => {
        asked++;
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
      log,
    });
    await wait(301_000);
    assert.deepEqual(before.state(), { service: "old", lastMs: undefined, failure: "it counts nobody" });
    assert.deepEqual(told(records), []);
    await wait(35_000);
    assert.equal(asked, 2, "30 s, then 5 s");
    assert.match(silent.state().failure!, /30/);
    const startedMs = nowMs();
    await Promise.all([before.close(), silent.close()]);
    assert.equal(nowMs(), startedMs);
  }));
