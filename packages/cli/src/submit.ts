/** `create`, `extend`, `edit` and `remix`: from a prompt to a job, or in one line to a file. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import {
  createAndWatch,
  editAndWatch,
  extendAndWatch,
  type ImageReference,
  remixAndWatch,
  reserveFile,
  type SubmitAndWatchOptions,
  VideoFile,
  type VideoResource,
  type Videos
} from "effect-videos"
import { connectionArguments, videosLayer } from "./connection.js"
import type { JobDisplay } from "./display.js"
import { database } from "./durable.js"
import { UsageError } from "./errors.js"
import { extendToLength } from "./extendTo.js"
import { follow, type Plan, untilSaved } from "./follow.js"
import { extendByJoin } from "./join.js"
import * as options from "./options.js"
import { planOutput } from "./output.js"
import { extendLater, needsTo } from "./runs.js"
import { Screen } from "./screen.js"
import { Session } from "./session.js"
import { isFile, source, sourceArgument, videoSource } from "./sources.js"
import { quote } from "./text.js"

const picture = (text: string) =>
  Effect.gen(function* () {
    if (/^(https?|data):/i.test(text)) return { imageUrl: text } satisfies ImageReference
    if (yield* isFile(text)) return yield* VideoFile.fromPath(text)
    if (/^file[-_]\w+$/.test(text)) return { fileId: text } satisfies ImageReference
    return yield* new UsageError({
      field: "--image",
      problem: `must be a URL, a file or the id of an uploaded file; the file ${text} does not exist`
    })
  })

const withUpload = <A>(video: A | VideoFile.VideoFile, row: JobDisplay): A | VideoFile.VideoFile =>
  VideoFile.isVideoFile(video) ? VideoFile.withProgress(video, row.upload) : video

/** Submits, and with `--watch` or `--output` follows the job. The path of a file is reserved before anything is sent. */
const submit = <E>(
  operation: string,
  given: options.Submission,
  updates: (row: JobDisplay, options: SubmitAndWatchOptions) => Stream.Stream<VideoResource, E, Videos>
) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const session = yield* Session
    const output = yield* planOutput(given.output, given.overwrite, [])
    const connection = yield* connectionArguments(given)
    const wait = given.watch || output !== null
    const prompt = yield* options.promptOf(given)
    const plan: Plan = { keys: [operation], first: "submitting", prompt, wait, output, connection }
    const submitOptions = { idempotencyKey: Option.getOrUndefined(given.idempotencyKey) }
    let id = ""
    const run = (submitted: (id: string) => Effect.Effect<void>) =>
      follow(plan, given, (job) => {
        const made = updates(job.row, { ...job.watching, submit: submitOptions }).pipe(
          Stream.tap((video) => {
            id = video.id
            return submitted(id)
          }),
          Stream.tapError(() => session.notSubmitting)
        )
        return Effect.zipRight(session.submitting(operation, connection), untilSaved(job, made, plan))
      })
    const { file = null, overwrite } = output ?? {}
    yield* file === null
      ? run(() => Effect.void)
      : reserveFile(file, ({ submitted }) => run(submitted), { overwrite: overwrite ?? false })
    if (!wait && screen.terminal.err && Option.getOrNull(given.progress ?? Option.none()) !== "json") {
      const words = ["watch", id, "-o", "clip.mp4", ...connection]
      yield* screen.err(`Next: ${session.program} ${words.map(quote).join(" ")}\n`)
    }
  })

const size = Options.optional(Options.text("size"))
const model = Options.optional(Options.text("model"))

export const create = Command.make(
  "create",
  {
    seconds: Options.optional(options.seconds),
    size,
    model,
    image: Options.optional(Options.text("image")),
    ...options.submission
  },
  (given) =>
    Effect.gen(function* () {
      const prompt = yield* options.promptOf(given)
      const image = Option.isSome(given.image) ? yield* picture(given.image.value) : undefined
      yield* submit("create", given, (row, watching) =>
        createAndWatch(
          {
            prompt,
            seconds: Option.getOrUndefined(given.seconds),
            size: Option.getOrUndefined(given.size),
            model: Option.getOrUndefined(given.model),
            inputReference: image === undefined ? undefined : withUpload(image, row),
            extraBody: given.extraBody
          },
          watching
        )
      )
    })
).pipe(Command.provide((given) => videosLayer(given)))

export const extend = Command.make(
  "extend",
  {
    source: sourceArgument,
    seconds: Options.optional(options.seconds),
    join: Options.boolean("join"),
    to: Options.optional(options.duration("to")),
    next: Options.repeated(Options.text("then")),
    maxSegments: Options.optional(options.integer("max-segments", 0, 10_000)),
    maxCost: Options.optional(options.amount("max-cost")),
    unsettled: Options.optional(Options.text("unsettled")),
    size,
    model,
    durable: Options.boolean("durable"),
    database,
    ...options.submission
  },
  (given) => {
    const now = Effect.gen(function* () {
      const { extraBody } = given
      if (Option.isSome(given.to)) return yield* extendToLength(given, Duration.toSeconds(given.to.value))
      yield* needsTo(given, [["--unsettled", Option.isSome(given.unsettled)]])
      if (Option.isNone(given.seconds)) return yield* new UsageError({ field: "--seconds", problem: "is missing" })
      const seconds = given.seconds.value
      const prompt = yield* options.promptOf(given)
      const size = Option.getOrUndefined(given.size)
      const model = Option.getOrUndefined(given.model)
      if (given.join) {
        const video = yield* source(given.source)
        return yield* extendByJoin(given, { video, prompt, seconds, extraBody, size, model })
      }
      if (size !== undefined) return yield* new UsageError({ field: "--size", problem: "needs `--join`" })
      const video = yield* videoSource(given.source)
      yield* submit("extend", given, (row, watching) =>
        extendAndWatch({ video: withUpload(video, row), prompt, seconds, model, extraBody }, watching)
      )
    })
    return Effect.gen(function* () {
      if (!given.durable) {
        if (Option.isSome(given.database))
          return yield* new UsageError({ field: "--database", problem: "needs `--durable`" })
        return yield* Effect.provide(now, videosLayer(given))
      }
      const { baseUrl, dialect, join, output, overwrite, query, stallTimeout, timeout, watch } = given
      yield* extendLater(given, [
        ["--join", join],
        ["--unsettled", Option.isSome(given.unsettled)],
        ["--watch", watch],
        ["--output", Option.isSome(output)],
        ["--overwrite", overwrite],
        ["--timeout", Option.isSome(timeout)],
        ["--stall-timeout", Option.isSome(stallTimeout)],
        ["--base-url", Option.isSome(baseUrl)],
        ["--dialect", Option.isSome(dialect)],
        ["--query", Object.keys(query).length > 0],
        ["--api-key-fd", Option.isSome(given.apiKeyFd)]
      ])
    })
  }
)

export const edit = Command.make("edit", { source: sourceArgument, ...options.submission }, (given) =>
  Effect.gen(function* () {
    const prompt = yield* options.promptOf(given)
    const video = yield* videoSource(given.source)
    const { extraBody } = given
    yield* submit("edit", given, (row, watching) =>
      editAndWatch({ video: withUpload(video, row), prompt, extraBody }, watching)
    )
  })
).pipe(Command.provide((given) => videosLayer(given)))

export const remix = Command.make("remix", { id: Args.text({ name: "ID" }), ...options.submission }, (given) =>
  Effect.flatMap(options.promptOf(given), (prompt) => {
    const { extraBody, id } = given
    return submit("remix", given, (_, watching) => remixAndWatch({ video: id, prompt, extraBody }, watching))
  })
).pipe(Command.provide((given) => videosLayer(given)))
