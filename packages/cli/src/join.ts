/** `extend --join` and `join`: a longer clip where the server extends nothing. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type ContinueVideoRequest, frameOf, orElse, segmentOf } from "effect-videos/continue/continueVideo"
import type { Film } from "effect-videos/continue/film"
import { finish, place, sourceOf, type Work, working } from "effect-videos/continue/joinVideos"
import { exclusively } from "effect-videos/internal/download/pathLock"
import { idSegment } from "effect-videos/internal/protocol/validateRequest"
import { extendAndWatch } from "effect-videos/Stream"
import type { DownloadedFile } from "effect-videos/Transfer"
import type * as VideoFile from "effect-videos/VideoFile"
import { connectionArguments, videosLayer } from "./connection.js"
import type { JobDisplay } from "./display.js"
import { UsageError } from "./errors.js"
import { follow, type Plan, watchOptions } from "./follow.js"
import { descriptions } from "./help.js"
import * as options from "./options.js"
import { type Output, outputArguments, planOutput } from "./output.js"
import { Session } from "./session.js"
import { source, sourceArgument } from "./sources.js"
import { type Given, submission } from "./submission.js"
import { watchJobs } from "./watchJobs.js"

/** With both programs found, and a place to work in beside the output. */
const withWork = <A, E, R>(
  given: options.Following,
  option: string,
  ids: ReadonlyArray<string>,
  use: (work: Work, output: Output) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const output = yield* planOutput(given.output, given.overwrite, ids)
    if (output === null) return yield* new UsageError({ field: option, problem: "needs `--output`" })
    if (output.isStandardOutput) {
      return yield* new UsageError({
        field: "--output",
        problem: "must be a file: a join is not written to standard output"
      })
    }
    const path = yield* Path.Path
    const somewhere = output.target ?? { path: path.resolve(output.pathOf("clip")), isRegular: true }
    return yield* working(somewhere, { overwrite: output.overwrite }, (work) => use(work, output))
  })

/** Joins what the server made to the source, if there is one to be joined to. */
const making =
  (work: Work, film: () => Film | null) =>
  (...[video, path, row]: Parameters<NonNullable<Plan["make"]>>) => {
    const first = film()
    if (first === null) return null
    const downloading = { ...work, options: { ...work.options, download: { onProgress: row.download } } }
    return Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const target = yield* place(path, work.options)
      const joined = finish(downloading, target, first, video, video)
      const { bytes, path: saved } = yield* exclusively(fs, target, video.id, () => joined)
      return { path: saved, bytes, videoId: video.id, resumedFrom: 0, etag: null } satisfies DownloadedFile
    })
  }

/** An extension; and where the server serves none, a segment that is joined to the source. */
export const extendOrJoin = (
  given: Given & { readonly source: string },
  request: ContinueVideoRequest,
  told: (display: JobDisplay) => string | VideoFile.VideoFile
) =>
  withWork(given, "--join", [], (work, output) => {
    const { extraBody, prompt, seconds, size, video } = request
    let film: Film | null = null
    return submission(
      "extend",
      given,
      output,
      (row, watching) => {
        const segment = Effect.gen(function* () {
          const session = yield* Session
          yield* session.notSubmitting
          const first = yield* sourceOf(work, video)
          const frame = yield* frameOf(work, first, size)
          film = first
          yield* session.submitting("create", connectionArguments(given))
          return segmentOf(request, first, frame, watching)
        })
        return orElse(extendAndWatch({ video: told(row), prompt, seconds, extraBody }, watching), () =>
          Stream.unwrap(segment)
        )
      },
      {
        resuming: () => (film === null ? { command: "watch" } : { command: "join", before: [given.source] }),
        make: making(work, () => film)
      }
    )
  })

export const join = Command.make(
  "join",
  {
    source: sourceArgument("The clip that comes first: a completed job, by its id; or a film."),
    segment: Args.text({ name: "ID" }).pipe(
      Args.withDescription("The job that was made from the last frame of it. It is waited for.")
    ),
    ...options.following,
    ...options.shown,
    ...options.connection
  },
  (given) =>
    Effect.gen(function* () {
      const session = yield* Session
      const id = given.segment
      yield* idSegment("retrieveVideo", "id", id)
      const first = yield* source(given.source)
      const resume = [...outputArguments(given.output, given.overwrite), ...connectionArguments(given)]
      const resuming = { command: "join", before: [given.source] } as const
      yield* withWork(given, "join", [id], (work, output) =>
        Effect.gen(function* () {
          yield* session.started(id, { id, ...resuming, options: resume, running: true })
          const film = yield* sourceOf(work, first)
          yield* follow(
            (rowOf) => watchJobs([id], watchOptions(given, [rowOf(id)])),
            {
              keys: [id],
              first: "looking",
              wait: true,
              output,
              resume,
              connection: connectionArguments(given),
              resuming: () => resuming,
              make: making(work, () => film)
            },
            given
          )
        })
      )
    })
).pipe(
  Command.withDescription(descriptions.join),
  Command.provide((given) => videosLayer(given))
)
