/** Requests of a service by route and status, for its metrics. @module */

/** Requests of one kind so far. */
export interface RequestCount {
  /** `GET`, `POST`, `PUT`, `DELETE`, `HEAD`, `PATCH`, `OPTIONS`, or `other`. */
  readonly method: string;
  /** A path whose keys, ids and ports are replaced by `:key`, `:id` and `:port`; `other` for what is no route. */
  readonly route: string;
  readonly status: number;
  readonly count: number;
}

/**
 * Routes that are told apart, of each service: callers choose paths, and must not choose how much is kept. The
 * largest service has some thirty.
 */
export const ROUTES_MAX = 64;

export class RequestCounts {
  readonly #routes = new Set<string>();
  readonly #counts = new Map<string, { method: string; route: string; status: number; count: number }>();

  /** Takes every request with the status of its answer. */
  count({ method, path, status }: { method: string; path: string; status: number }): void {
    const known = METHODS.has(method) ? method : "other";
    const route = this.#routeOf(path, status);
    const key = `${known} ${route} ${status}`;
    const count = this.#counts.get(key);
    if (count === undefined) this.#counts.set(key, { method: known, route, status, count: 1 });
    else count.count++;
  }

  counts(): RequestCount[] {
    return [...this.#counts.values()].map((count) => ({ ...count }));
  }

  /** A path is a route once something was found there; until then it may be anything. */
  #routeOf(path: string, status: number): string {
    const list = LIST.exec(path)?.[1];
    if (list === undefined && path.length > ROUTE_CHARS_MAX) return OTHER;
    const route = list ?? path.replace(KEY, ":key").replace(ID, ":id").replace(PORT, ":key:port");
    if (this.#routes.has(route)) return route;
    if (status >= 400 || this.#routes.size >= ROUTES_MAX || !/^[\w./:-]*$/.test(route)) return OTHER;
    this.#routes.add(route);
    return route;
  }
}

const METHODS: ReadonlySet<string> = new Set(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]);
const KEY = /(?<=[/:])0[23][0-9a-f]{64}(?=[/:]|$)/gi;
const ID = /(?<=[/:])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=[/:]|$)/gi;
const PORT = /:key:\d+(?=\/|$)/g;
/** Whatever stands behind these is a list, and found: also where nothing in it is a key or an id (services.md 3.3). */
const LIST = /^(\/(?:metrics(?:\/uptime)?(?:\/visor)?|metric\/visor|versions)\/)(?!(?:uptime|visor)$)[^/]+$/;
const OTHER = "other";
/** Longer than any of ours, with two keys and an id. */
const ROUTE_CHARS_MAX = 256;
