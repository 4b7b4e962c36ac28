/** Tells two requests apart without keeping the order of their fields. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"

const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([name, each]) => [name, sorted(each)])
        )
      : value

export const fingerprintOf = (json: string): Effect.Effect<string> =>
  Effect.sync(() =>
    createHash("sha256")
      .update(JSON.stringify(sorted(JSON.parse(json))))
      .digest("hex")
  )
