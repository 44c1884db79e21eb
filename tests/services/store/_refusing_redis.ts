/** What speaks as a Redis does, and refuses one command. @module */

/** Answers `+OK` to every command but `refused`, which it answers with an error of these words. */
export async function withRefusingRedis(
  { refused, words }: { readonly refused: string; readonly words: string },
  test: (place: string) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const answering = (async () => {
    for await (const conn of listener) {
      const bytes = new Uint8Array(4_096);
      for (let count = await conn.read(bytes); count !== null; count = await conn.read(bytes)) {
        const text = new TextDecoder().decode(bytes.subarray(0, count));
        for (const [, name] of text.matchAll(/^\*[0-9]+\r\n\$[0-9]+\r\n(\w+)/gm)) {
          const answer = name!.toLowerCase() === refused ? `-${words}\r\n` : "+OK\r\n";
          await conn.write(new TextEncoder().encode(answer));
        }
      }
      conn.close();
    }
  })();
  try {
    await test(`127.0.0.1:${listener.addr.port}`);
  } finally {
    listener.close();
    await answering;
  }
}
