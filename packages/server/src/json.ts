/** Types of JSON values in request bodies. */

/** Any JSON value. */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [key: string]: Json }

export type JsonObject = { readonly [key: string]: unknown }

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The end of the year 9999, in Unix milliseconds: a later time is a mistake in the unit. */
export const maxUnixMillis = 253_402_300_799_999
