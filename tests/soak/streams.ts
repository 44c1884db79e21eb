/**
 * Many bridged streams through one server process, over real sockets: its heap and handles afterwards are as before.
 *
 * Two clients are played down to the session: the request and the acceptance of every stream are the same signed
 * bytes, so that what takes time is the server. Each stream carries a message both ways and ends in one of four ways: by A or by B, orderly or reset.
 *
 * @module
 */
import { describeError, silentLog } from "../../lib/base/mod.ts";
import { generateKeyPair, type KeyPair, parsePublicKey } from "../../lib/crypto/mod.ts";
import {
  connectSession,
  encodeStreamRequest,
  encodeStreamResponse,
  parseServerAddress,
  type Session,
  type SignedObject,
  signObject,
} from "../../lib/dmsg/mod.ts";
import { systemWorld, type World } from "../../lib/runtime/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import type { YamuxStream } from "../../lib/yamux/mod.ts";
import { Child } from "../bench/_child.ts";
import type { ServerAddress } from "../bench/_dmsg_network.ts";

/** What the server holds after so many streams, everything of them ended. */
export interface StreamsRow {
  readonly streams: number;
  readonly heapMb: number;
  readonly rssMb: number;
  readonly handles: number;
  readonly perSecond: number;
}

export interface StreamsReport {
  readonly rows: readonly StreamsRow[];
  readonly complaints: readonly string[];
}

export interface StreamsOptions {
  readonly count: number;
  /** Bridged at once, below the 2,048 of a session. */
  readonly together?: number;
  readonly onProgress?: (row: StreamsRow) => void;
}

/** A batch leaves its code and buffers warm; after the first one nothing more may stay. 10 bytes a stream. */
const HEAP_GROWTH_MB_MAX = 1;

export function renderStreams({ streams, heapMb, rssMb, handles, perSecond }: StreamsRow): string {
  return `${streams} streams: heap ${heapMb.toFixed(2)} MB, RSS ${
    rssMb.toFixed(1)
  } MB, ${handles} handles, ${perSecond}/s`;
}

export async function soakStreams(
  { count, together = 2_000, onProgress }: StreamsOptions,
): Promise<StreamsReport> {
  await using server = new Child("../soak/_server_role.ts");
  const address = await server.ask<ServerAddress>("listen");
  const world = systemWorld();
  const [alice, bob] = [generateKeyPair(world.random), generateKeyPair(world.random)];
  const request = requestOf(alice, bob);
  const acceptance = acceptanceOf(request, bob);
  const [near, far] = [
    await join(world, address, alice, () => {}),
    await join(world, address, bob, (stream, session) => answer(stream, session, acceptance)),
  ];
  const rows: StreamsRow[] = [];
  const failures: string[] = [];
  for (let streams = 0; streams < count; streams += together) {
    const startMs = performance.now();
    const wave = Math.min(together, count - streams);
    const outcomes = await Promise.allSettled(
      Array.from({ length: wave }, (_, index) => talk(near, request, index)),
    );
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") failures.push(describeError(outcome.reason));
    }
    const seconds = (performance.now() - startMs) / 1000;
    const row = await rowOf(server, streams + wave, Math.round(wave / seconds));
    rows.push(row);
    onProgress?.(row);
  }
  const { ledger } = await server.ask<{ ledger: Record<string, number> }>("live");
  for (const session of [near, far]) session.close();
  await Promise.all([near.closed, far.closed]);
  return { rows, complaints: complaintsOf(rows, { muxStreams: ledger["yamux-stream"] ?? 0, failures }) };
}

/** What stays of streams, as far as figures say. The first wave is the measure. */
export function complaintsOf(
  rows: readonly StreamsRow[],
  { muxStreams = 0, failures = [] }: { readonly muxStreams?: number; readonly failures?: readonly string[] } =
    {},
): string[] {
  const complaints: string[] = [];
  const [first, last] = [rows[0]!, rows.at(-1)!];
  const grownMb = last.heapMb - first.heapMb;
  if (grownMb > HEAP_GROWTH_MB_MAX) {
    complaints.push(`the heap grew by ${grownMb.toFixed(2)} MB after the first wave`);
  }
  if (last.handles > first.handles) complaints.push(`${last.handles - first.handles} handles more`);
  if (failures.length > 0) complaints.push(`${failures.length} streams failed, the first: ${failures[0]}`);
  if (muxStreams > 0) complaints.push(`${muxStreams} mux streams are alive`);
  return complaints;
}

function requestOf(from: KeyPair, to: KeyPair): SignedObject {
  const body = encodeStreamRequest({
    timestamp: 1_795_245_150_000_000_000n,
    source: { publicKey: from.publicKey, port: 49_153 },
    destination: { publicKey: to.publicKey, port: 1000 },
    ipInfo: false,
    noiseMessage: new Uint8Array(49),
  });
  return signObject(body, from.secretKey);
}

function acceptanceOf(request: SignedObject, by: KeyPair): SignedObject {
  const body = encodeStreamResponse({
    requestHash: request.hash,
    accepted: true,
    errorCode: 0,
    noiseMessage: new Uint8Array(49),
  });
  return signObject(body, by.secretKey);
}

async function join(
  world: World,
  to: ServerAddress,
  local: KeyPair,
  onStream: (stream: YamuxStream, session: Session) => void,
): Promise<Session> {
  const address = parseServerAddress(to.address);
  const conn = await world.network.dial(address);
  const options = { world, local, log: silentLog, onStream };
  return await connectSession(conn, address, parsePublicKey(to.publicKey), options);
}

/** B's side: accepts, says back one message, and leaves when A does, or before. */
async function answer(stream: YamuxStream, session: Session, acceptance: SignedObject): Promise<void> {
  try {
    const reader = new ConnReader(stream);
    const [high, low] = await reader.readExactly(2);
    session.opener.open(await reader.readExactly((high! << 8) | low!));
    await stream.write(session.sealer.seal(acceptance.bytes));
    const message = await reader.readExactly(MESSAGE_BYTES);
    await stream.write(message);
    if (isLeftByB(message[0]!)) {
      await reader.readExactly(1); // a reset takes what is under way with it: A has the message by now
      stream.close(endOf(message[0]!));
    } else while (await stream.read() !== null);
  } catch {
    // A leaves without a word in some of the ways; what must hold is what the server keeps
  }
  stream.close();
}

/** A's side of one stream; rejects when the answer is not what was sent. */
async function talk(session: Session, request: SignedObject, index: number): Promise<void> {
  const stream = session.mux.open();
  try {
    await exchange(stream, session, request, index);
  } finally {
    stream.close();
  }
  await stream.closed;
}

async function exchange(
  stream: YamuxStream,
  session: Session,
  request: SignedObject,
  index: number,
): Promise<void> {
  const reader = new ConnReader(stream);
  await stream.write(session.sealer.seal(request.bytes));
  const [high, low] = await reader.readExactly(2);
  session.opener.open(await reader.readExactly((high! << 8) | low!));
  const kind = index & 255;
  const message = new Uint8Array(MESSAGE_BYTES).fill(kind);
  await stream.write(message);
  const came = await reader.readExactly(MESSAGE_BYTES);
  if (came.some((byte) => byte !== kind)) throw new Error(`Stream ${stream.id} brought other bytes`);
  if (isLeftByB(kind)) {
    await stream.write(Uint8Array.of(kind));
    await stream.read().catch(() => {}); // the end or a reset
  } else stream.close(endOf(kind));
}

/** Whether B is the one to leave a stream of this kind. */
function isLeftByB(kind: number): boolean {
  return kind % 5 > 2;
}

/** Orderly, or a reset. */
function endOf(kind: number): Error | undefined {
  return kind % 2 === 0 ? undefined : new Error("soak");
}

async function rowOf(server: Child, streams: number, perSecond: number): Promise<StreamsRow> {
  await new Promise((resolve) => setTimeout(resolve, 200)); // what was closed just now is on its way
  const { heapBytes, rssBytes, handles } = await server.usage();
  const mb = (bytes: number) => Math.round(bytes / 1e4) / 100;
  return { streams, heapMb: mb(heapBytes!), rssMb: mb(rssBytes), handles, perSecond };
}

const MESSAGE_BYTES = 64;
