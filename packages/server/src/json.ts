/** What JSON is made of, for reading request bodies. */
import type { Json } from "effect-videos/Schema"

export type { Json }

export type JsonObject = { readonly [key: string]: unknown }

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The end of the year 9999, in Unix milliseconds: a later time is a mistake in the unit. */
export const maxUnixMillis = 253_402_300_799_999
