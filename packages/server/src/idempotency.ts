/** `Idempotency-Key`, for servers that honour it: a submission that comes again is answered with the job it made. */
import { createHash } from "node:crypto"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Job } from "./Jobs.js"
import { type Fields, type Refusal, refuse, UploadedFile } from "./protocol.js"

/** A job, and whether it was there before. */
export interface Submitted {
  readonly job: Job
  readonly replayed: boolean
}

/** @internal */
export type Once = <R>(
  path: string,
  fields: Fields,
  make: Effect.Effect<Job, Refusal, R>
) => Effect.Effect<Submitted, Refusal, R | FileSystem.FileSystem | HttpServerRequest.HttpServerRequest>

const fresh = (job: Job): Submitted => ({ job, replayed: false })

/** What was asked for, whatever its boundaries, its spaces and its order of fields are. */
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

interface Kept {
  /** Of two requests with one key, the second waits for what the first comes to. */
  readonly permit: Effect.Semaphore
  made: { readonly fingerprint: string; readonly job: Job } | null
}

/** Keys are kept for as long as the server runs. A submission that is refused makes nothing, and leaves its key free. */
export const makeIdempotency = (rule: "honour" | "ignore"): Once => {
  if (rule === "ignore") return (_path, _fields, make) => Effect.map(make, fresh)
  const keys = new Map<string, Kept>()
  return (path, fields, make) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) => {
      const key = headers["idempotency-key"]
      if (key === undefined || key === "") return Effect.map(make, fresh)
      const kept = keys.get(key) ?? { permit: Effect.unsafeMakeSemaphore(1), made: null }
      keys.set(key, kept)
      return Effect.flatMap(fingerprintOf(path, fields), (fingerprint) =>
        kept.permit.withPermits(1)(
          Effect.suspend(() => {
            const { made } = kept
            if (made === null) {
              // Nothing may come between a job and its key: a client that goes away now will ask again.
              return Effect.uninterruptible(
                Effect.map(make, (job) => {
                  kept.made = { fingerprint, job }
                  return fresh(job)
                })
              )
            }
            return made.fingerprint === fingerprint
              ? Effect.succeed({ job: made.job, replayed: true })
              : Effect.fail(
                  refuse(409, "This Idempotency-Key was used for another request.", {
                    code: "idempotency_key_reused",
                    // The protocol's own clients try again after a 409.
                    headers: { "x-should-retry": "false" }
                  })
                )
          })
        )
      )
    })
}
