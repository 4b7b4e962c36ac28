/** Data on standard output: JSON lines for programs, text for people. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { phaseOf, type VideoResource } from "effect-videos/Schema"
import type { DownloadedFile } from "effect-videos/Transfer"
import { jobRecord } from "./records.js"
import { type OutputError, Screen, type Style, styles } from "./screen.js"
import { bytes, clean, padEnd, table, truncate, wrap } from "./text.js"

export interface Writer {
  /** One object as a line of JSON, or what people see instead. */
  readonly write: (record: object, text: (style: Style) => string) => Effect.Effect<void, OutputError>
  readonly json: boolean
}

/** JSON where it is asked for or nobody looks: then a pipe into `jq` always works. */
export const makeWriter = ({ json, table }: { readonly json: boolean; readonly table: boolean }) =>
  Effect.map(Screen, (screen): Writer => {
    const asJson = json || (!table && !screen.terminal.out)
    let between = ""
    return {
      json: asJson,
      write: (record, text) =>
        Effect.suspend(() => {
          if (asJson) return screen.out(`${JSON.stringify(record)}\n`)
          const written = `${between}${text(styles(screen).out)}`
          between = "\n"
          return screen.out(written)
        })
    }
  })

/** Names and values, those that there are; broken between words where `columns` says how wide it may be. */
export const fields = (
  entries: ReadonlyArray<readonly [name: string, value: string | null]>,
  style: Style,
  columns = Number.POSITIVE_INFINITY
): string => {
  const there = entries.flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]))
  const width = Math.max(0, ...there.map(([name]) => name.length))
  const room = Math.max(24, columns - width - 2)
  const indent = " ".repeat(width + 2)
  return there
    .map(([name, value]) => `${style.dim(padEnd(name, width))}  ${wrap(value, room).join(`\n${indent}`)}\n`)
    .join("")
}

export const phaseColor = (video: VideoResource, style: Style) => {
  const colors = { waiting: style.yellow, running: style.cyan, succeeded: style.green, failed: style.red } as const
  return colors[phaseOf(video)]
}

const time = (value: DateTime.Utc | null): string | null =>
  value === null ? null : `${DateTime.formatIso(value).slice(0, 19).replace("T", " ")} UTC`

const cleaned = (value: string | null): string | null => (value === null ? null : clean(value))

export const jobText = (video: VideoResource, file: DownloadedFile | null) => (style: Style) =>
  fields(
    [
      ["id", clean(video.id)],
      ["status", phaseColor(video, style)(clean(video.status))],
      ["progress", video.progress === null ? null : `${Math.round(video.progress)} %`],
      ["length", video.seconds === null ? null : `${video.seconds} s`],
      ["size", cleaned(video.size)],
      ["model", cleaned(video.model)],
      ["prompt", cleaned(video.prompt)],
      ["remix of", cleaned(video.remixedFromVideoId)],
      ["created", time(video.createdAt)],
      ["completed", time(video.completedAt)],
      ["expires", time(video.expiresAt)],
      [
        "error",
        video.error === null
          ? null
          : style.red(clean([video.error.code, video.error.message].filter(Boolean).join(": ")))
      ],
      ["file", file === null ? null : `${clean(file.path)} (${bytes(file.bytes)})`]
    ],
    style
  )

export const writeJob = (writer: Writer, video: VideoResource, file: DownloadedFile | null = null) =>
  writer.write(jobRecord(video, file), jobText(video, file))

/** How far it is says something while it runs. */
const statusText = (video: VideoResource): string =>
  phaseOf(video) === "running" && video.progress !== null
    ? `${video.status} ${Math.round(video.progress)} %`
    : video.status

/** Ids alone fill a line that is narrower. */
const leastTable = 72

const briefly = (videos: ReadonlyArray<VideoResource>, columns: number, style: Style): string =>
  videos
    .map((video) => {
      const facts = [statusText(video), video.seconds === null ? "" : `${video.seconds} s`, video.size ?? ""]
      const said = [facts.filter((fact) => fact !== "").join(", "), video.prompt ?? ""].filter((line) => line !== "")
      return `${style.bold(clean(video.id))}\n${said.map((line) => `  ${truncate(clean(line), columns - 2)}\n`).join("")}`
    })
    .join("")

export const jobsTable = (videos: ReadonlyArray<VideoResource>, columns: number) => (style: Style) =>
  columns < leastTable
    ? briefly(videos, columns, style)
    : table(
        ["ID", "STATUS", "LENGTH", "SIZE", "CREATED", "PROMPT"],
        videos.map((video) => [
          video.id,
          statusText(video),
          video.seconds === null ? "" : `${video.seconds} s`,
          video.size ?? "",
          time(video.createdAt)?.slice(0, 16) ?? "",
          video.prompt ?? ""
        ]),
        columns,
        style.bold
      )
