/** Where on earth an address is, roughly: the JSON of records, and that of services which tell it (services.md 6). @module */
import { present } from "../base/mod.ts";
import { member } from "./_answers.ts";

/** What is not known is absent. */
export interface Place {
  /** Degrees, two decimals: a town, not a house. */
  readonly latitude?: number;
  readonly longitude?: number;
  /** ISO 3166: `NL`. */
  readonly country?: string;
  /** Of the country: `NH`. */
  readonly region?: string;
}

/** Codes have two or three characters. */
export const PLACE_CHARS_MAX = 16;

/** Reads `{lat, lon, country, region}`; what is none is passed over. */
export function readPlace(value: unknown): Place {
  return placeOf(value, ["lat", "lon", "country", "region"]);
}

/** Reads what a service of addresses says: `{latitude, longitude, country_code, region_code}`. Undefined for nothing. */
export function readLocation(value: unknown): Place | undefined {
  const place = placeOf(value, ["latitude", "longitude", "country_code", "region_code"]);
  return Object.keys(place).length === 0 ? undefined : place;
}

/** The JSON in a record. */
export function wirePlace({ latitude, longitude, country, region }: Place) {
  return present({ lat: latitude, lon: longitude, country, region });
}

function placeOf(
  value: unknown,
  [lat, lon, country, region]: readonly [string, string, string, string],
): Place {
  return present({
    latitude: degrees(member(value, lat), 90),
    longitude: degrees(member(value, lon), 180),
    country: code(member(value, country)),
    region: code(member(value, region)),
  });
}

function degrees(value: unknown, max: number): number | undefined {
  return typeof value === "number" && Math.abs(value) <= max ? Math.round(value * 100) / 100 : undefined;
}

function code(value: unknown): string | undefined {
  return typeof value === "string" && /^[\p{L}\p{N} -]+$/u.test(value) && value.length <= PLACE_CHARS_MAX
    ? value
    : undefined;
}
