/** The files of a visor, whether it runs or not. @module */
import { describeError, shellWord } from "../../base/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { type Finding, okUnless } from "./finding.ts";

/** Written and removed, to see whether the disk takes anything. */
const PROBE_FILE = ".doctor";
/** Bits of a mode that let others than the owner in. */
const OTHERS = 0o077;

export interface HomeOptions {
  readonly home: string;
  /** Absolute, or below the home; it holds the secret key. */
  readonly configFile: string;
}

/** Permissions of key files, and whether the disk takes what is written. */
export async function examineHome(
  world: Pick<World, "files" | "outside">,
  { home, configFile }: HomeOptions,
): Promise<Finding[]> {
  const { files } = world;
  const findings: Omit<Finding, "check">[] = [];
  const info = await world.outside(() => files.info(home));
  if (info === undefined) {
    return [{
      check: "files",
      severity: "warning",
      text: `There is no home ${home} yet`,
      cause: "no visor was ever run with it",
      next: `skyctl visor run --home ${shellWord(home)}`,
    }];
  }
  for (const path of await world.outside(() => keyFiles(files, home, configFile))) {
    const file = await world.outside(() => files.info(path));
    if (file === undefined || (file.mode & OTHERS) === 0) continue;
    findings.push({
      severity: "error",
      text: `${path} holds a secret key, and others on this machine can open it`,
      cause: `its mode is ${(file.mode & 0o777).toString(8).padStart(4, "0")}, not 0600`,
      next: `chmod 600 ${shellWord(path)}`,
    });
  }
  try {
    await world.outside(async () => {
      await files.write(`${home}/${PROBE_FILE}`, new Uint8Array(4_096), { mode: 0o600 });
      await files.remove(`${home}/${PROBE_FILE}`);
    });
  } catch (error) {
    findings.push({
      severity: "error",
      text: `Nothing can be written in ${home}: log, uptime and configuration are lost`,
      cause: describeError(error),
      next: `df -h ${shellWord(home)}; ls -ld ${shellWord(home)}`,
    });
  }
  return okUnless("files", `key files are their owner's alone, and ${home} takes what is written`, findings);
}

/** The configuration, and the kept keys of a local network. */
async function keyFiles(files: World["files"], home: string, configFile: string): Promise<string[]> {
  const local = `${home}/local`;
  const names = (await files.info(local))?.isDirectory ? await files.list(local) : [];
  return [configFile, ...names.filter((name) => name.endsWith(".key")).map((name) => `${local}/${name}`)];
}
