/** Where the address resolver says that a visor is, against where it is. @module */
import type { ResolvedAddress } from "../../directory/mod.ts";
import { type Finding, okUnless } from "./finding.ts";
import type { Looked } from "./looked.ts";

/** One type of transport whose listeners the resolver knows. */
export interface BindingFacts {
  readonly type: "stcpr" | "sudph";
  /** Where it listens; undefined: it only dials. */
  readonly port: number | undefined;
  readonly known: Looked<ResolvedAddress | undefined>;
  /** Of sudph: whether the session with the resolver's UDP side lives. */
  readonly isBound?: boolean;
  /** Of sudph: the NAT gives each peer another port, so it is not used. */
  readonly isSymmetric?: boolean;
}

type Wrong = Omit<Finding, "check">;

/** Of the types that do listen; `ownAddresses` are those of this machine's interfaces. */
export function addressFindings(
  bindings: readonly BindingFacts[],
  ownAddresses: readonly string[],
): Finding[] {
  const listening = bindings.filter(({ port, isSymmetric = false }) => port !== undefined && !isSymmetric);
  if (listening.length === 0) {
    return okUnless(
      "addresses",
      "no address of this visor has to be known: it dials, and is not dialled",
      [],
    );
  }
  const [silent] = listening.flatMap(({ known }) => "failure" in known ? [known.failure] : []);
  if (silent !== undefined) {
    return okUnless("addresses", "", [{
      severity: "warning",
      text: "The address resolver does not answer: nobody learns where to dial this visor",
      cause: silent,
      next: "skyctl svc health",
    }]);
  }
  return listening.flatMap((binding) => {
    const { type, known } = binding;
    const bound = "value" in known ? known.value : undefined;
    const wrong = bound === undefined ? [unknownTo(binding)] : staleIn(bound, binding, ownAddresses);
    return okUnless("addresses", `the address resolver has ${whereIs(bound)} for ${type}`, wrong);
  });
}

function unknownTo({ type, isBound = false }: BindingFacts): Wrong {
  return {
    severity: "warning",
    text: `The address resolver does not know this visor: ${type} transports to it cannot be made`,
    cause: type === "stcpr"
      ? "it was not registered yet, or the resolver refuses its address"
      : isBound
      ? "the resolver has lost it, though the session with its UDP side lives"
      : "nothing comes back from the resolver's UDP side: a firewall may keep UDP from this machine",
    next: type === "stcpr"
      ? "skyctl log tail -m transport"
      : "skyctl log tail -m transport; skyctl svc health",
  };
}

/** What the resolver has of this visor, and is so no more. */
function staleIn(
  bound: ResolvedAddress,
  { type, port, isBound = true }: BindingFacts,
  ownAddresses: readonly string[],
): Wrong[] {
  const wrong: Wrong[] = [];
  if (bound.port !== port) {
    wrong.push({
      severity: "warning",
      text: `The address resolver has port ${bound.port} for ${type}, and this visor listens on ${port}`,
      cause: "it is that of an earlier run, or of another process with this visor's key",
      next: `wait 90 s for the next registration; if it stays, skyctl log tail -m transport`,
    });
  }
  if (bound.addresses.length > 0 && !bound.addresses.some((address) => ownAddresses.includes(address))) {
    wrong.push({
      severity: "warning",
      text: `The address resolver has addresses for ${type} that this machine does not have (any more)`,
      cause: `known: ${bound.addresses.join(", ")}; this machine's: ${ownAddresses.join(", ")}`,
      next: "wait 90 s for the next registration; then skyctl log tail -m transport",
    });
  }
  if (type === "sudph" && !isBound) {
    wrong.push({
      severity: "warning",
      text: `The address resolver has ${
        whereIs(bound)
      } for sudph, and no session with this visor: it is stale`,
      cause: "nothing comes back from the resolver's UDP side, so nobody's punch is told here",
      next: "let UDP to the address resolver through; skyctl svc health, then skyctl log tail -m transport",
    });
  }
  return wrong;
}

function whereIs(bound: ResolvedAddress | undefined): string {
  if (bound === undefined) return "nothing";
  const { remoteAddress, port } = bound;
  return `${remoteAddress || "no public address"}, port ${port}`;
}
