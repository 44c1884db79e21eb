/**
 * Handshake patterns as data (Noise specification, section 7): who knows whose key before, and what each
 * message carries. The network uses XK and KK; XX and IK prove the engine against public vectors.
 *
 * @module
 */

/** `e`, `s`: a public key is sent. The pairs: a DH of the initiator's first and the responder's second key. */
export type Token = "e" | "s" | "ee" | "es" | "se" | "ss";

export interface Pattern {
  readonly name: string;
  /** The responder knows the initiator's static key beforehand. */
  readonly initiatorKnown: boolean;
  /** The initiator knows the responder's static key beforehand. */
  readonly responderKnown: boolean;
  /** Messages in turn, the initiator's first. */
  readonly messages: readonly (readonly Token[])[];
}

export const XK: Pattern = {
  name: "XK",
  initiatorKnown: false,
  responderKnown: true,
  messages: [["e", "es"], ["e", "ee"], ["s", "se"]],
};

export const KK: Pattern = {
  name: "KK",
  initiatorKnown: true,
  responderKnown: true,
  messages: [["e", "es", "ss"], ["e", "ee", "se"]],
};

export const XX: Pattern = {
  name: "XX",
  initiatorKnown: false,
  responderKnown: false,
  messages: [["e"], ["e", "ee", "s", "es"], ["s", "se"]],
};

export const IK: Pattern = {
  name: "IK",
  initiatorKnown: false,
  responderKnown: true,
  messages: [["e", "es", "s", "ss"], ["e", "ee", "se"]],
};
