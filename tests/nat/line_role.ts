/**
 * A line between namespaces, as a process: IPv4 packets out of one TUN device and, later or never, into another.
 * What `tc netem` does where the kernel has it; here it needs `/dev/net/tun` and root alone.
 *
 *     namespace a: tun sky-a  ──┐                      ┌──  tun sky-b :namespace b
 *                               └─ delay, lose, hold ──┘
 *
 * A role of `tests/bench/_child.ts`, started with a JSON list of {@link LineEnd}. UDP alone is lost and held back;
 * everything is delayed.
 *
 * @module
 */
import { serveCommands } from "../bench/_child.ts";
import { Impairment, type ImpairmentOptions } from "./impairment.ts";

/** One device, and who is behind it. */
export interface LineEnd {
  /** Of the device. */
  readonly name: string;
  /** Packets to it leave by this device. */
  readonly address: string;
}

/** Of every direction from now on; each has a seed of its own made from `seed`. */
export type LineSettings = ImpairmentOptions;

const O_RDWR_NONBLOCK = 0o4002;
const TUNSETIFF = 0x4004_54can;
const IFF_TUN_NO_PI = 0x1001;
const POLLIN = 1;
/** Longest wait for packets: settings may come in between. */
const POLL_MS_MAX = 50;
const PACKET_BYTES_MAX = 65_536;
/** Packets taken from a device before others have their turn. */
const TURN_PACKETS = 256;
const UDP = 17;

const libc = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
}).symbols;

interface Held {
  readonly packet: Uint8Array<ArrayBuffer>;
  readonly atMs: number;
}

/** What goes into one device: packets that are on time, and those that were held back; both in order. */
class Way {
  readonly #queues: readonly [Held[], Held[]] = [[], []];
  readonly #at = [0, 0];

  add(held: Held, isLate: boolean): void {
    this.#queues[isLate ? 1 : 0].push(held);
  }

  /** When the next one is due. */
  get dueMs(): number {
    return Math.min(...this.#queues.map((queue, index) => queue[this.#at[index]!]?.atMs ?? Infinity));
  }

  take(nowMs: number, give: (packet: Uint8Array<ArrayBuffer>) => void): void {
    for (const [index, queue] of this.#queues.entries()) {
      let at = this.#at[index]!;
      while (at < queue.length && queue[at]!.atMs <= nowMs) give(queue[at++]!.packet);
      if (at > 1_024 || at === queue.length) {
        queue.splice(0, at);
        at = 0;
      }
      this.#at[index] = at;
    }
  }
}

function openDevice(name: string): number {
  const file = libc.open(new TextEncoder().encode("/dev/net/tun\0"), O_RDWR_NONBLOCK);
  const request = new Uint8Array(40);
  new TextEncoder().encodeInto(name, request);
  new DataView(request.buffer).setUint16(16, IFF_TUN_NO_PI, true);
  if (file < 0 || libc.ioctl(file, TUNSETIFF, request) < 0) throw new Error(`Cannot make the device ${name}`);
  return file;
}

async function carry(ends: readonly LineEnd[]): Promise<never> {
  const files = ends.map(({ name }) => openDevice(name));
  const byAddress = new Map(ends.map(({ address }, index) => [addressNumber(address), index]));
  const polls = new DataView(new ArrayBuffer(files.length * 8));
  for (const [index, file] of files.entries()) {
    polls.setInt32(index * 8, file, true);
    polls.setInt16(index * 8 + 4, POLLIN, true);
  }
  const ways = ends.map(() => new Way());
  let settings: LineSettings = { seed: 1, delayMs: 0 };
  let impairments: Impairment[] = [];
  const use = (next: LineSettings) => {
    settings = next;
    impairments = ends.map((_, index) => new Impairment({ ...next, seed: next.seed * 31 + index }));
  };
  use(settings);
  void serveCommands({ use });

  const buffer = new Uint8Array(PACKET_BYTES_MAX);
  const view = new DataView(buffer.buffer);
  for (;;) {
    for (const [index, file] of files.entries()) {
      for (let turn = 0; turn < TURN_PACKETS; turn++) {
        const bytes = Number(libc.read(file, buffer, BigInt(buffer.length)));
        if (bytes < 20) break; // nothing waits
        const to = byAddress.get(view.getUint32(16));
        if (buffer[0]! >> 4 !== 4 || to === undefined) continue;
        const nowMs = performance.now();
        const isUdp = buffer[9] === UDP;
        const atMs = isUdp ? impairments[index]!.arrivalMs(nowMs) : nowMs + settings.delayMs;
        if (atMs === undefined) continue;
        ways[to]!.add({ packet: buffer.slice(0, bytes), atMs }, atMs > nowMs + settings.delayMs);
      }
    }
    const nowMs = performance.now();
    let dueMs = nowMs + POLL_MS_MAX;
    for (const [index, way] of ways.entries()) {
      way.take(nowMs, (packet) => void libc.write(files[index]!, packet, BigInt(packet.length)));
      dueMs = Math.min(dueMs, way.dueMs);
    }
    const waitMs = Math.ceil(dueMs - performance.now());
    await libc.poll(polls.buffer as ArrayBuffer, BigInt(files.length), Math.max(0, waitMs));
  }
}

function addressNumber(text: string): number {
  const [a, b, c, d] = text.split(".").map(Number);
  return (a! << 24 | b! << 16 | c! << 8 | d!) >>> 0;
}

if (import.meta.main) await carry(JSON.parse(Deno.args[0]!));
