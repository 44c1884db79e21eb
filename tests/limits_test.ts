/** `LIMITS.md` and the constants of `lib/` and `commands/` say the same, in both directions. */
import assert from "node:assert/strict";
import { dirname, fromFileUrl, relative, toPosix, walkSources } from "./support/sources.ts";

const root = fromFileUrl(new URL("../", import.meta.url));

/** Numbers that bound nothing. Every other numeric constant of `lib/` belongs on the page. */
const EXEMPT: readonly { readonly why: string; readonly names: readonly string[] }[] = [
  {
    why: "the size of a thing that has exactly this size",
    names: [
      "crypto/_aead.ts MAC_BYTES BLOCK_BYTES LIMB_BITS LIMB_MASK",
      "crypto/_chacha_wasm.ts CIPHER_STEP_BYTES MAC_STEP_BYTES LIMB_BITS",
      "crypto/_secp_wasm.ts PAGE_BYTES MEMORY_PAGES TABLE_ENTRIES",
      "crypto/chacha.ts CIPHER_KEY_BYTES NONCE_BYTES TAG_BYTES",
      "crypto/hash.ts HASH_BYTES",
      "crypto/kem.ts KEM_SEED_BYTES KEM_COINS_BYTES ENCAPSULATION_KEY_BYTES DECAPSULATION_KEY_BYTES",
      "crypto/kem.ts KEM_CIPHERTEXT_BYTES SHARED_SECRET_BYTES",
      "crypto/noise_dh.ts NOISE_DH_BYTES",
      "crypto/secp.ts PUBLIC_KEY_BYTES SECRET_KEY_BYTES SIGNATURE_BYTES",
      "control/file/control_file.ts TOKEN_BYTES",
      "dmsg/_exchange.ts OVERHEAD_BYTES",
      "kcp/segment.ts HEADER_BYTES",
      "noise/frames.ts PREFIX_BYTES COUNTER_BYTES SEAL_BYTES FRAME_OVERHEAD_BYTES",
      "noise/pq.ts KEY_BYTES",
      "routing/_packet_conn.ts FRAME_PREFIX_BYTES",
      "routing/descriptor.ts DESCRIPTOR_BYTES",
      "routing/payloads.ts PING_BYTES EARLY_SACK_BYTES",
      "routing/rule.ts HEADER_BYTES NEXT_BYTES PADDING_BYTES",
      "services/hosting/request_auth.ts KEY_CHARS",
      "services/store/_sqlite.ts PAGE_BYTES",
      "services/store/uptime_store.ts SLOTS_OF_DAY SLOT_BYTES",
      "services/address_resolver/udp_side.ts HOLDER_BYTES",
      "sim/_gate_node.ts BARE_MESSAGE_BYTES EPHEMERAL_BYTES",
      "sim/traffic.ts HEAD_BYTES",
      "transport/_pings.ts PING_PAYLOAD_BYTES",
      "transport/_stream_frame.ts STREAM_HEADER_BYTES",
      "transport/address_handshake.ts NONCE_BYTES",
      "transport/id.ts TRANSPORT_ID_BYTES",
      "transport/packet.ts PACKET_HEADER_BYTES",
      "transport/sudph/stun.ts STUN_HEADER_BYTES STUN_TRANSACTION_BYTES",
      "wire/framing.ts PREFIX_BYTES",
      "yamux/frame.ts HEADER_BYTES",
    ],
  },
  {
    why: "a value of a field of a protocol or a platform",
    names: [
      "crypto/_wasm_code.ts V128 I32",
      "dmsg/control.ts PING PONG",
      "proxy/socks5/codes.ts SOCKS_VERSION PASSWORD_VERSION SOCKS_CONNECT",
      "routing/setup/app_direct.ts LISTENS CLOSED",
      "runtime/system/files.ts MODE_DEFAULT MODE_MEANWHILE",
      "runtime/system/file_lock.ts LOCK_MODE",
      "sim/traffic.ts DONE",
      "transport/_json_frames.ts LINE_END QUOTE BACKSLASH",
      "transport/_stream_frame.ts STREAM_SYN STREAM_FIN STREAM_RELAY STREAM_RELAYED SENDER_AT FLAGS_AT",
      "transport/settlement.ts LINE_END",
      "transport/sudph/stun.ts BINDING_REQUEST BINDING_RESPONSE MAPPED_ADDRESS XOR_MAPPED_ADDRESS",
      "transport/sudph/stun.ts XOR_MAPPED_ADDRESS_OLD COOKIE FAMILY_IPV4 FAMILY_IPV6",
      "visor/doctor/home.ts OTHERS",
      "visor/uptime/history.ts FILE_VERSION HOUR_MS",
      "wire/gob/_definitions.ts OWN_ID_MIN",
      "yamux/frame.ts VERSION TYPE_DATA TYPE_WINDOW_UPDATE TYPE_PING TYPE_GO_AWAY",
      "yamux/frame.ts FLAG_SYN FLAG_ACK FLAG_FIN FLAG_RST",
      "yamux/frame.ts GO_AWAY_NORMAL GO_AWAY_PROTOCOL_ERROR GO_AWAY_INTERNAL_ERROR",
    ],
  },
  {
    why: "where something listens or counts from",
    names: [
      "commands/svc/_service.ts METRICS_PORT",
      "services/transport_setup/config.ts PORT_DEFAULT",
      "crypto/_chacha_wasm.ts WORDS_FROM CIPHER_VECTORS",
      "dmsg/_port_table.ts EPHEMERAL_START",
      "routing/listener.ts EPHEMERAL_START",
      "proxy/skysocks/limits.ts SKYSOCKS_PORT",
      "dmsg/ports.ts DMSGCTRL_PORT DMSGPTY_PORT SETUP_NODE_PORT TRANSPORT_PORT HYPERVISOR_PORT",
      "dmsg/ports.ts TRANSPORT_SETUP_PORT TRANSPORT_SETUP_SERVICE_PORT RELAY_PORT HTTP_PORT AWAIT_SETUP_PORT",
      "transport/_ephemeral_ports.ts PORT_MIN PORT_MAX",
      "runtime/simulated/nat.ts PORT_MIN PORT_FIRST",
      "runtime/simulated/virtual_clock.ts VIRTUAL_START_MS",
      "visor/_resolver_address.ts RESOLVER_UDP_PORT",
      "sim/_places.ts DISCOVERY_PORT SERVER_PORT ECHO_PORT BULK_PORT",
      "sim/routed/checks.ts PING_PORT",
      "sim/routed/stun_node.ts STUN_PORT",
      "sim/scenarios/half_open_sudph.ts SUDPH_PORT",
    ],
  },
  {
    why: "an object of constants that are on the page by their own names",
    names: ["dmsg/_sessions.ts SESSION_RETRY.firstMs SESSION_RETRY.growth SESSION_RETRY.maxMs"],
  },
  {
    why: "arithmetic, or range of a type",
    names: [
      "crypto/_aead.ts TWO_TO_32",
      "crypto/chacha.ts TWO_TO_32",
      "services/hosting/rate_limit.ts MINUTE_MS",
      "services/store/uptime_store.ts DAY_MS SLOT_MS",
      "services/uptime_tracker/api.ts MINUTE_MS",
      "services/uptime_tracker/settings.ts BEATS_OF_DAY",
      "services/uptimes/settings.ts REGISTRATION_BEATS_OF_DAY",
      "commands/rewards/_eligible.ts DAY_MS",
      "services/uptimes/uptimes.ts SECONDS_MAX",
      "services/store/_sqlite.ts NO_END_MS",
      "routing/listener.ts PORT_MAX",
      "routing/rule.ts I64_MAX",
      "routing/_route_ids.ts HALF_MASK ROUTE_ID_END",
      "routing/table.ts NS_PER_MS",
      "dmsg/_entry_text.ts U64_MAX I64_MAX I64_MIN",
      "noise/frames.ts TWO_TO_32",
      "noise/replay_window.ts WORD_BITS",
      "services/route_finder/_request.ts U16_MAX",
    ],
  },
  {
    why: "a threshold or factor by which one of two ways is chosen; both ways are bounded elsewhere",
    names: [
      "cli/progress.ts RATE_WEIGHT BAR_COLUMNS",
      "crypto/_aead.ts AEAD_BYTES_MAX",
      "kcp/_congestion.ts SLOW_START_MIN SLOWER_START AFTER_CONGESTION NOISE_MAX NOISE_SEGMENTS CUBIC RENO",
      "kcp/_round_trip.ts PATIENCE_FIRST PATIENCE_MAX QUEUE_MS QUEUE_MAX_MS INTERVAL_QUEUE_MS EPOCH_MS RECENT_SAMPLES",
      "kcp/_sender.ts TAKEN_MAX",
      "crypto/hash.ts NATIVE_FROM_BYTES",
      "dmsg/_peer_links.ts PEER_RETRY_GROWTH",
      "dmsg/_peer_streams.ts SHARE_OF_ONE_PEER",
      "dmsg/_publisher.ts FAILED_CHECK_SHARE",
      "dmsg/_sessions.ts SESSION_RETRY_GROWTH",
      "services/dmsg_discovery/dmsg_side.ts DIAL_RETRY.growth",
      "routing/setup/automatic_transports.ts AUTOMATIC_BACKOFF_GROWTH",
      "runtime/simulated/conn.ts PORTIONS_PER_SECOND",
      "runtime/simulated/run_dry.ts DRY_TURNS",
      "runtime/system/read_buffer.ts SMALL_READ_SHARE SMALL_READS_BEFORE_SHRINK",
      "wire/bytes.ts FIRST_BYTES",
    ],
  },
  {
    why: "the size or the timing of one rehearsal's story",
    names: [
      "sim/fleet.ts VISOR_SESSIONS",
      "sim/plan.ts COSTLY_ROUNDS COSTLY_VISORS",
      "sim/rehearse.ts CALM_STREAMS",
      "sim/scenarios/_resolver_flood.ts STRANGERS PORTS FLOOD_MS LOOK_MS",
      "sim/scenarios/clock_skew.ts SKEW_MS",
      "sim/scenarios/kills.ts NOTICED_MS",
      "sim/scenarios/links.ts CUT_OFF_MS_MIN CUT_OFF_MS_MAX",
      "sim/scenarios/redeploy.ts PAUSE_MS",
      "sim/routed/checks.ts CALM_STREAMS",
      "sim/scenarios/_four_visors.ts STEADY_MS POLL_MS",
      "sim/scenarios/set_up_callers.ts CALLERS CALLERS_COME_MS TAKEN_BACK_WITHIN_MS LEAVES LOSSES",
      "sim/scenarios/set_up_callers.ts SERVER_AWAY_MS_MIN SERVER_AWAY_MS_MAX SERVER_NEAR_MS",
      "sim/scenarios/set_up_callers.ts STOPS_WITHIN_MS SET_UP_WITHIN_MS",
      "sim/scenarios/set_up_trouble.ts AROUND_WITHIN_MS UNDONE_WITHIN_MS TAKEN_BACK_WITHIN_MS SET_UP_WITHIN_MS",
      "sim/scenarios/set_up_trouble.ts STALE_MS KEPT_MS NAMED_WITHIN_MS OFF_DMSG_MS",
      "sim/scenarios/transport_trouble.ts REMOVED_WITHIN_MS WRITES_END_WITHIN_MS BOUND_WITHIN_MS TAKEN_BACK_WITHIN_MS",
      "sim/scenarios/transport_trouble.ts ROUTE_AFTER_CUT_MS DIALS_CROSS_MS",
      "sim/scenarios/transport_trouble.ts REGISTERED_WITHIN_MS OUTAGE_MS SURVIVED_WITHIN_MS DOWNLOAD_RETRY_MS",
      "sim/scenarios/half_open_sudph.ts FOUND_DEAD_WITHIN_MS MADE_ANEW_WITHIN_MS PONG_WITHIN_MS ROUTED_WITHIN_MS",
      "sim/scenarios/udp_trouble.ts TRIES IDLE_MS PONG_WITHIN_MS PROBED_WITHIN_MS",
      "services/assembly/default_plan.ts SERVERS_DEFAULT",
    ],
  },
];

/** One row of the page. */
interface Row {
  readonly layer: string;
  readonly value: number;
  readonly reason: string;
  readonly source: string;
}

/** Milliseconds and bytes are the units of the code; the page says the same in the words of its readers. */
const FACTOR: Record<string, number> = {
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** Rows by `file NAME`, and what is wrong with the page itself. */
async function pageRows(): Promise<{ rows: Map<string, Row>; wrong: string[] }> {
  const rows = new Map<string, Row>();
  const wrong: string[] = [];
  let layer = "";
  for (const line of (await Deno.readTextFile(`${root}LIMITS.md`)).split("\n")) {
    layer = /^## `(?:lib\/)?([a-z/]+)`/.exec(line)?.[1] ?? layer;
    const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
    const name = /^`([A-Z][A-Za-z0-9_.]+)`$/.exec(cells[0] ?? "")?.[1];
    if (name === undefined) continue;
    const [, file, value, unit, reason, source] = cells as [string, string, string, string, string, string];
    const key = `${layer}/${file.replaceAll("`", "")} ${name}`;
    if (rows.has(key)) wrong.push(`${key}: twice`);
    const number = Number(value.replaceAll(",", "")) * (FACTOR[unit] ?? 1);
    rows.set(key, { layer, value: name.endsWith("_NS") ? number * 1e6 : number, reason, source });
  }
  return { rows, wrong };
}

interface Constant {
  readonly name: string;
  readonly expression: string;
  readonly isExported: boolean;
}

/** Module-level constants in capitals, by file; an object of limits gives one for each of its members. */
async function constantsOf(path: string): Promise<Constant[]> {
  const found: Constant[] = [];
  const source = (await Deno.readTextFile(path)).replaceAll(/\/\*[^]*?\*\/|(?<![:"])\/\/[^\n]*/g, "");
  for (const declared of source.matchAll(/^(export )?const ([A-Z][A-Z0-9_]*)\b[^=;]*=([^;]*);$/gm)) {
    const [, exported, name, expression] = declared as unknown as [
      string,
      string | undefined,
      string,
      string,
    ];
    const isExported = exported !== undefined;
    if (!/_(LIMITS|RETRY)$/.test(name)) found.push({ name, expression, isExported });
    else {
      for (const [, member, value] of expression.matchAll(/(\w+):([^,}]+)/g)) {
        found.push({ name: `${name}.${member}`, expression: value!, isExported });
      }
    }
  }
  return found;
}

/** Every numeric constant of `lib/` by `file NAME`, worked out from the sources, since many are private. */
async function numbersInSources(): Promise<Map<string, { value: number; isExported: boolean }>> {
  const constants = new Map<string, Constant>();
  for await (const path of walkSources(root, ["lib", "commands"])) {
    const file = toPosix(relative(root, path)).replace(/^lib\//, "");
    for (const constant of await constantsOf(path)) constants.set(`${file} ${constant.name}`, constant);
  }
  /** The constant that `name` means in `file`: its own, else one of its folder, else the one that there is. */
  function meaning(file: string, name: string): string | undefined {
    const candidates = [...constants.keys()].filter((key) => key.endsWith(` ${name}`));
    const inFolder = candidates.filter((key) => dirname(key) === dirname(file));
    return candidates.find((key) => key === `${file} ${name}`) ??
      [inFolder, candidates].find(({ length }) => length === 1)?.[0];
  }
  /** Sums and products of numbers and other constants; undefined for everything else. */
  function valueOf(key: string, depth = 0): number | undefined {
    const file = key.split(" ")[0]!;
    let isNumber = depth < 8;
    const arithmetic = constants.get(key)!.expression
      .replaceAll("Number.MAX_SAFE_INTEGER", String(Number.MAX_SAFE_INTEGER))
      .replaceAll(/\b[A-Z][A-Z0-9_]*\b/g, (name) => {
        const other = isNumber ? meaning(file, name) : undefined;
        const value = other === undefined ? undefined : valueOf(other, depth + 1);
        if (value === undefined) isNumber = false;
        return String(value);
      })
      .replaceAll(/(?<=[\da-f])_(?=[\da-f])/g, "").replaceAll(/\b(\d+)n\b/g, "$1").trim();
    if (!isNumber || !/^[\d\s.()*+/-]+$|^0[xo][0-9a-f]+$/.test(arithmetic)) return undefined;
    return Number(Function(`return (${arithmetic})`)());
  }
  return new Map(
    [...constants].flatMap(([key, { isExported }]) => {
      const value = valueOf(key);
      return value === undefined ? [] : [[key, { value, isExported }] as const];
    }),
  );
}

function exemptions(): Map<string, string> {
  return new Map(EXEMPT.flatMap(({ why, names }) =>
    names.flatMap((line) => {
      const [file, ...ofFile] = line.split(" ");
      return ofFile.map((name) => [`${file} ${name}`, why] as const);
    })
  ));
}

Deno.test("LIMITS.md has every bound of lib/ with its value, reason and source, and none that is gone", async () => {
  const numbers = await numbersInSources();
  const { rows, wrong } = await pageRows();
  const exempt = exemptions();
  assert(numbers.size > 200 && rows.size > 150, `${numbers.size} constants, ${rows.size} rows`);
  for (const [key, { value }] of numbers) {
    const row = rows.get(key);
    if (exempt.has(key) === (row !== undefined)) {
      wrong.push(`${key} = ${value}: ${row === undefined ? "not on the page" : "on the page, and exempt"}`);
    }
    if (row !== undefined && row.value !== value) wrong.push(`${key}: ${row.value}, but it is ${value}`);
  }
  for (const [key, { reason, source }] of rows) {
    if (!numbers.has(key)) wrong.push(`${key}: on the page, but in no source`);
    if (reason.length < 12 || source.length < 4) wrong.push(`${key}: lacks its reason or source`);
  }
  for (const key of exempt.keys()) if (!numbers.has(key)) wrong.push(`${key}: exempt, but in no source`);
  assert.deepEqual(wrong, []);
});

Deno.test("what LIMITS.md is held against is what the modules export", async () => {
  let compared = 0;
  for (const [key, { value, isExported }] of await numbersInSources()) {
    const [file, name] = key.split(" ") as [string, string];
    if (!isExported) continue;
    const [constant, member] = name.split(".") as [string, string | undefined];
    const exported = (await import(file.startsWith("commands/") ? `../${file}` : `../lib/${file}`))[constant];
    assert.equal(Number(member === undefined ? exported : exported[member]), value, key);
    compared++;
  }
  assert(compared > 120, `${compared} compared`);
});
