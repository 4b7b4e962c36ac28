/** Commands for videos that exist: `watch`, `list`, `get`, `download`, `delete`. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import {
  deleteVideo,
  downloadVideo,
  downloadVideoToFile,
  listVideos,
  retrieveVideo,
  type VideoResource,
  watchVideo
} from "effect-videos"
import { connectionArguments, videosLayer } from "./connection.js"
import { type JobDisplay, makeDisplay, progressMode } from "./display.js"
import { UsageError } from "./errors.js"
import { mayGoOn } from "./exitCodes.js"
import { follow, type Plan, showActivity, untilSaved } from "./follow.js"
import * as options from "./options.js"
import { checkNoTerminal, fileNameOf, isStandardOutput, planOutput } from "./output.js"
import { fileRecord, jobRecord } from "./records.js"
import { Screen, styles } from "./screen.js"
import { Session } from "./session.js"
import { bytes, clean, withoutOperation } from "./text.js"
import { fields, jobsTable, longTable, makeWriter, writeJob } from "./writer.js"

const ids = Args.atLeast(Args.text({ name: "ID" }), 1)

/** The end of an id, as `list` shows it. Whole ids have a prefix, or are longer. */
const isShort = (id: string): boolean => /^[0-9A-Za-z]{4,8}$/.test(id)

/** Whole ids, each once: a short id stands for the one video, of the newest 1,000, whose id it ends. */
const wholeIds = (given: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const wanted = [...new Set(given)]
    if (!wanted.some(isShort)) return wanted
    const listed = listVideos({ limit: 100 }).pipe(
      Stream.map(({ id }): string => id),
      Stream.take(1000),
      Stream.runCollect,
      Effect.map((chunk) => [...chunk]),
      // A server without a list has no short ids.
      Effect.orElseSucceed((): ReadonlyArray<string> => [])
    )
    const known = yield* listed
    return yield* Effect.forEach(wanted, (id) => {
      const found = isShort(id) && !known.includes(id) ? known.filter((name) => name.endsWith(id)) : []
      return found.length > 1
        ? new UsageError({ field: id, problem: `is the end of ${found.length} ids: ${found.slice(0, 3).join(", ")}` })
        : Effect.succeed(found[0] ?? id)
    })
  })

export const watch = Command.make(
  "watch",
  { ids, ...options.following, ...options.connection, ...options.shown },
  (given) =>
    Effect.gen(function* () {
      const session = yield* Session
      const keys = yield* wholeIds(given.ids)
      const output = yield* planOutput(given.output, given.overwrite, keys)
      const connection = yield* connectionArguments(given)
      const resume = [...(output?.options ?? []), ...connection]
      for (const id of keys) yield* session.started(id, { id, command: "watch", options: resume, running: true })
      const plan: Plan = { keys, first: "connecting", wait: true, output, connection }
      yield* follow(plan, given, (job) => untilSaved(job, watchVideo(job.key, job.watching), plan))
    })
).pipe(Command.provide((given) => videosLayer(given)))

const mostPerPage = 100

export const list = Command.make(
  "list",
  {
    limit: Options.withDefault(options.integer("limit", 1, 1_000_000), 20),
    order: Options.optional(options.choice("order")),
    after: Options.optional(Options.text("after")),
    long: Options.boolean("long"),
    ...options.connection,
    ...options.format
  },
  (given) =>
    Effect.gen(function* () {
      const screen = yield* Screen
      const writer = yield* makeWriter(given)
      const videos = listVideos({
        limit: Math.min(given.limit, mostPerPage),
        order: Option.getOrUndefined(given.order),
        after: Option.getOrUndefined(given.after)
      }).pipe(Stream.take(given.limit))
      if (writer.json) return yield* Stream.runForEach(videos, (video) => writeJob(writer, video))
      const all: Array<VideoResource> = []
      // A list that breaks off shows its videos before the error.
      const ended = yield* Effect.exit(Stream.runForEach(videos, (video) => Effect.sync(() => all.push(video))))
      const columns = screen.terminal.out ? screen.size().columns : Number.MAX_SAFE_INTEGER
      const style = styles(screen).out
      const now = yield* Clock.currentTimeMillis
      if (all.length > 0) {
        yield* screen.out(given.long ? longTable(all, columns, style) : jobsTable(all, columns, style, now))
      } else if (Exit.isSuccess(ended)) yield* screen.err("No videos.\n")
      yield* ended
    })
).pipe(Command.provide((given) => videosLayer(given)))

export const get = Command.make("get", { ids, ...options.connection, ...options.format }, (given) =>
  Effect.gen(function* () {
    const writer = yield* makeWriter(given)
    for (const id of yield* wholeIds(given.ids)) yield* writeJob(writer, yield* retrieveVideo(id))
  })
).pipe(Command.provide((given) => videosLayer(given)))

export const remove = Command.make("delete", { ids, ...options.connection, ...options.format }, (given) =>
  Effect.gen(function* () {
    const writer = yield* makeWriter(given)
    for (const id of yield* wholeIds(given.ids)) {
      const { deleted, video } = yield* deleteVideo(id)
      yield* writer.write({ id, deleted, job: video === null ? null : jobRecord(video) }, (style) =>
        fields(
          [
            ["id", clean(id)],
            ["deleted", deleted ? "yes" : "no"]
          ],
          style
        )
      )
    }
  })
).pipe(Command.provide((given) => videosLayer(given)))

// -----------------------------------------------------------------------------
// download
// -----------------------------------------------------------------------------

/** At once, of several. */
const downloadsAtOnce = 4

export const download = Command.make(
  "download",
  {
    ids,
    variant: Options.optional(options.choice("variant")),
    output: options.output,
    overwrite: options.overwrite,
    ...options.connection,
    ...options.shown
  },
  (given) =>
    Effect.gen(function* () {
      const { overwrite } = given
      const fs = yield* FileSystem.FileSystem
      const screen = yield* Screen
      const session = yield* Session
      const variant = Option.getOrUndefined(given.variant)
      const wanted = Option.getOrUndefined(given.output)
      const all = yield* wholeIds(given.ids)
      const isAlone = all.length === 1
      const [first = ""] = all
      if (isAlone && wanted !== undefined && (wanted === "-" || isStandardOutput(wanted))) {
        yield* checkNoTerminal(wanted)
        return yield* Stream.runForEach(downloadVideo(first, { variant }), screen.out)
      }
      if (wanted === undefined && variant !== undefined && variant !== "video") {
        const problem = `must be given for a ${variant}: servers differ in its type`
        return yield* new UsageError({ field: "--output", problem })
      }
      // Files of several videos that are there are skipped, so that the same command goes on with the rest.
      const output = yield* planOutput(
        Option.some(wanted ?? (isAlone ? fileNameOf(first) : ".")),
        overwrite || !isAlone,
        all
      )
      const pathOf = output?.pathOf ?? fileNameOf
      const resume = [
        ...(variant === undefined ? [] : ["--variant", variant]),
        ...(wanted === undefined ? [] : ["-o", wanted]),
        ...(overwrite ? ["--overwrite"] : []),
        ...(yield* connectionArguments(given))
      ]
      const writer = yield* makeWriter(given)
      const mode = yield* progressMode(given.progress)
      for (const id of all) {
        yield* session.started(id, { id, command: "download", options: resume, running: false })
      }
      const save = (id: string, row: JobDisplay) =>
        Effect.gen(function* () {
          const path = pathOf(id)
          if (!isAlone && !overwrite && (yield* fs.exists(path))) {
            yield* Effect.zipRight(session.finished(id), row.end(true, `${path} exists`))
            return Effect.void
          }
          const file = yield* Effect.tapError(
            downloadVideoToFile(id, path, { overwrite, variant, onProgress: row.download }),
            (error) =>
              Effect.zipRight(
                mayGoOn(error) ? Effect.void : session.finished(id),
                row.end(false, isAlone ? "" : withoutOperation(error.message))
              )
          )
          yield* Effect.zipRight(session.finished(id), row.end(true, `saved ${path} (${bytes(file.bytes)})`))
          return writer.write({ id, ...fileRecord(file) }, () => `${clean(file.path)}\n`)
        })
      const results = yield* Effect.scoped(
        Effect.gen(function* () {
          const display = yield* makeDisplay(mode)
          const rows = yield* Effect.forEach(all, (id) =>
            Effect.map(display.add(id, "waiting"), (row) => ({ id, row }))
          )
          yield* session.listen(showActivity(rows.map(({ row }) => row)))
          return yield* Effect.forEach(rows, ({ id, row }) => Effect.either(save(id, row)), {
            concurrency: downloadsAtOnce
          })
        })
      )
      for (const result of results) if (result._tag === "Right") yield* result.right
      yield* Effect.all(results, { discard: true })
    })
).pipe(Command.provide((given) => videosLayer(given)))
