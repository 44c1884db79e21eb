/** The apps of a new configuration: those of this program, and those of Skywire that somebody asked for. @module */
import { type AppConfig, APPS_DEFAULT } from "../config/mod.ts";
import type { GenSettings, SettingName } from "./settings.ts";

/** Settings that make `launcher.apps`. */
export const APP_SETTINGS = [
  "disableapps",
  "proxyclientpk",
  "startproxyclient",
  "proxyclientpass",
  "proxyserver",
  "noproxyserver",
  "proxyserverpass",
  "servevpn",
  "vpnserverpass",
  "secure",
  "netifc",
  "addvpn",
  "vpnpass",
  "killsw",
  "exampleApps",
] as const satisfies readonly SettingName[];

/**
 * The apps. Of Skywire's VPN a new configuration has what a setting names: it is not built in here, and is kept for the
 * visor of Skywire that the file may be for.
 */
export function generatedApps(
  settings: GenSettings,
  { isNamed }: {
    /** Somebody said whether the visor is a server of SOCKS proxies, either way. */
    readonly isNamed: boolean;
  },
): AppConfig[] {
  const off = new Set(settings.disableapps ?? []);
  const isOn = settings.noproxyserver === true
    ? false
    : settings.proxyserver === true || settings.proxyserverpass !== undefined || isNamed;
  const { testenv = false } = settings;
  const proxies = APPS_DEFAULT.map((app): AppConfig =>
    app.name === "skysocks"
      ? {
        ...app,
        args: [...app.args, ...option("--passcode", settings.proxyserverpass)],
        autoStart: isOn,
      }
      : {
        ...app,
        args: [
          ...app.args.map((word) => testenv ? word.replace(/:1080$/, ":11080") : word),
          ...option("--srv", settings.proxyclientpk),
          ...option("--passcode", settings.proxyclientpass),
        ],
        autoStart: settings.startproxyclient === true,
      }
  );
  return [...proxies, ...vpnClient(settings), ...vpnServer(settings), ...example(settings)]
    .map((app) => ({ ...app, autoStart: app.autoStart && !off.has(app.name) }));
}

function vpnClient({ addvpn, vpnpass, killsw }: GenSettings): AppConfig[] {
  if (addvpn === undefined && vpnpass === undefined && killsw === undefined) return [];
  return [{
    name: "vpn-client",
    binary: "vpn-client",
    args: [
      ...["--dns", "1.1.1.1"],
      ...option("--killswitch", killsw),
      ...option("--srv", addvpn),
      ...option("--passcode", vpnpass),
    ],
    autoStart: false,
    port: 43,
  }];
}

function vpnServer({ servevpn, vpnserverpass, secure, netifc }: GenSettings): AppConfig[] {
  if (servevpn !== true && vpnserverpass === undefined && secure === undefined && netifc === undefined) {
    return [];
  }
  return [{
    name: "vpn-server",
    binary: "vpn-server",
    args: [
      ...option("--passcode", vpnserverpass),
      ...option("--netifc", netifc),
      ...option("--secure", secure),
    ],
    autoStart: servevpn === true,
    port: 44,
  }];
}

function example({ exampleApps }: GenSettings): AppConfig[] {
  if (exampleApps !== true) return [];
  return [{ name: "example-server-app", binary: "example-server-app", args: [], autoStart: false, port: 45 }];
}

function option(name: string, value: string | boolean | undefined): string[] {
  return value === undefined ? [] : [name, String(value)];
}
