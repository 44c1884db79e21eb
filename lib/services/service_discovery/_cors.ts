/** Web pages of anybody may read what a service lists (services.md 1.3): the headers that say so. @module */
import { type Answer, bare, type ServiceApi } from "../hosting/mod.ts";

/** What pages may ask by; whatever changes something needs a signature that no page has. */
const METHODS: readonly string[] = ["GET", "HEAD"];
/** How long a page remembers that it may, in seconds. */
const REMEMBERED_S = 300;

/** `api` with the questions that browsers ask first, and the headers that they look for afterwards. */
export function withCors(api: ServiceApi): ServiceApi {
  return async (question) => {
    const origin = question.header("origin");
    const wanted = question.header("access-control-request-method");
    if (question.method === "OPTIONS" && origin !== undefined && wanted !== undefined) {
      return bare(200, [...PREFLIGHT_VARIES, ...METHODS.includes(wanted) ? allowed(wanted) : []]);
    }
    const answer = await api(question);
    const headers: Answer["headers"] = [
      ...answer.headers,
      VARIES,
      ...origin === undefined ? [] : [ANYBODY],
    ];
    return { ...answer, headers };
  };
}

function allowed(method: string): Answer["headers"] {
  return [
    ["Access-Control-Allow-Methods", method],
    ANYBODY,
    ["Access-Control-Max-Age", `${REMEMBERED_S}`],
  ];
}

const ANYBODY = ["Access-Control-Allow-Origin", "*"] as const;
const VARIES = ["Vary", "Origin"] as const;
const PREFLIGHT_VARIES: Answer["headers"] = [
  VARIES,
  ["Vary", "Access-Control-Request-Method"],
  ["Vary", "Access-Control-Request-Headers"],
];
