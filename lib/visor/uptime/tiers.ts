/** Which tiers of a visor are up, from what is live in this moment. Never from what was so once. @module */

/** What was true in one moment. */
export interface Tiers {
  /** At least one dmsg session is live. */
  readonly dmsg: boolean;
  /** At least one transport is live that could carry a packet to somebody else now. */
  readonly skynet: boolean;
}

export function tiersNow(
  { dmsg, transports }: {
    readonly dmsg: boolean;
    /** Those that are live. */
    readonly transports: readonly { readonly type: string; readonly isSelf: boolean }[];
  },
): Tiers {
  // One over dmsg carries nothing without a session, whether or not it has noticed yet.
  return { dmsg, skynet: transports.some(({ type, isSelf }) => !isSelf && (dmsg || type !== "dmsg")) };
}
