/**
 * `deno task nat [filter] [--json]`: visors behind NATs meet over sudph, and fetch a file through each other's proxy;
 * all of it in network namespaces, with packets of the kernel. Needs Linux, root, `ip`, `unshare` and `nft`: what is
 * missing makes skips that say so. The filter is a part of the titles. Exit code 1 when a meeting failed, or none
 * was held. See `docs/interop.md`.
 *
 * @module
 */
import { parseTask, runTask } from "./_arguments.ts";
import settings from "../deno.json" with { type: "json" };
import { SkipError } from "../tests/interop/build.ts";
import { Lab } from "../tests/interop/lab.ts";
import { canMakeNamespace, inNamespace, runInNamespace } from "../tests/interop/namespace.ts";
import { MEETINGS, NatBattery, titleOf } from "../tests/nat/battery.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

interface Outcome {
  readonly title: string;
  readonly verdict: "pass" | "fail" | "skip";
  readonly detail: string;
  readonly tookMs: number;
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseTask({
    args,
    allowPositionals: true,
    options: { json: { type: "boolean" } },
  });
  const mayMake = inNamespace() || await canMakeNamespace();
  if (mayMake && !inNamespace()) {
    return await runInNamespace(
      Deno.execPath(),
      ["run", "-A", "--no-check", import.meta.filename!, ...args],
      SIGNALS,
    );
  }
  const meetings = MEETINGS.filter((each) => titleOf(each).includes(positionals[0] ?? ""));
  const early = Promise.withResolvers<"interrupted">();
  for (const signal of SIGNALS) Deno.addSignalListener(signal, () => early.resolve("interrupted"));
  await using lab = await Lab.open();
  const battery = mayMake ? await NatBattery.open(lab, settings.version) : undefined;
  await using _ = battery;
  const outcomes: Outcome[] = [];
  for (const meeting of meetings) {
    const title = titleOf(meeting);
    const startedMs = performance.now();
    const fill = (verdict: Outcome["verdict"], detail: string) => {
      const tookMs = Math.round(performance.now() - startedMs);
      outcomes.push({ title, verdict, detail, tookMs });
      if (!values.json) console.log(`${verdict}  ${title}, ${tookMs} ms: ${detail}`);
    };
    try {
      if (battery === undefined) throw new SkipError("needs root on Linux, with unshare, ip and mount");
      const seen = await Promise.race([battery.meet(meeting), early.promise]);
      if (seen === "interrupted") return 130;
      fill("pass", seen);
    } catch (error) {
      fill(
        error instanceof SkipError ? "skip" : "fail",
        error instanceof Error ? error.message : String(error),
      );
    }
  }
  const count = (verdict: Outcome["verdict"]) => outcomes.filter((each) => each.verdict === verdict).length;
  if (values.json) console.log(JSON.stringify(outcomes, null, 2));
  else console.log(`${count("pass")} passed, ${count("fail")} failed, ${count("skip")} skipped`);
  return count("fail") === 0 && (count("pass") > 0 || battery === undefined) ? 0 : 1;
}

if (import.meta.main) await runTask(main);
