/** What `skyctl conf gen` does. @module */
import { CallerError } from "../../lib/base/mod.ts";
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import { generateKeyPair, SecretKey } from "../../lib/crypto/mod.ts";
import { Fields, parseConfigText, readSecretKey } from "../../lib/deployment/mod.ts";
import { refuseChanged, whileLocked } from "../../lib/deployment/edit/mod.ts";
import { refuseOtherKind, renderConfig } from "../../lib/visor/config/mod.ts";
import {
  checkConfig,
  fileFor,
  type NewConfig,
  newConfig,
  newSetupNodeConfig,
  parseSkyenv,
  renderSkyenvTemplate,
  type ResolvedSettings,
  resolveSettings,
  type SYSTEMS,
} from "../../lib/visor/conf/mod.ts";
import { isStream, readConfigIfAny, refuseNoFile } from "./_file.ts";
import { embeddedOf, servicesOf, type ServicesOptions } from "./_services.ts";

/** The variable that names a SKYENV file. */
const SKYENV_VARIABLE = "SKYENV";

export interface GenOptions extends ServicesOptions {
  readonly regen?: boolean | undefined;
  readonly retainhv?: boolean | undefined;
  readonly force?: boolean | undefined;
  readonly stdout?: boolean | undefined;
  readonly squash?: boolean | undefined;
  readonly envs?: boolean | undefined;
  /** Of a setup node, not of a visor. */
  readonly sn?: boolean | undefined;
  /** No answer but the exit code. */
  readonly hide?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly os?: typeof SYSTEMS[number] | undefined;
}

/** There is a configuration, and nobody said what shall become of it. */
export class ConfigExistsError extends CallerError {
  readonly code = "CONFIG_EXISTS";
  constructor(readonly file: string) {
    super(`Cannot write a configuration to ${file}: the file exists`, {
      hint: "--regen keeps its keys; --force drops them; --out FILE leaves it alone",
    });
  }
}

/** What `--json` prints. */
export interface GenAnswer {
  readonly file: string;
  readonly publicKey: string;
  /** Where the services come from. */
  readonly deployment: string;
  readonly keptKeys: boolean;
  readonly dryRun: boolean;
}

/** Makes one. */
export async function gen(io: Io, options: GenOptions): Promise<void> {
  if (options.envs === true) {
    const template = renderSkyenvTemplate();
    return io.emit({ template }, () => template);
  }
  const world = await io.world();
  const { files, random } = world;
  const resolved = await settingsOf(io, options);
  if (resolved.settings.bestproto === true) {
    io.note("--bestproto: nothing has to be chosen, services are named over dmsg and over HTTP");
  }
  const file = fileOf(io, options, resolved);
  if (options.regen === true) await refuseNoFile(io, file);
  const isDropped = options.regen !== true && (options.force === true || await isStream(io, file));
  const old = isDropped ? undefined : await readConfigIfAny(io, file);
  const isWritten = options.stdout !== true;
  if (isWritten && old !== undefined && options.regen !== true) throw new ConfigExistsError(file);
  const raw = old === undefined || options.regen !== true ? undefined : parseConfigText(old.text, file);
  if (raw !== undefined) refuseOtherKind(raw, file, options.sn === true ? "a setup node" : "a visor");
  const names = options.sn === true
    ? { secret: "secret_key", public: "public_key" }
    : { secret: "sk", public: "pk" };
  const keptKey = raw && readSecretKey(new Fields(file, raw, ""), names);
  const secretKey = secretKeyOf(resolved) ?? keptKey ?? generateKeyPair(random).secretKey;
  const replaced = options.force === true || options.regen === true ? file : undefined;
  const { name, deployment } = await servicesOf(io, { ...options, replaced }, resolved, raw && { file, raw });
  const config = options.sn === true
    ? newSetupNodeConfig({ secretKey, settings: resolved.settings, deployment })
    : newConfig({
      world,
      secretKey,
      resolved,
      deployment,
      system: options.os,
      userFolder: userFolderOf(io),
      old: raw,
      keepsHypervisors: options.retainhv === true,
    }).config;
  const text = options.squash === true ? JSON.stringify(config) : renderConfig(config);
  if (options.sn !== true) refuseFaults(text, file);
  const isHidden = options.hide === true && !io.json;
  if (!isWritten) return isHidden ? undefined : io.emit(config, () => text);
  const dryRun = options.dryRun === true;
  if (!dryRun) {
    const folder = file.replace(/[/\\][^/\\]*$/, "");
    if (folder !== file && folder !== "") await files.makeDirectory(folder, { mode: 0o700 });
    await whileLocked(world, file, async () => {
      if (!isDropped) await refuseChanged(files, file, old?.text); // while services were asked
      const owner = options.regen === true ? "kept" : "own"; // a visor of that user is to read it
      await files.write(file, new TextEncoder().encode(text), { mode: 0o600, owner });
    }, { signal: io.signal });
  }
  if (isHidden) return;
  const { publicKey } = secretKey;
  io.emit({ file, publicKey, deployment: name, keptKeys: secretKey === keptKey, dryRun }, renderGen);
}

/** One line. */
export function renderGen({ file, publicKey, deployment, keptKeys, dryRun }: GenAnswer): string {
  const keys = keptKeys ? `its key ${publicKey} kept` : `with key ${publicKey}`;
  return `configuration ${dryRun ? "would be made" : "made"}: ${file}, ${keys}, services of ${deployment}`;
}

/** What a configuration would be that nobody has made yet, without asking anybody. */
export async function previewOf(
  io: Io,
  options: Pick<GenOptions, "home">,
): Promise<NewConfig & { readonly file: string }> {
  const resolved = await settingsOf(io, options);
  const world = await io.world();
  const { deployment } = await embeddedOf(io, resolved);
  const secretKey = secretKeyOf(resolved) ?? generateKeyPair(world.random).secretKey;
  const made = newConfig({ world, secretKey, resolved, deployment, userFolder: userFolderOf(io) });
  return { ...made, file: fileOf(io, options, resolved) };
}

async function settingsOf(io: Io, flags: object): Promise<ResolvedSettings> {
  const { files } = await io.world();
  const file = io.env(SKYENV_VARIABLE) ?? "";
  const text = file === "" ? "" : new TextDecoder().decode(await files.read(file));
  const resolved = resolveSettings({
    flags: flags as Record<string, unknown>,
    env: (name) => io.env(name),
    skyenv: parseSkyenv(text, file),
    skyenvFile: file,
  });
  for (const name of resolved.withoutUse) io.note(`${file}: ${name} has no use here, and is passed over`);
  return resolved;
}

function fileOf(
  io: Io,
  options: Pick<GenOptions, "home" | "os" | "sn">,
  resolved: ResolvedSettings,
) {
  if (options.sn === true) return resolved.settings.out ?? `${homeOf(io, options)}/setup-node.json`;
  return fileFor(resolved, { system: options.os, userFolder: userFolderOf(io) }) ??
    `${homeOf(io, options)}/visor.json`;
}

function userFolderOf(io: Io): string {
  return (io.env("HOME") || io.env("USERPROFILE") || ".").replace(/(?<=.)[/\\]+$/, "");
}

function secretKeyOf({ settings: { sk } }: ResolvedSettings): SecretKey | undefined {
  return sk === undefined ? undefined : SecretKey.parse(sk);
}

/** A configuration that `conf check` would call faulty is not made. */
function refuseFaults(text: string, file: string): void {
  const fault = checkConfig(text, file).find(({ severity }) => severity === "error");
  if (fault !== undefined) throw new FaultySettingError(fault.field, fault.problem, fault.remedy);
}

/** Settings that make a configuration which no visor starts with. */
export class FaultySettingError extends CallerError {
  readonly code = "FAULTY_SETTING";
  constructor(field: string, problem: string, remedy: string) {
    super(`These settings make a configuration that cannot be used: field ${field}: ${problem}`, {
      hint: remedy,
    });
  }
}
