/** `skyctl tp route-addr <pk>...`: the address that pins a path (TP-5). @module */
import { type AnyCommand, Command, examples, finished, type Io } from "../../lib/cli/mod.ts";

/** The verb. */
export function routeAddrCommand(io: Io): AnyCommand {
  return finished(
    new Command("route-addr")
      .description(
        "Compute the .skynet address that pins the path over these visors. It leads there from the first one, " +
          "when the transports exist.",
      )
      .argument("<pk...>", "public keys in the order of the path, two at least")
      .option("-t, --type <type>", "of every transport: dmsg, stcp, stcpr, sudph", "sudph")
      .option("-s, --suffix <suffix>", "end of the address", ".skynet")
      .addHelpText(
        "after",
        examples(
          ["Through one visor", "skyctl tp route-addr 02ab...cd 03ef...01 02cd...ef -t stcpr"],
          ["Its labels", "skyctl tp route-addr 02ab...cd 02cd...ef --json | jq -r '.labels[]'"],
        ),
      )
      .action(async (texts, { type, suffix }, command) => {
        const { InvalidKeyError, parsePublicKey } = await import("../../lib/crypto/mod.ts");
        const { sourceRoute, TRANSPORT_TYPES } = await import("../../lib/transport/mod.ts");
        const types = [...TRANSPORT_TYPES].sort();
        if (!types.some((each) => each === type)) {
          command.error(
            `error: invalid transport type ${JSON.stringify(type)} (valid: [${types.join(" ")}])`,
          );
        }
        const keys = texts.map((text, index) => {
          try {
            return parsePublicKey(text);
          } catch (error) {
            if (!(error instanceof InvalidKeyError)) throw error;
            return command.error(`error: invalid pk #${index + 1} ${JSON.stringify(text)}: ${error.message}`);
          }
        });
        if (keys.length < 2) command.error("error: a path has two keys at least");
        io.emit(sourceRoute(keys, { type, suffix }), ({ address }) => address);
      }),
  );
}
