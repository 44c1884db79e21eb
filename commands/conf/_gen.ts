/** What `skyctl conf gen` does. @module */
import { CallerError, describeError } from "../../lib/base/mod.ts";
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import { generateKeyPair, SecretKey } from "../../lib/crypto/mod.ts";
import {
  type Deployment,
  type Deployments,
  embeddedDeployments,
  Fields,
  mergeDeployments,
  parseConfigText,
  parseDeployments,
  readSecretKey,
  SOLE_NAME,
} from "../../lib/deployment/mod.ts";
import { refuseChanged, whileLocked } from "../../lib/deployment/edit/mod.ts";
import { ConfigBootstrapperClient } from "../../lib/directory/mod.ts";
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
import { withService } from "../_ask_service.ts";
import type { PostQuantumOptions } from "../post_quantum_option.ts";
import { DEPLOYMENT_VARIABLE } from "./_deployment_variable.ts";
import { isStream, readConfigIfAny, refuseNoFile } from "./_file.ts";

/** The variable that names a SKYENV file. */
const SKYENV_VARIABLE = "SKYENV";

export interface GenOptions extends PostQuantumOptions {
  readonly home?: string | undefined;
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
  /** Never the embedded deployment. */
  readonly nodefaults?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly os?: typeof SYSTEMS[number] | undefined;
  readonly timeout: number;
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
  if (raw !== undefined && options.sn !== true) refuseOtherKind(raw, file);
  const names = options.sn === true
    ? { secret: "secret_key", public: "public_key" }
    : { secret: "sk", public: "pk" };
  const keptKey = raw && readSecretKey(new Fields(file, raw, ""), names);
  const secretKey = secretKeyOf(resolved) ?? keptKey ?? generateKeyPair(random).secretKey;
  const { name, deployment } = await deploymentOf(io, options, resolved);
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

/** Every source of services was forbidden. */
export class NoServicesError extends CallerError {
  readonly code = "NO_SERVICES";
}

/** Of the files, of the configuration service, or embedded, in this order. */
async function deploymentOf(
  io: Io,
  options: GenOptions,
  resolved: ResolvedSettings,
): Promise<{ name: string; deployment: Deployment }> {
  const { svcconf, dmsgconf, nofetch, url } = resolved.settings;
  if (svcconf !== undefined || dmsgconf !== undefined) {
    const read = async (file: string | undefined) => file === undefined ? {} : await deploymentsIn(io, file);
    const deployments = mergeDeployments(await read(svcconf), await read(dmsgconf));
    return {
      name: [svcconf, dmsgconf].filter((file) => file !== undefined).join(" and "),
      ...oneOf(deployments, resolved),
    };
  }
  const embedded = await embeddedOf(io, resolved);
  if (nofetch === true) {
    if (options.nodefaults !== true || io.env(DEPLOYMENT_VARIABLE)) return embedded;
    throw new NoServicesError(
      "Neither a file nor the configuration service may tell the services, nor the embedded data",
      {
        hint: "give --svcconf FILE, or leave out --nofetch or --nodefaults",
      },
    );
  }
  try {
    // The test deployment is no network that a visor of this home is on: it is asked where it says that it is.
    const addr = url ?? (resolved.settings.testenv === true ? embedded.deployment.conf : undefined);
    const fetched = await fetchDeployment(io, {
      ...options,
      addr,
      deployment: io.env(DEPLOYMENT_VARIABLE) || undefined,
    });
    const deployment = options.nodefaults === true ? fetched : completed(fetched, embedded.deployment);
    return { name: "the configuration service", deployment };
  } catch (error) {
    io.signal.throwIfAborted();
    if (options.nodefaults === true) throw error;
    io.note(
      `warning: the configuration service was not reached, so services are those of ${embedded.name}: ${
        describeError(error)
      }`,
    );
    return embedded;
  }
}

async function fetchDeployment(
  io: Io,
  options: GenOptions & { readonly addr: string | undefined; readonly deployment: string | undefined },
): Promise<Deployment> {
  return await withService(
    io,
    options,
    "conf",
    (ask, signal) => new ConfigBootstrapperClient(ask).deployment({ signal }),
  );
}

/** What an older service leaves out is taken over from the same deployment, and from no other. */
function completed(fetched: Deployment, embedded: Deployment): Deployment {
  const isSame = fetched.dmsgDiscovery === undefined
    ? fetched.dmsgDiscoveryDmsg === embedded.dmsgDiscoveryDmsg
    : fetched.dmsgDiscovery === embedded.dmsgDiscovery;
  if (!isSame) return fetched;
  return mergeDeployments({ [SOLE_NAME]: fetched }, { [SOLE_NAME]: embedded })[SOLE_NAME]!;
}

async function embeddedOf(
  io: Io,
  resolved: ResolvedSettings,
): Promise<{ name: string; deployment: Deployment }> {
  const file = io.env(DEPLOYMENT_VARIABLE) || undefined;
  const deployments = file === undefined ? embeddedDeployments() : await deploymentsIn(io, file);
  return { name: file ?? "the embedded deployment", ...oneOf(deployments, resolved) };
}

async function deploymentsIn(io: Io, file: string): Promise<Deployments> {
  const { files } = await io.world();
  return parseDeployments(new TextDecoder().decode(await files.read(file)), file);
}

function oneOf(deployments: Deployments, { settings }: ResolvedSettings): { deployment: Deployment } {
  const wanted = settings.testenv === true ? "test" : "prod";
  return { deployment: deployments[wanted] ?? Object.values(deployments)[0]! };
}
