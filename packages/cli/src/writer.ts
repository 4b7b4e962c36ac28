/** Data on standard output: JSON lines for programs, text for people. */
import type { Run, RunSegment } from "@effect-videos/durable"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { type DownloadedFile, phaseOf, type VideoResource } from "effect-videos"
import { jobRecord, runRecord } from "./records.js"
import { type OutputError, Screen, type Style, styles } from "./screen.js"
import { bytes, clean, padEnd, table, wrap } from "./text.js"

export interface Writer {
  /** One object as a line of JSON, or what people see instead. */
  readonly write: (record: object, text: (style: Style) => string) => Effect.Effect<void, OutputError>
  readonly json: boolean
}

/** JSON with `--json`, or if stdout is not a terminal: a pipe into `jq` always works. */
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

/** With the progress while it runs. */
const statusText = (video: VideoResource): string =>
  phaseOf(video) === "running" && video.progress !== null
    ? `${video.status} ${Math.round(video.progress)} %`
    : video.status

const lengthText = ({ seconds }: VideoResource): string => (seconds === null ? "" : `${seconds} s`)

/** `5 s ago`, `2 min ago`, `3 h ago`, `12 days ago`. */
const ageText = (created: DateTime.Utc | null, now: number): string => {
  if (created === null) return ""
  const seconds = Math.max(0, Math.floor((now - DateTime.toEpochMillis(created)) / 1000))
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`
  return `${Math.floor(seconds / 86_400)} days ago`
}

/** The ends of ids, as short as they stay unique; an id whose end is not readable is shown whole. */
const shortIds = (videos: ReadonlyArray<VideoResource>): ReadonlyArray<string> =>
  videos.map(({ id }) => {
    const end = [6, 8]
      .map((length) => id.slice(-length))
      .find((end) => videos.filter((other) => other.id.endsWith(end)).length === 1)
    return id.length > 12 && end !== undefined && /^[0-9A-Za-z]+$/.test(end) ? end : id
  })

/** The prompt takes the rest of the line. */
export const jobsTable = (videos: ReadonlyArray<VideoResource>, columns: number, style: Style, now: number): string => {
  const ids = shortIds(videos)
  return table(
    ["ID", "AGE", "STATUS", "LENGTH", "PROMPT"],
    videos.map((video, index) => [
      ids[index] ?? "",
      ageText(video.createdAt, now),
      statusText(video),
      lengthText(video),
      video.prompt ?? ""
    ]),
    columns,
    style.bold
  )
}

export const longTable = (videos: ReadonlyArray<VideoResource>, columns: number, style: Style): string =>
  table(
    ["ID", "CREATED", "STATUS", "LENGTH", "SIZE", "MODEL", "PROMPT"],
    videos.map((video) => [
      video.id,
      time(video.createdAt)?.slice(0, 16) ?? "",
      statusText(video),
      lengthText(video),
      video.size ?? "",
      video.model ?? "",
      video.prompt ?? ""
    ]),
    columns,
    style.bold
  )

const promptOf = ({ request }: Run): string => {
  if (typeof request !== "object" || request === null) return ""
  if ("prompt" in request) return String(request.prompt)
  return "prompts" in request && Array.isArray(request.prompts) ? request.prompts.join(" / ") : ""
}

/** The length to reach; `null` for a run of one job. */
const totalOf = ({ request }: Run): number | null =>
  typeof request === "object" && request !== null && "totalSeconds" in request ? Number(request.totalSeconds) : null

/** `waiting, segment 2: 12 s of 60 s`, and why it waits. */
export const progressText = (run: Run): string => {
  const { problem, segments, seconds, state } = run
  const { segment } = segments.at(-1) ?? {}
  const total = totalOf(run)
  const length = seconds === null || total === null ? "" : `: ${Math.round(seconds)} s of ${total} s`
  const text = segment === undefined ? state : `${state}, segment ${segment}${length}`
  return clean(problem === null ? text : `${text}: ${problem}`)
}

const segmentText = ({ jobId, progress, segment, state, way }: RunSegment): string =>
  clean(
    [
      `${segment} ${state}`,
      state === "waiting" && progress !== null ? `${Math.round(progress)} %` : "",
      jobId ?? "",
      way === "joined" ? "(joined)" : ""
    ]
      .filter((word) => word !== "")
      .join(" ")
  )

const runText = (run: Run) => (style: Style) =>
  fields(
    [
      ["execution", run.execution],
      ["state", run.state],
      ["key", clean(run.key)],
      ["attempt", run.attempt === 1 ? null : String(run.attempt)],
      ["job", cleaned(run.jobId)],
      ["progress", run.progress === null ? null : `${Math.round(run.progress)} %`],
      ["length", run.seconds === null ? null : `${Math.round(run.seconds)} s of ${totalOf(run)} s`],
      ["segments", run.segments.length === 0 ? null : run.segments.map(segmentText).join(", ")],
      ["prompt", clean(promptOf(run))],
      ["problem", run.problem === null ? null : style.red(clean(run.problem))],
      ["candidates", run.candidates.length === 0 ? null : run.candidates.map(({ id }) => clean(id)).join(", ")],
      ["next attempt", time(run.wakeAt)],
      ["created", time(run.createdAt)],
      ["ended", time(run.endedAt)],
      ["file", run.location === null ? null : `${clean(run.location)} (${bytes(run.bytes ?? 0)})`]
    ],
    style
  )

export const writeRun = (writer: Writer, run: Run) => writer.write(runRecord(run), runText(run))

export const runsTable = (runs: ReadonlyArray<Run>, columns: number, style: Style): string =>
  table(
    ["RUN", "CREATED", "STATE", "JOB", "PROMPT"],
    runs.map((run) => [
      run.execution.slice(0, 8),
      time(run.createdAt)?.slice(0, 16) ?? "",
      run.state,
      run.jobId ?? (run.segments.length === 0 ? "" : `segment ${run.segments.length}`),
      promptOf(run)
    ]),
    columns,
    style.bold
  )
