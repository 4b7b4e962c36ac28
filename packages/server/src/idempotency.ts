/** `Idempotency-Key`: a server that honours it returns the first job for a repeated submission. */
import { createHash } from "node:crypto"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Job } from "./Jobs.js"
import { type Fields, type Refusal, refuse, UploadedFile } from "./protocol.js"

/** A job, and whether an earlier submission made it. */
export interface Submitted {
  readonly job: Job
  readonly replayed: boolean
}

/** @internal */
export type SubmitOnce = <R>(
  path: string,
  fields: Fields,
  make: Effect.Effect<Job, Refusal, R>
) => Effect.Effect<Submitted, Refusal, R | FileSystem.FileSystem | HttpServerRequest.HttpServerRequest>

const fresh = (job: Job): Submitted => ({ job, replayed: false })

/** Hashes the content of a submission. Form boundaries, white space in JSON and the order of fields do not matter. */
const fingerprintOf = (path: string, fields: Fields): Effect.Effect<string, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const hash = createHash("sha256").update(path)
    for (const [name, value] of Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))) {
      const isFile = value instanceof UploadedFile
      hash.update(JSON.stringify(isFile ? [name, value.name, value.contentType] : [name, value]))
      if (isFile) {
        const fs = yield* FileSystem.FileSystem
        yield* Effect.orDie(Stream.runForEach(fs.stream(value.path), (chunk) => Effect.sync(() => hash.update(chunk))))
      }
    }
    return hash.digest("hex")
  })

interface KeyRecord {
  /** Makes a second request with the same key wait for the result of the first. */
  readonly permit: Effect.Semaphore
  made: { readonly fingerprint: string; readonly job: Job } | null
}

/** Makes the check of idempotency keys. The server keeps keys until it stops. A refused submission does not use up its key. */
export const makeIdempotency = (rule: "honour" | "ignore"): SubmitOnce => {
  if (rule === "ignore") return (_path, _fields, make) => Effect.map(make, fresh)
  const keys = new Map<string, KeyRecord>()
  return (path, fields, make) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) => {
      const key = headers["idempotency-key"]
      if (key === undefined || key === "") return Effect.map(make, fresh)
      const record = keys.get(key) ?? { permit: Effect.unsafeMakeSemaphore(1), made: null }
      keys.set(key, record)
      return Effect.flatMap(fingerprintOf(path, fields), (fingerprint) =>
        record.permit.withPermits(1)(
          Effect.suspend(() => {
            const { made } = record
            if (made === null) {
              // Uninterruptible, so that no job exists without its key: a client that disconnects now will retry.
              return Effect.uninterruptible(
                Effect.map(make, (job) => {
                  record.made = { fingerprint, job }
                  return fresh(job)
                })
              )
            }
            return made.fingerprint === fingerprint
              ? Effect.succeed({ job: made.job, replayed: true })
              : Effect.fail(
                  refuse(409, "This Idempotency-Key was used for another request.", {
                    code: "idempotency_key_reused",
                    // The official clients retry after a 409 without this header.
                    headers: { "x-should-retry": "false" }
                  })
                )
          })
        )
      )
    })
}
