/** What a video is made from, as an argument: an id, or a file on this machine. */
import * as Args from "@effect/cli/Args"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { VideoFile } from "effect-videos"
import { UsageError } from "./errors.js"

export const isFile = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.orElseSucceed(
      Effect.map(fs.stat(path), ({ type }) => type === "File"),
      () => false
    )
  )

const looksLikePath = (text: string): boolean => /^(\.{1,2}|~)?[/\\]|\.(mp4|m4v|mov|webm|mkv|avi)$/i.test(text)

/** A file if it exists, else the id of a video. What can only be a path is not sent as an id. */
export const source = (text: string) =>
  Effect.gen(function* () {
    if (yield* isFile(text)) return yield* VideoFile.fromPath(text)
    if (looksLikePath(text))
      return yield* new UsageError({
        field: "ID|FILE",
        problem: `must be the id of a video or a file; the file ${text} does not exist`
      })
    return text
  })

/** What an extension or an edit starts from: also a URL, or the id of an uploaded file. */
export const videoSource = (text: string) =>
  Effect.gen(function* () {
    if (/^(https?|data):/i.test(text)) return { url: text }
    if (/^file[-_]\w+$/.test(text) && !(yield* isFile(text))) return { fileId: text }
    return yield* source(text)
  })

/** What a durable run starts from: it may run on another machine, and later than a URL is valid. */
export const jobSource = (text: string) =>
  Effect.flatMap(videoSource(text), (video) =>
    typeof video === "string"
      ? Effect.succeed(video)
      : new UsageError({ field: "ID", problem: "must be the id of a job: `--durable` extends no file and no URL" })
  )

export const sourceArgument = Args.text({ name: "ID|FILE" })
