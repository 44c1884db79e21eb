/** How this service says no: the status in words before the message (services.md 1.2). @module */
import type { ServiceRecord } from "../../directory/mod.ts";
import { wireService } from "../../directory/mod.ts";
import { type Answer, goJson, json } from "../hosting/mod.ts";

const WORDS = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  500: "Internal Server Error",
} as const;

export function problem(status: keyof typeof WORDS, message: string): Answer {
  return json(goJson({ error: `${WORDS[status]}: ${message}` }) + "\n", status);
}

/** A record as its owner gets it back: with everything. */
export function own(record: ServiceRecord): Answer {
  return json(`${goJson(wireService(record))}\n`);
}

/** A record as others see it: addresses only where the owner shows them. */
export function shown({ displayNodeIp, localIps, ...record }: ServiceRecord): object {
  return wireService(displayNodeIp === true ? { ...record, localIps } : record);
}
