/**
 * What a running visor finds when it looks at itself: what it holds, against what the services have of it.
 *
 * The facts are gathered in one place and judged in another, which is pure: a test plants a fault and reads what is
 * said of it.
 *
 * @module
 */
import { shellWord } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { addressFindings, type BindingFacts } from "./addresses.ts";
import { type ClockFacts, clockFindings } from "./clock.ts";
import { type Finding, okUnless } from "./finding.ts";
import { type KeyFacts, keyFindings, refusalFindings, rivals } from "./key.ts";
import type { Looked } from "./looked.ts";

/** A transport is registered within 5 s, and pinged within 10 s of its beginning: a younger one is left alone. */
export const TRANSPORT_SETTLED_MS = 30_000;
/** Entries of the service discovery and heartbeats live 5 min. */
export const PRESENCE_LIFE_MS = 5 * 60_000;
/** One that nothing came back over for so long is told of. */
export const PONG_OVERDUE_MS = 60_000;

/** A transport as it is judged. */
export interface TransportFacts {
  readonly id: string;
  readonly type: string;
  readonly remote: string;
  readonly ageMs: number;
  /** A ping over it was answered. */
  readonly isMeasured: boolean;
}

/** Everything that is judged. A look that the deployment has no service for is undefined. */
export interface VisorFacts extends ClockFacts, KeyFacts {
  readonly publicKey: PublicKey;
  /** The visor's configuration, absolute. */
  readonly configFile: string;
  readonly sessionsWanted: number;
  /** Servers with a session now. */
  readonly sessions: readonly PublicKey[];
  readonly lastSessionFailure: string | undefined;
  readonly entryFailure: string | undefined;
  readonly isPublished: boolean;
  /** Servers that the entry in the discovery names; undefined: there is no entry. */
  readonly publishedServers: Looked<readonly PublicKey[] | undefined>;
  /** Types that do not accept, and why. */
  readonly carrierFailures: readonly { readonly type: string; readonly failure: string }[];
  readonly types: readonly string[];
  /** Addresses of this machine's interfaces. */
  readonly ownAddresses: readonly string[];
  /** Empty: no address resolver. */
  readonly bindings: readonly BindingFacts[];
  readonly transports: readonly TransportFacts[];
  /** Ids that the transport discovery lists for this visor. */
  readonly registered: Looked<readonly string[]> | undefined;
  /** What is said of this visor at the service discovery, and at the uptime tracker, with what failed last. */
  readonly presence: readonly PresenceFacts[];
}

/** One registration that is repeated. */
export interface PresenceFacts {
  /** `the service discovery, as visor`. */
  readonly at: string;
  /** Undefined: never yet. */
  readonly agoMs: number | undefined;
  readonly failure: string | undefined;
}

/** What the facts mean. */
export function judge(facts: VisorFacts): Finding[] {
  return [
    { check: "visor", severity: "ok", text: `visor ${facts.publicKey} runs` },
    ...clockFindings(facts),
    ...discovery(facts),
    ...sessions(facts),
    ...keyFindings(facts),
    ...entry(facts),
    ...ports(facts),
    ...addresses(facts),
    ...registration(facts),
    ...presence(facts),
    ...transports(facts),
    ...refusalFindings(facts),
    ...others(facts),
  ];
}

function discovery({ publishedServers }: VisorFacts): Finding[] {
  return okUnless(
    "discovery",
    "the dmsg discovery answers",
    "failure" in publishedServers
      ? [{
        severity: "error",
        text: "The dmsg discovery does not answer: nobody new finds this visor, and it finds nobody new",
        cause: publishedServers.failure,
        next: "skyctl dmsg servers",
      }]
      : [],
  );
}

function sessions(facts: VisorFacts): Finding[] {
  const { sessions, sessionsWanted, lastSessionFailure } = facts;
  const cause = lastSessionFailure ??
    (rivals(facts).length > 0
      ? "another process with this visor's key takes them over"
      : "none failed of late: they may be on their way, or the network has no more servers");
  const next = "skyctl dmsg connect-all";
  return okUnless(
    "sessions",
    `sessions with dmsg servers: ${sessions.length}`,
    sessions.length === 0
      ? [{
        severity: "error",
        text: "There is no session with any dmsg server",
        cause,
        next,
      }]
      : sessions.length < sessionsWanted
      ? [{
        severity: "warning",
        text: `There are sessions with ${sessions.length} dmsg servers, of ${sessionsWanted} that are wanted`,
        cause,
        next,
      }]
      : [],
  );
}

function entry(
  { publicKey, isPublished, entryFailure, publishedServers, publishedBy, sessions }: VisorFacts,
): Finding[] {
  if ("failure" in publishedServers) {
    return [{
      check: "entry",
      severity: "unknown",
      text: "What the discovery has of this visor is not known",
    }];
  }
  const named = publishedServers.value;
  if (named === undefined) {
    return [{
      check: "entry",
      severity: "error",
      text: "The discovery has no entry of this visor: nobody finds it",
      cause: entryFailure ?? "it was not published yet, or somebody removed it",
      next: "skyctl visor status",
    }];
  }
  const stale = named.filter((server) => !sessions.includes(server));
  return okUnless("entry", `the discovery's entry names the servers of these sessions: ${named.length}`, [
    ...(named.length > 0 && stale.length === named.length
      ? [{
        severity: "error" as const,
        text: "The discovery's entry names no server that this visor has a session with: nobody reaches it",
        cause: publishedBy === "another"
          ? "another process with this visor's key has published it"
          : entryFailure ?? `named: ${named.join(", ")}`,
        next: `skyctl dmsg entry ${publicKey}; skyctl dmsg sessions`,
      }]
      : stale.length > 0
      ? [{
        severity: "warning" as const,
        text: `The discovery's entry names servers without a session: ${stale.length} of ${named.length}`,
        cause: stale.join(", "),
        next: "skyctl dmsg connect-all",
      }]
      : []),
    ...(isPublished ? [] : [{
      severity: "warning" as const,
      text: "The newest entry is not in the discovery",
      cause: entryFailure ?? "it is on its way there",
      next: "skyctl visor status",
    }]),
  ]);
}

function ports({ carrierFailures, types, configFile }: VisorFacts): Finding[] {
  return okUnless(
    "ports",
    `transports of ${types.join(", ")} can come in`,
    carrierFailures.map(({ type, failure }) => ({
      severity: "warning",
      text: `Transports of type ${type} cannot come in`,
      cause: failure,
      next: otherPort(type, configFile),
    })),
  );
}

/** Where the port of a type is configured, with one that may do. */
const PORT_FIELDS: Readonly<Record<string, string>> = {
  stcpr: "transport.stcpr_port 0",
  sudph: "transport.sudph_port 0",
  stcp: "skywire-tcp.listening_address :7778",
};

function otherPort(type: string, configFile: string): string {
  const field = PORT_FIELDS[type];
  return field === undefined
    ? "skyctl log tail -m transport"
    : `free its port, or give it another one for its next start: skyctl conf set ${field} -c ${
      shellWord(configFile)
    }`;
}

function addresses({ bindings, ownAddresses, carrierFailures }: VisorFacts): Finding[] {
  const open = bindings.filter(({ type }) => carrierFailures.every((failed) => failed.type !== type));
  return addressFindings(open, ownAddresses);
}

function registration({ registered, transports }: VisorFacts): Finding[] {
  if (registered === undefined) {
    return [{ check: "registration", severity: "ok", text: "this network has no transport discovery" }];
  }
  if ("failure" in registered) {
    return [{
      check: "registration",
      severity: "error",
      text: "The transport discovery does not answer: no routes are found over this visor's transports",
      cause: registered.failure,
      next: "skyctl svc health",
    }];
  }
  const known = new Set(registered.value);
  const live = new Set(transports.map(({ id }) => id));
  const missing = transports.filter(({ id, ageMs }) => ageMs >= TRANSPORT_SETTLED_MS && !known.has(id));
  const stale = registered.value.filter((id) => !live.has(id));
  return okUnless("registration", `the transport discovery lists every transport: ${live.size}`, [
    ...(missing.length === 0 ? [] : [{
      severity: "warning" as const,
      text: `Transports are not in the transport discovery: ${missing.length} of ${live.size}`,
      cause: missing.map(({ id }) => id).join(", "),
      next: "skyctl log tail -m transport",
    }]),
    ...(stale.length === 0 ? [] : [{
      severity: "warning" as const,
      text: `The transport discovery lists transports of this visor that there are not: ${stale.length}`,
      cause: stale.join(", "),
      next: "wait 5 min, after which they are forgotten; then look once more",
    }]),
  ]);
}

/** What failed since is told once it has run out, or was never there. */
function presence({ presence }: VisorFacts): Finding[] {
  return presence.flatMap(({ at, agoMs, failure }): Finding[] => {
    if (failure === undefined || (agoMs !== undefined && agoMs < PRESENCE_LIFE_MS)) return [];
    return [{
      check: "registration",
      severity: "warning",
      text: `This visor is not known at ${at}` +
        (agoMs === undefined ? "" : ` any more: the last time was ${Math.round(agoMs / 1_000)} s ago`),
      cause: failure,
      next: "skyctl svc health; skyctl log tail -l warn",
    }];
  });
}

function transports({ transports }: VisorFacts): Finding[] {
  const silent = transports.filter(({ ageMs, isMeasured }) => ageMs >= PONG_OVERDUE_MS && !isMeasured);
  return okUnless(
    "transports",
    `pings over every transport are answered: ${transports.length}`,
    silent.map(({ id, type, remote }) => ({
      severity: "warning",
      text: `No ping over transport ${id} (${type}) was ever answered`,
      cause: `${remote} may be a visor of 2024, which answers none, or the link carries nothing`,
      next: `skyctl visor ping ${remote} --watch; skyctl tp rm ${id}`,
    })),
  );
}

/** What the status warns of, where no check above has it. */
function others({ warnings }: VisorFacts): Finding[] {
  const checks = { LOG_NOT_WRITTEN: "files" } as const;
  return warnings.flatMap(({ code, text, hint }): Finding[] => {
    const check = checks[code as keyof typeof checks];
    return check === undefined
      ? []
      : [{ check, severity: "warning", text, next: hint ?? "skyctl visor status" }];
  });
}
