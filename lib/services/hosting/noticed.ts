/** A listener whose end is noticed at once, while its server still has connections. @module */
import type { Conn } from "../../base/mod.ts";
import type { ConnListener } from "../../http/mod.ts";

/** `listener` as a server takes it, and when it gives no more connections, by a close or by itself. */
export interface NoticedListener<C extends Conn> {
  readonly listener: ConnListener<C>;
  /** Never rejects. */
  readonly ended: Promise<void>;
}

/**
 * An `HttpServer` has closed once its last connection has, and a client may keep one for as long as it likes: until
 * then nobody else could reach the service, and nobody would know (DS-7).
 */
export function noticed<C extends Conn>(listener: ConnListener<C>): NoticedListener<C> {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  return {
    ended,
    listener: {
      async accept() {
        const conn = await listener.accept();
        if (conn === null) resolve();
        return conn;
      },
      close: () => listener.close(),
    },
  };
}
