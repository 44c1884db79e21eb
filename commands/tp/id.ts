/** `skyctl tp id <pk1> <pk2>`: the id of a transport. @module */
import { type AnyCommand, Command, examples, finished, type Io } from "../../lib/cli/mod.ts";

/** The verb. */
export function idCommand(io: Io): AnyCommand {
  return finished(
    new Command("id")
      .description("Compute the id that a transport between two visors has, whether there is one or not.")
      .argument("<pk1>", "public key of one visor")
      .argument("<pk2>", "public key of the other; the order does not matter")
      .option("-t, --type <type>", "only of this type: stcpr, sudph, stcp, dmsg (default: each)")
      .addHelpText(
        "after",
        examples(
          ["The id of each type", "skyctl tp id 02ab...cd 03ef...01"],
          ["One, for a script", "skyctl tp id 02ab...cd 03ef...01 -t stcpr"],
        ),
      )
      .action(async (first, second, { type }) => {
        const { parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const { parseTransportType, TRANSPORT_TYPES, transportId } = await import(
          "../../lib/transport/mod.ts"
        );
        const [a, b] = [parsePublicKey(first), parsePublicKey(second)];
        const types = type === undefined ? TRANSPORT_TYPES : [parseTransportType(type)];
        const ids = types.map((each) => ({ type: each, id: transportId(a, b, each) }));
        io.emit(
          ids,
          () =>
            type === undefined
              ? ids.map((each) => `${each.type.padEnd(5)}  ${each.id}`).join("\n")
              : ids[0]!.id,
        );
      }),
  );
}
