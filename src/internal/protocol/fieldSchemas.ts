/** Schemas of the fields that resources and webhook events share. */
import type { LazyArbitrary } from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as wire from "./jsonReaders.js"

export const Time = Schema.NullOr(
  Schema.DateTimeUtcFromSelf.pipe(
    Schema.filter((time) => time.epochMillis > 0 && time.epochMillis <= wire.maxUnixMillis, {
      arbitrary: () => (fc) =>
        fc.integer({ min: 1, max: wire.maxUnixMillis }).map((millis) => DateTime.unsafeMake(millis))
    })
  )
)

// Declared and no `Schema.Record`: that one copies key by key, so that a `__proto__` key would change the copy's prototype.
export const JsonObject = Schema.declare(wire.isObject, { identifier: "JsonObject", jsonSchema: { type: "object" } })

/** As JSON carries it: without `-0`. */
export const throughText = <A>(value: A): A => JSON.parse(JSON.stringify(value)) as A

/** Objects without the fields in `known`. */
export const objectsWithout =
  (known: ReadonlySet<string>): LazyArbitrary<wire.JsonObject> =>
  (fc) =>
    fc
      .dictionary(
        fc.string().filter((key) => !known.has(key) && key !== "__proto__"),
        fc.jsonValue()
      )
      .map(throughText)
