/** `extend --to`: one segment after another until the video is long enough. Each has a row of its own. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Json, VideoFile, type VideoResource } from "effect-videos"
import { type ExtendToOptions, ExtendToPhase, extendTo } from "effect-videos/continue"
import { connectionArguments } from "./connection.js"
import { type JobDisplay, makeDisplay, progressMode } from "./display.js"
import { UsageError } from "./errors.js"
import { mayGoOn } from "./exitCodes.js"
import { showActivity, watchOptions } from "./follow.js"
import { fileOf, planJoin } from "./join.js"
import * as options from "./options.js"
import { messageOf } from "./retries.js"
import { Session } from "./session.js"
import { source } from "./sources.js"
import { bytes } from "./text.js"
import { makeWriter, writeJob } from "./writer.js"

/** What `extend --to` takes beside what every submission does. */
export interface Given extends options.Submission {
  readonly source: string
  readonly next: ReadonlyArray<string>
  readonly seconds: Option.Option<number>
  readonly model: Option.Option<string>
  readonly size: Option.Option<string>
  readonly maxSegments: Option.Option<number>
  readonly maxCost: Option.Option<number>
  readonly unsettled: Option.Option<string>
}

const words = (name: string, value: Option.Option<string | number>): ReadonlyArray<string> =>
  Option.match(value, { onNone: () => [], onSome: (value) => [name, String(value)] })

/** The same command line again, without what decides a doubt once. */
const argumentsOf = (given: Given, to: number, prompt: string): ReadonlyArray<string> => [
  ...["-p", prompt, ...given.next.flatMap((text) => ["--then", text]), "--to", `${to}s`],
  ...words("--seconds", given.seconds),
  ...words("--model", given.model),
  ...words("--size", given.size),
  ...Object.entries(given.extraBody).flatMap(([name, value]: readonly [string, Json]) => [
    "--set",
    // A text that reads as a number stays a text.
    `${name}=${typeof value === "string" && options.parseJson(value) === value ? value : JSON.stringify(value)}`
  ]),
  ...words("--max-segments", given.maxSegments),
  ...words("--max-cost", given.maxCost)
]

/** After these, the same command goes on: what is missing is on this machine, or passes. */
const goesOn = (error: { readonly _tag: string }): boolean =>
  error._tag === "MediaError" ||
  error._tag === "FfmpegUnavailableError" ||
  (error._tag !== "SpendingLimitError" && mayGoOn(error))

export const extendToLength = (given: Given, to: number) =>
  Effect.gen(function* () {
    const session = yield* Session
    if (Option.isSome(given.idempotencyKey)) {
      return yield* new UsageError({
        field: "--idempotency-key",
        problem: "is not for `--to`, which makes several videos"
      })
    }
    const prompt = yield* options.promptOf(given)
    const video = yield* source(given.source)
    const output = yield* planJoin(given, "--to", [], given.source)
    const connection = yield* connectionArguments(given)
    const again = [...argumentsOf(given, to, prompt), ...output.options, ...connection]
    const writer = yield* makeWriter(given)
    const mode = yield* progressMode(given.progress)

    const run = Effect.gen(function* () {
      const display = yield* makeDisplay(mode)
      const add = (label: string, state: string) =>
        Effect.map(display.add(label, state), (next) => {
          row = next
        })
      let row = yield* display.add("source", "preparing")
      let last: VideoResource | null = null
      let end = ""
      const begin = (running: boolean) =>
        session.started("extend", { id: given.source, command: "extend", options: again, running })
      // The row of the moment: rows change from segment to segment.
      const now: JobDisplay = {
        job: (video) => row.job(video),
        step: (state) => row.step(state),
        upload: (progress) => row.upload(progress),
        download: (progress) => row.download(progress),
        trouble: (reason, delay) => row.trouble(reason, delay),
        end: (ok, text) => row.end(ok, text)
      }
      yield* session.listen(showActivity([now]))
      const show = ExtendToPhase.$match({
        Started: ({ seconds, segments }) =>
          Effect.zipRight(
            begin(false),
            now.end(true, `${seconds.toFixed(0)} s${segments === 0 ? "" : `, segments of earlier runs: ${segments}`}`)
          ),
        SegmentStarted: ({ reason, segment }) => {
          end = reason === null ? "" : `, as a video of its own: ${reason}`
          return add(`segment ${segment}`, "submitting")
        },
        SegmentUpdated: ({ segment, video }) =>
          Effect.gen(function* () {
            // A segment of an earlier run was not started in this one.
            if (last === null && end === "") yield* add(`segment ${segment}`, "watching")
            last = video
            yield* Effect.zipRight(begin(true), now.job(video))
          }),
        SegmentCompleted: ({ seconds }) =>
          Effect.zipRight(begin(false), now.end(true, `${seconds.toFixed(0)} s of ${to} s${end}`)),
        Saving: ({ films }) => add("file", films === 1 ? "saving" : "joining"),
        Saved: (saved) => now.end(true, `saved ${output.pathOf()} (${bytes(saved.bytes)})`)
      })
      const settings: ExtendToOptions = {
        ...watchOptions(given, session),
        overwrite: output.overwrite,
        segmentSeconds: Option.getOrUndefined(given.seconds),
        model: Option.getOrUndefined(given.model),
        size: Option.getOrUndefined(given.size),
        extraBody: given.extraBody,
        maxSegments: Option.getOrUndefined(given.maxSegments),
        maxCost: Option.getOrUndefined(Option.map(given.maxCost, (amount) => ({ amount, currency: "USD" }))),
        unsettled: Option.getOrUndefined(
          Option.map(given.unsettled, (text) => (text === "resend" ? "resend" : { id: text }))
        )
      }
      const film = VideoFile.isVideoFile(video) ? VideoFile.withProgress(video, now.upload) : video
      const phases = extendTo(film, to, [prompt, ...given.next], output.pathOf(), settings)
      const saved = yield* Stream.runLast(Stream.tap(phases, show)).pipe(
        Effect.tapError((error) =>
          Effect.zipRight(goesOn(error) ? begin(false) : session.finished("extend"), now.end(false, messageOf(error)))
        )
      )
      const file = Option.filter(saved, ExtendToPhase.$is("Saved"))
      return { last, saved: yield* Effect.orDie(file) }
    })

    yield* session.started("extend", { id: given.source, command: "extend", options: again, running: false })
    const { last, saved } = yield* Effect.scoped(run)
    yield* session.finished("extend")
    if (last !== null) {
      const job: VideoResource = last
      yield* writeJob(writer, { ...job, seconds: saved.seconds }, fileOf(job.id, saved))
    }
  })
