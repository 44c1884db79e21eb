/**
 * What a visor tells of itself to those who survey the network, for rewards (visor.md 5, services.md 12.1).
 *
 * Without a reward address there is nothing to survey, and every member is empty, as the Go program has it. Hardware
 * is not looked at: `zcalusic_sysinfo` and `uuid` are always empty, and there is no `ip_address` nor `ghw_*`.
 *
 * @module
 */
import { type PublicKey, sha256, toHex } from "../crypto/mod.ts";
import { type DmsgNetwork, servicesObject } from "../directory/mod.ts";
import type { Clock, World } from "../runtime/mod.ts";

/** A survey is as old as this before it is made anew. */
export const SURVEY_AGE_MAX_MS = 24 * 60 * 60_000;

export interface SurveyOptions {
  readonly world: {
    readonly clock: Pick<Clock, "wallMs" | "monotonicMs">;
    readonly diagnostics: Pick<World["diagnostics"], "platform">;
  };
  readonly publicKey: PublicKey;
  /** Undefined: none. */
  readonly rewardAddress: string | undefined;
  readonly version: string;
  readonly network: DmsgNetwork;
  /** Those that the visor is connected to. */
  readonly dmsgServers: () => readonly string[];
}

/** The survey of one visor; asked for again within a day it is the same, and has the same checksum. */
export class Survey {
  readonly #options: SurveyOptions;
  #made: { readonly text: string; readonly atMs: number } | undefined;

  constructor(options: SurveyOptions) {
    this.#options = options;
  }

  get rewardAddress(): string | undefined {
    return this.#options.rewardAddress;
  }

  /** One line of JSON. */
  text(): string {
    const nowMs = this.#options.world.clock.monotonicMs();
    if (this.#made === undefined || nowMs - this.#made.atMs >= SURVEY_AGE_MAX_MS) {
      this.#made = { text: `${JSON.stringify(this.#content())}\n`, atMs: nowMs };
    }
    return this.#made.text;
  }

  /** SHA-256 of {@link text}. */
  checksum(): string {
    return toHex(sha256(new TextEncoder().encode(this.text())));
  }

  #content(): object {
    const { world: { clock, diagnostics }, publicKey, version, network, dmsgServers } = this.#options;
    const { rewardAddress } = this;
    if (rewardAddress === undefined) return { ...EMPTY, services: {} };
    const { timestamp: _, public_key: __, zcalusic_sysinfo, uuid } = EMPTY;
    return {
      timestamp: new Date(clock.wallMs()).toISOString(),
      public_key: publicKey,
      skycoin_address: rewardAddress,
      go_os: diagnostics.platform.os,
      go_arch: diagnostics.platform.architecture,
      zcalusic_sysinfo,
      uuid,
      skywire_version: version,
      services: servicesObject(network),
      dmsg_servers: dmsgServers(),
    };
  }
}

const NO_UUID = "00000000-0000-0000-0000-000000000000";
const NO_TIME = "0001-01-01T00:00:00Z";
const EMPTY = {
  timestamp: NO_TIME,
  public_key: "0".repeat(66),
  zcalusic_sysinfo: {
    sysinfo: { version: "", timestamp: NO_TIME },
    node: {},
    os: {},
    kernel: {},
    product: { uuid: NO_UUID },
    board: {},
    chassis: {},
    bios: {},
    cpu: {},
    memory: {},
  },
  uuid: NO_UUID,
};
