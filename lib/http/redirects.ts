/** Redirects, for callers that want them followed. @module */
import type { HttpClient } from "./client.ts";
import { HttpResponseError } from "./errors.ts";
import { type HttpRequest, splitUrl } from "./request.ts";
import type { HttpResponse } from "./response.ts";

/** As Go's client. */
export const REDIRECTS_MAX = 10;

const FOLLOWED: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Fields that another host must not see. */
const PRIVATE: ReadonlySet<string> = new Set(["authorization", "cookie", "host", "www-authenticate"]);

/**
 * Sends `request` and follows its redirects. A 301, 302 or 303 goes on as GET (HEAD stays HEAD) without body;
 * a body that streams is never sent twice. To another host no credentials go. Errors: as `HttpClient.send`;
 * `HttpResponseError` after `redirectsMax` of them, or for one that leads nowhere.
 */
export async function followRedirects(
  client: HttpClient,
  request: HttpRequest,
  { signal, redirectsMax = REDIRECTS_MAX }: { signal?: AbortSignal; redirectsMax?: number } = {},
): Promise<HttpResponse> {
  let current = request;
  for (let followed = 0;; followed++) {
    const response = await client.send(current, { signal });
    const location = response.headers.get("location");
    if (!FOLLOWED.has(response.status) || location === undefined) return response;
    const keepsBody = response.status === 307 || response.status === 308;
    if (keepsBody && !isReplayable(current)) return response; // the caller may send it anew
    response.discard();
    if (followed === redirectsMax) {
      throw new HttpResponseError(`Answer redirects more than ${redirectsMax} times: ${request.url}`);
    }
    current = redirected(current, resolve(location, current.url), keepsBody);
  }
}

function isReplayable({ body }: HttpRequest): boolean {
  return body === undefined || typeof body === "string" || body instanceof Uint8Array ||
    typeof body === "function";
}

function resolve(location: string, base: string): string {
  try {
    const url = absolute(location, base);
    splitUrl(url); // a host must be in it
    return url;
  } catch (cause) {
    throw new HttpResponseError(`Answer redirects to no URL: ${JSON.stringify(location)}`, { cause });
  }
}

/** As written where it is absolute: a URL object would drop `:80`. */
function absolute(location: string, base: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) return location;
  const { scheme, authority } = splitUrl(base);
  if (location.startsWith("//")) return `${scheme}:${location}`;
  const { pathname, search } = new URL(location, base);
  return `${scheme}://${authority}${pathname}${search}`;
}

function redirected(request: HttpRequest, url: string, keepsBody: boolean): HttpRequest {
  const elsewhere = splitUrl(url).authority !== splitUrl(request.url).authority;
  const headers = [...request.headers ?? []].filter(([name]) => {
    const lower = name.toLowerCase();
    return !(elsewhere && PRIVATE.has(lower)) && !(!keepsBody && lower.startsWith("content-"));
  });
  if (keepsBody) return { ...request, url, headers };
  const method = request.method === "HEAD" ? "HEAD" : "GET";
  return { url, headers, method };
}
