/**
 * The manifest of `extendTo`: what was asked for, what was paid for, and the submission whose outcome is not recorded yet. It is
 * in a directory beside the result, with the clips that were downloaded, and is removed once the result is saved.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isMissing, replaceFile, type Target, writeError } from "../internal/download/targetFile.js"
import { VideoResource } from "../internal/protocol/videoSchemas.js"
import { randomId } from "../internal/randomId.js"
import { ManifestError } from "./errors.js"

/** One film of the result: the source (segment 0), or what a job made. */
const Clip = Schema.Struct({
  segment: Schema.Number,
  job: Schema.NullOr(VideoResource),
  seconds: Schema.Number
})

export type Clip = typeof Clip.Type

/** Recorded before the request is sent; its job is recorded with the response. */
const Submission = Schema.Struct({
  segment: Schema.Number,
  way: Schema.Literal("extended", "joined"),
  prompt: Schema.String,
  seconds: Schema.Number,
  size: Schema.NullOr(Schema.String),
  idempotencyKey: Schema.String,
  begunAt: Schema.DateTimeUtc,
  sentAt: Schema.DateTimeUtc,
  /** The newest jobs on the server's list before it was sent. */
  baseline: Schema.NullOr(Schema.Array(Schema.String)),
  job: Schema.NullOr(VideoResource)
})

export type Submission = typeof Submission.Type

/** What must be the same in every run. */
const Order = Schema.Struct({
  server: Schema.NullOr(Schema.String),
  source: Schema.String,
  totalSeconds: Schema.Number,
  prompts: Schema.NonEmptyArray(Schema.String),
  model: Schema.NullOr(Schema.String),
  size: Schema.NullOr(Schema.String),
  extraBody: Schema.Unknown,
  /** Seconds of a film that show the film before it: a crossfade, or a window that it begins with. */
  overlap: Schema.Number
})

export type Order = typeof Order.Type

const Manifest = Schema.Struct({
  version: Schema.Literal(1),
  order: Order,
  clips: Schema.NonEmptyArray(Clip),
  pending: Schema.NullOr(Submission),
  /** Segments that are complete. */
  segments: Schema.Number,
  /** Jobs that were submitted, failed ones included, and what each of them that has ended costs. */
  submissions: Schema.Number,
  costs: Schema.Array(Schema.NullOr(Schema.Struct({ amount: Schema.Number, currency: Schema.String })))
})

export type Manifest = typeof Manifest.Type

const ManifestText = Schema.parseJson(Manifest, { space: 2 })

/** The manifest on disk: what it says now, and how to change it. */
export interface ManifestFile {
  readonly directory: string
  readonly path: string
  readonly read: Effect.Effect<Manifest | null, ManifestError>
  readonly write: (manifest: Manifest) => Effect.Effect<Manifest, ReturnType<ReturnType<typeof writeError>>>
  readonly remove: Effect.Effect<void>
}

/** Creates the directory, if it is missing. */
export const openManifest = ({ part }: Target) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { join } = yield* Path.Path
    const directory = part.replace(/\.part$/, ".extend")
    const path = join(directory, "manifest.json")
    yield* Effect.mapError(fs.makeDirectory(directory, { recursive: true }), writeError(directory))
    const file: ManifestFile = {
      directory,
      path,
      read: fs.readFileString(path).pipe(
        Effect.flatMap(Schema.decode(ManifestText)),
        Effect.catchIf(
          (error) => error._tag === "SystemError" && isMissing(error),
          () => Effect.succeed(null)
        ),
        Effect.mapError((cause) => new ManifestError({ reason: "unreadable", path, differs: [], cause }))
      ),
      write: (manifest) =>
        Effect.suspend(() =>
          replaceFile(fs, path, `${path}.${randomId()}`, Schema.encodeSync(ManifestText)(manifest))
        ).pipe(Effect.mapError(writeError(path)), Effect.as(manifest)),
      remove: Effect.ignore(fs.remove(directory, { recursive: true }))
    }
    return file
  })

/** The fields of an order that another has otherwise, in words of the caller. */
export const differences = (one: Order, other: Order): ReadonlyArray<string> =>
  Object.keys(one).filter((name) => {
    const field = name as keyof Order
    return JSON.stringify(one[field]) !== JSON.stringify(other[field])
  })
