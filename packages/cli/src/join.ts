/** `extend --join` and `join`: a longer video by FFmpeg, for servers that extend nothing. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type TransferProgress, VideoFile } from "effect-videos"
import { type ContinuePhase, type ContinueVideoRequest, continueVideo, joinVideos } from "effect-videos/continue"
import { connectionArguments, videosLayer } from "./connection.js"
import { UsageError } from "./errors.js"
import { follow, type Job, type Plan } from "./follow.js"
import * as options from "./options.js"
import { type Output, planOutput } from "./output.js"
import { Session } from "./session.js"
import { source, sourceArgument } from "./sources.js"

/** The file of the result: in a directory, it is named by the segment's job or else by the source. */
export const planJoin = (given: options.Following, option: string, ids: ReadonlyArray<string>, from: string) =>
  Effect.gen(function* () {
    const output = yield* planOutput(given.output, given.overwrite, ids)
    if (output === null) return yield* new UsageError({ field: option, problem: "needs `--output`" })
    if (output.isStandardOutput) {
      const problem = "must be a file: a join is not written to standard output"
      return yield* new UsageError({ field: "--output", problem })
    }
    const { parse } = yield* Path.Path
    const path = output.file ?? output.pathOf(ids[0] ?? `${parse(from).name}-longer`)
    const again = ["-o", path, ...(given.overwrite ? ["--overwrite"] : [])]
    return { ...output, pathOf: () => path, options: again, file: path } satisfies Output
  })

/** What both commands pass on, with the phase that goes on now. */
const progressOf = (job: Job, output: Output) => {
  let phase: ContinuePhase = "extend"
  const onProgress = (progress: TransferProgress) =>
    phase === "prepare"
      ? Effect.void
      : Effect.zipRight(
          job.row.download(progress),
          phase === "join" && progress.done ? job.row.step("joining") : Effect.void
        )
  return {
    phase: () => phase,
    enter: (next: ContinuePhase) =>
      Effect.sync(() => {
        phase = next
      }),
    options: { ...job.watching, overwrite: output.overwrite, download: { onProgress }, onUpdate: job.saw }
  }
}

export const fileOf = (videoId: string, { bytes, path }: { readonly bytes: number; readonly path: string }) => ({
  path,
  bytes,
  videoId,
  resumedFrom: 0,
  etag: null
})

/** An extension; if the server serves none, a segment that is joined to the source. */
export const extendByJoin = (given: options.Submission & { readonly source: string }, request: ContinueVideoRequest) =>
  Effect.gen(function* () {
    const session = yield* Session
    const output = yield* planJoin(given, "--join", [], given.source)
    const connection = yield* connectionArguments(given)
    const { prompt } = request
    const plan: Plan = { keys: ["extend"], first: "submitting", prompt, wait: true, output, connection }
    yield* follow(plan, given, (job) => {
      const progress = progressOf(job, output)
      const onPhase = (next: ContinuePhase) =>
        Effect.gen(function* () {
          yield* progress.enter(next)
          if (next === "extend") yield* session.submitting("extend", connection)
          if (next === "prepare") {
            job.resumeBy({ command: "join", before: [given.source] })
            yield* Effect.zipRight(session.notSubmitting, job.row.step("preparing"))
          }
          if (next === "create") {
            yield* Effect.zipRight(session.submitting("create", connection), job.row.step("submitting"))
          }
        })
      const { video } = request
      const source = VideoFile.isVideoFile(video)
        ? VideoFile.withProgress(video, (sent) => (progress.phase() === "extend" ? job.row.upload(sent) : Effect.void))
        : video
      const submit = { idempotencyKey: Option.getOrUndefined(given.idempotencyKey) }
      return continueVideo({ ...request, video: source }, output.pathOf(), {
        ...progress.options,
        submit,
        onPhase
      }).pipe(
        Effect.map((made) => fileOf(made.video.id, made)),
        Effect.tapError(() => session.notSubmitting)
      )
    })
  })

export const join = Command.make(
  "join",
  {
    source: sourceArgument,
    segment: Args.text({ name: "ID" }),
    ...options.following,
    ...options.shown,
    ...options.connection
  },
  (given) =>
    Effect.gen(function* () {
      const session = yield* Session
      const id = given.segment
      const first = yield* source(given.source)
      const output = yield* planJoin(given, "join", [id], given.source)
      const connection = yield* connectionArguments(given)
      const resume = { command: "join", before: [given.source] } as const
      yield* session.started(id, { id, ...resume, options: [...output.options, ...connection], running: true })
      yield* follow({ keys: [id], first: "preparing", wait: true, output, connection }, given, (job) => {
        job.resumeBy(resume)
        const { enter, options } = progressOf(job, output)
        return Effect.map(joinVideos(first, id, output.pathOf(), { ...options, onPhase: enter }), (made) =>
          fileOf(id, made)
        )
      })
    })
).pipe(Command.provide((given) => videosLayer(given)))
