/** What is done with jobs that are there: `watch`, `list`, `get`, `download`, `delete`. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { VideoResource } from "effect-videos/Schema"
import { downloadVideoToFile } from "effect-videos/Transfer"
import { deleteVideo, downloadVideo, listVideos, retrieveVideo } from "effect-videos/Videos"
import { connectionArguments, videosLayer } from "./connection.js"
import { makeDisplay, progressMode } from "./display.js"
import { UsageError } from "./errors.js"
import { mayGoOn } from "./exitCodes.js"
import { follow, watchOptions } from "./follow.js"
import { descriptions } from "./help.js"
import * as options from "./options.js"
import { checkNoTerminal, fileNameOf, isStandardOutput, outputArguments, planOutput } from "./output.js"
import { fileRecord, jobRecord } from "./records.js"
import { Screen, styles } from "./screen.js"
import { Session } from "./session.js"
import { bytes, clean } from "./text.js"
import { watchJobs } from "./watchJobs.js"
import { fields, jobsTable, makeWriter, writeJob } from "./writer.js"

const ids = (what: string) =>
  Args.text({ name: "ID" }).pipe(
    Args.withDescription(what),
    Args.atLeast(1),
    Args.mapEffect((given) => Effect.succeed([...new Set(given)] as const))
  )

// -----------------------------------------------------------------------------
// watch
// -----------------------------------------------------------------------------

export const watch = Command.make(
  "watch",
  {
    ids: ids("The jobs to follow, at least one."),
    ...options.following,
    ...options.connection,
    ...options.shown
  },
  (given) =>
    Effect.gen(function* () {
      const keys = given.ids
      const session = yield* Session
      const output = yield* planOutput(given.output, given.overwrite, keys)
      const resume = [...outputArguments(given.output, given.overwrite), ...connectionArguments(given)]
      for (const id of keys) yield* session.started(id, { id, command: "watch", options: resume, running: true })
      yield* follow(
        (rowOf) => watchJobs(keys, watchOptions(given, keys.map(rowOf))),
        { keys, first: "looking", wait: true, output, resume, connection: connectionArguments(given) },
        given
      )
    })
).pipe(
  Command.withDescription(descriptions.watch),
  Command.provide((given) => videosLayer(given))
)

// -----------------------------------------------------------------------------
// list and get
// -----------------------------------------------------------------------------

const mostPerPage = 100

export const list = Command.make(
  "list",
  {
    limit: options
      .integer("limit", 1, 1_000_000)
      .pipe(
        Options.withDescription("Shows so many jobs at most, over as many pages as that takes."),
        Options.withDefault(20)
      ),
    order: options
      .choice("order")
      .pipe(
        Options.withDescription(
          "By the time of creation. Without it, the server decides: newest first in the protocol."
        ),
        Options.optional
      ),
    after: Options.text("after").pipe(
      Options.withPseudoName("id"),
      Options.withDescription("Begins after this job."),
      Options.optional
    ),
    ...options.connection,
    ...options.format
  },
  ({ after, json, limit, order, table }) =>
    Effect.gen(function* () {
      const screen = yield* Screen
      const writer = yield* makeWriter({ json, table })
      const videos = listVideos({
        limit: Math.min(limit, mostPerPage),
        order: Option.getOrUndefined(order),
        after: Option.getOrUndefined(after)
      }).pipe(Stream.take(limit))
      if (writer.json) return yield* Stream.runForEach(videos, (video) => writeJob(writer, video))
      const all: Array<VideoResource> = []
      // A list that breaks off shows the jobs before the error.
      const ended = yield* Effect.exit(Stream.runForEach(videos, (video) => Effect.sync(() => all.push(video))))
      const columns = screen.terminal.out ? screen.size().columns : Number.MAX_SAFE_INTEGER
      if (all.length > 0) yield* screen.out(jobsTable(all, columns)(styles(screen).out))
      else if (Exit.isSuccess(ended)) yield* screen.err("No jobs.\n")
      yield* ended
    })
).pipe(
  Command.withDescription(descriptions.list),
  Command.provide((given) => videosLayer(given))
)

export const get = Command.make(
  "get",
  { ids: ids("The jobs to look at, at least one."), ...options.connection, ...options.format },
  (given) =>
    Effect.gen(function* () {
      const writer = yield* makeWriter(given)
      for (const id of given.ids) yield* writeJob(writer, yield* retrieveVideo(id))
    })
).pipe(
  Command.withDescription(descriptions.get),
  Command.provide((given) => videosLayer(given))
)

// -----------------------------------------------------------------------------
// download
// -----------------------------------------------------------------------------

export const download = Command.make(
  "download",
  {
    id: Args.text({ name: "ID" }).pipe(Args.withDescription("The completed job whose clip is wanted.")),
    variant: options
      .choice("variant")
      .pipe(
        Options.withDescription("Which of the job's files: the clip, a picture of it, or a sheet of small ones."),
        Options.optional
      ),
    output: Options.text("output").pipe(
      Options.withAlias("o"),
      Options.withPseudoName("path"),
      Options.withDescription(
        "Where to save it: a file, a directory that is there already, or `-` for standard output. Without it, `ID.mp4` in this directory."
      ),
      Options.optional
    ),
    overwrite: options.overwrite,
    ...options.connection,
    ...options.shown
  },
  (given) =>
    Effect.gen(function* () {
      const { id, overwrite } = given
      const variant = Option.getOrUndefined(given.variant)
      const screen = yield* Screen
      if (Option.isSome(given.output) && (given.output.value === "-" || isStandardOutput(given.output.value))) {
        yield* checkNoTerminal(given.output.value)
        return yield* Stream.runForEach(downloadVideo(id, { variant }), screen.out)
      }
      if (Option.isNone(given.output) && variant !== undefined && variant !== "video") {
        return yield* new UsageError({
          field: "--output",
          problem: `must be given for a ${variant}: servers differ in its type`
        })
      }
      const wanted = Option.orElseSome(given.output, () => fileNameOf(id))
      const output = yield* planOutput(wanted, overwrite, [id])
      const path = output === null ? fileNameOf(id) : output.pathOf(id)
      const session = yield* Session
      const writer = yield* makeWriter(given)
      const mode = yield* progressMode(given.progress)
      const resume = [
        ...(variant === undefined ? [] : ["--variant", variant]),
        ...outputArguments(given.output, overwrite),
        ...connectionArguments(given)
      ]
      yield* session.started(id, { id, command: "download", options: resume, running: false })
      const file = yield* Effect.scoped(
        Effect.gen(function* () {
          const row = yield* Effect.flatMap(makeDisplay(mode), (display) => display.add(id, "saving"))
          const file = yield* Effect.tapError(
            downloadVideoToFile(id, path, { overwrite, variant, onProgress: row.download }),
            (error) => Effect.zipRight(mayGoOn(error) ? Effect.void : session.finished(id), row.end(false, ""))
          )
          yield* row.end(true, `saved ${path} (${bytes(file.bytes)})`)
          return file
        })
      )
      yield* session.finished(id)
      yield* writer.write({ id, ...fileRecord(file) }, () => `${clean(file.path)}\n`)
    })
).pipe(
  Command.withDescription(descriptions.download),
  Command.provide((given) => videosLayer(given))
)

// -----------------------------------------------------------------------------
// delete
// -----------------------------------------------------------------------------

export const remove = Command.make(
  "delete",
  { ids: ids("The jobs to delete, at least one."), ...options.connection, ...options.format },
  (given) =>
    Effect.gen(function* () {
      const writer = yield* makeWriter(given)
      for (const id of given.ids) {
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
).pipe(
  Command.withDescription(descriptions.delete),
  Command.provide((given) => videosLayer(given))
)
