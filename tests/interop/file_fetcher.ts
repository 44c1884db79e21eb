/** The site's file through a proxy of any side. @module */
import { hashOfBytes, hashOfFile } from "./build.ts";
import { FILE_BYTES, type LiveOptions } from "./live.ts";

/** Fetches the site's file through a SOCKS proxy, and compares. Says how fast it went. */
export function fileFetcher(
  { lab, site }: Pick<LiveOptions, "lab" | "site">,
): (proxy: string) => Promise<string> {
  const url = lab.serve(async () =>
    new Response((await Deno.open(`${site}/big.bin`)).readable, {
      headers: { "content-length": `${FILE_BYTES}` }, // the peer's proxy does not pass the target's close on
    })
  );
  return async (proxy) => {
    using client = Deno.createHttpClient({ proxy: { url: `socks5h://${proxy}` }, poolMaxIdlePerHost: 0 });
    const startedMs = performance.now();
    const response = await fetch(url, { client, signal: AbortSignal.timeout(60_000) });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const seconds = (performance.now() - startedMs) / 1000;
    const [got, wanted] = [await hashOfBytes(bytes), await hashOfFile(`${site}/big.bin`)];
    if (got !== wanted) throw new Error(`SHA-256 is ${got} instead of ${wanted}, of ${bytes.length} bytes`);
    return `${(FILE_BYTES / 1e6 / seconds).toFixed(1)} MB/s, SHA-256 ${got.slice(0, 16)}`;
  };
}
