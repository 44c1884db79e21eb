/** A service that tells where addresses are, asked over HTTP (services.md 6). @module */
import { HttpServices, type HttpServicesOptions, LocationClient } from "../../directory/mod.ts";
import { InvalidServiceSettingError } from "./settings.ts";
import type { Locate } from "./place_book.ts";

/** A way to learn where addresses are. Disposing it ends what is under way. */
export interface Locations extends AsyncDisposable {
  readonly locate: Locate;
}

/** The one at `url`, which is asked `url?ip=<address>`. Errors: `InvalidServiceSettingError`. */
export function locationsAt(url: string, options: HttpServicesOptions): Locations {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.search !== "") {
    throw new InvalidServiceSettingError(
      `${JSON.stringify(url.slice(0, 200))} is no address of a location service`,
      {
        hint: "write http://HOST[:PORT][/PATH] or https://...",
      },
    );
  }
  const services = new HttpServices(options);
  const client = new LocationClient(services.askService("location service", parsed.origin), {
    path: parsed.pathname,
  });
  return {
    locate: (address) => client.placeOf(address),
    [Symbol.asyncDispose]: () => services.close(),
  };
}
