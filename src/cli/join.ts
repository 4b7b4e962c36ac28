/** `extend --join` and `join`: a longer clip where the server extends nothing. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type ContinueVideoRequest, frameOf, orElse, segmentOf } from "../continue/continueVideo.js"
import type { Film } from "../continue/ffmpeg.js"
import { finish, place, sourceOf, type Work, working } from "../continue/joinVideos.js"
import { idSegment } from "../internal/request.js"
import { extendAndWatch } from "../Stream.js"
import type { DownloadedFile } from "../Transfer.js"
import type * as VideoFile from "../VideoFile.js"
import { connectionArguments, videosLayer } from "./connection.js"
import type { JobDisplay } from "./display.js"
import { UsageError } from "./errors.js"
import { follow, type Plan, watchOptions } from "./follow.js"
import { descriptions } from "./help.js"
import * as options from "./options.js"
import { type Output, outputArguments, planOutput } from "./output.js"
import { Session } from "./session.js"
import { source, sourceArgument } from "./sources.js"
import { updatesOf, watchJobs } from "./watchJobs.js"

interface Given extends options.Following, options.Connection, options.Shown {}

/** With both programs found, and a place to work in beside the output. */
const withWork = <A, E, R>(
  given: Given,
  option: string,
  ids: ReadonlyArray<string>,
  use: (work: Work, output: Output) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const output = yield* planOutput(given.output, given.overwrite, ids)
    if (output === null) return yield* new UsageError({ field: option, problem: "needs `--output`" })
    const path = yield* Path.Path
    const somewhere = path.resolve(output.pathOf("clip"))
    return yield* working({ path: somewhere }, { overwrite: output.overwrite }, (work) => use(work, output))
  })

/** Joins what the server made to the source, if there is one to be joined to. */
const making =
  (work: Work, film: () => Film | null) =>
  (...[video, path, row]: Parameters<NonNullable<Plan["make"]>>) => {
    const first = film()
    if (first === null) return null
    const downloading = { ...work, options: { ...work.options, download: { onProgress: row.download } } }
    return Effect.gen(function* () {
      const target = yield* place(path, work.options)
      const made = yield* finish(downloading, target, first, video, video)
      const { bytes } = made
      return { path: made.path, bytes, videoId: video.id, resumedFrom: 0, etag: null } satisfies DownloadedFile
    })
  }

/** An extension; and where the server serves none, a segment that is joined to the source. */
export const extendOrJoin = (
  given: Given & { readonly source: string; readonly idempotencyKey: Option.Option<string> },
  request: ContinueVideoRequest,
  told: (display: JobDisplay) => string | VideoFile.VideoFile
) =>
  Effect.gen(function* () {
    const session = yield* Session
    const connection = connectionArguments(given)
    yield* withWork(given, "--join", [], (work, output) => {
      let film: Film | null = null
      const updates = (row: JobDisplay) => {
        const watching = {
          ...watchOptions(given, [row]),
          submit: { idempotencyKey: Option.getOrUndefined(given.idempotencyKey) }
        }
        const { extraBody, prompt, seconds } = request
        const extension = extendAndWatch({ video: told(row), prompt, seconds, extraBody }, watching)
        const segment = Effect.gen(function* () {
          yield* session.notSubmitting
          const first = yield* sourceOf(work, request.video)
          const frame = yield* frameOf(work, first, request.size)
          film = first
          yield* session.submitting("create", connection)
          return segmentOf(request, first, frame, watching)
        })
        const all = orElse(extension, () => Stream.unwrap(segment))
        return updatesOf(
          "extend",
          Stream.tapError(all, () => session.notSubmitting)
        )
      }
      return Effect.zipRight(
        session.submitting("extend", connection),
        follow(
          (display) => updates(display("extend")),
          {
            keys: ["extend"],
            first: "submitting",
            wait: true,
            output,
            resume: [...outputArguments(given.output, given.overwrite), ...connection],
            resuming: () => (film === null ? { command: "watch" } : { command: "join", before: [given.source] }),
            make: making(work, () => film)
          },
          given
        )
      )
    })
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
      const before = [given.source]
      yield* withWork(given, "join", [id], (work, output) =>
        Effect.gen(function* () {
          yield* session.started(id, { id, command: "join", before, options: resume, running: true })
          const film = yield* sourceOf(work, first)
          yield* follow(
            (rowOf) => watchJobs([id], watchOptions(given, [rowOf(id)])),
            {
              keys: [id],
              first: "looking",
              wait: true,
              output,
              resume,
              resuming: () => ({ command: "join", before }),
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
