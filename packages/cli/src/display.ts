/** Progress on standard error: bars, lines or events. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { TransferProgress, VideoResource } from "effect-videos"
import { barLine, plainLine, progressEvent } from "./lines.js"
import {
  ended,
  type Progress,
  percentOf,
  type Reason,
  sawDownload,
  sawJob,
  sawStep,
  sawTrouble,
  sawUpload,
  start,
  stateOf,
  troubleOf
} from "./progress.js"
import { Screen, styles } from "./screen.js"

export type ProgressMode = "bar" | "plain" | "json"

/** One job's place in the display. */
export interface JobDisplay {
  readonly job: (video: VideoResource) => Effect.Effect<void>
  /** The command does something of its own, such as a join. */
  readonly step: (state: string | null) => Effect.Effect<void>
  readonly upload: (progress: TransferProgress) => Effect.Effect<void>
  readonly download: (progress: TransferProgress) => Effect.Effect<void>
  /** A request failed, and is sent again after the delay, in milliseconds. */
  readonly trouble: (reason: Reason, delay: number) => Effect.Effect<void>
  /** What it came to, in a few words. */
  readonly end: (ok: boolean, text: string) => Effect.Effect<void>
}

export interface Display {
  /** `first`: what goes on before anything is known of it. */
  readonly add: (label: string, first: string, prompt?: string | undefined) => Effect.Effect<JobDisplay>
}

/** The mode of `--progress`. Default: bars if they can be drawn, else lines. */
export const progressMode = (
  given: Option.Option<ProgressMode> | undefined
): Effect.Effect<ProgressMode, never, Screen> =>
  Effect.map(Screen, ({ cursor }) =>
    Option.getOrElse(given ?? Option.none(), () => (cursor ? ("bar" as const) : ("plain" as const)))
  )

/** A log has a line when the state changes, and at steps of progress. */
const plainStep = 10

/** Bars are drawn this often at most. */
const frame = "100 millis"

type Kind = "job" | "step" | "upload" | "download" | "trouble" | "end"

/** Gets each change; may write it at once, or draw it later. */
type Listener = (index: number, kind: Kind, progress: Progress, now: number) => Effect.Effect<void>

/** In milliseconds; not the time of day, which may be set while a job runs. */
export const monotonicMillis = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

export const makeDisplay = (mode: ProgressMode): Effect.Effect<Display, never, Screen | Scope.Scope> =>
  Effect.gen(function* () {
    const rows: Array<Progress> = []
    const listener = yield* mode === "bar" ? bars(rows) : mode === "plain" ? logLines : events
    return {
      add: (label, first, prompt) =>
        Effect.map(monotonicMillis, (startedAt): JobDisplay => {
          const index = rows.push(start(label, first, startedAt, prompt)) - 1
          const change = (kind: Kind, next: (progress: Progress, now: number) => Progress) =>
            Effect.flatMap(monotonicMillis, (now) => {
              const progress = next(rows[index] ?? start(label, first, startedAt), now)
              rows[index] = progress
              return listener(index, kind, progress, now)
            })
          return {
            job: (video) => change("job", (progress, now) => sawJob(progress, video, now)),
            step: (state) => change("step", (progress) => sawStep(progress, state)),
            upload: (report) => change("upload", (progress, now) => sawUpload(progress, report, now)),
            download: (report) => change("download", (progress, now) => sawDownload(progress, report, now)),
            trouble: (reason, delay) => change("trouble", (progress, now) => sawTrouble(progress, reason, delay, now)),
            end: (ok, text) => change("end", (progress, now) => ended(progress, ok, text, now))
          }
        })
    }
  })

// internal

const events: Effect.Effect<Listener, never, Screen> = Effect.map(
  Screen,
  (screen): Listener =>
    (_, kind, progress, now) =>
      kind === "step" ? Effect.void : screen.err(`${JSON.stringify(progressEvent(kind, progress, now))}\n`)
)

const logLines: Effect.Effect<Listener, never, Screen> = Effect.map(Screen, (screen): Listener => {
  const printed = new Map<
    number,
    { readonly state: string; readonly percent: number; readonly trouble: string | null }
  >()
  return (index, kind, progress, now) => {
    // The state was printed before, and the failure of a single job is printed by itself.
    if (progress.end?.text === "") return Effect.void
    const before = printed.get(index)
    const state = stateOf(progress)
    const percent = percentOf(progress) ?? 0
    const trouble = troubleOf(progress, now)?.full ?? null
    const isNews =
      kind === "end" ||
      before?.state !== state ||
      percent >= before.percent + plainStep ||
      (trouble !== null && trouble !== before.trouble)
    if (!isNews) return Effect.void
    printed.set(index, { state, percent, trouble })
    return screen.err(`${plainLine(progress, now)}\n`)
  }
})

const bars = (rows: ReadonlyArray<Progress>): Effect.Effect<Listener, never, Screen | Scope.Scope> =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const style = styles(screen).err
    let drawn = ""
    let height = 0
    // Rows of jobs that have ended, and stand above what is drawn again.
    const left = new Set<Progress>()
    const draw = (isLast: boolean) =>
      Effect.flatMap(monotonicMillis, (now) => {
        const { columns, rows: lines } = screen.size()
        // The last column is left free: some terminals wrap when it is filled.
        const lineOf = (row: Progress) => barLine(row, now, columns - 1, style)
        const most = isLast ? Number.POSITIVE_INFINITY : Math.max(1, lines - 2)
        const live = rows.filter((row) => !left.has(row))
        // What has ended makes room for what runs.
        const done = live.length > most ? live.filter((row) => row.end !== null) : []
        for (const row of done) left.add(row)
        const going = live.filter((row) => !left.has(row))
        const shown = going.length > most ? going.slice(0, most - 1) : going
        const erased = (line: string) => `\u001b[2K${line}\n`
        const above = done.map((row) => erased(lineOf(row))).join("")
        const text = [
          ...shown.map(lineOf),
          ...(shown.length < going.length ? [style.dim(`and ${going.length - shown.length} more`)] : [])
        ]
          .map(erased)
          .join("")
        if (above === "" && text === drawn) return Effect.void
        const up = height === 0 ? "" : `\u001b[${height}A\r`
        const next = text.split("\n").length - 1
        // Fewer rows than before: the rest is erased.
        const rest = height > next + done.length ? "\u001b[J" : ""
        drawn = text
        height = next
        return screen.err(`${up}${above}${text}${rest}`)
      })
    yield* Effect.forkScoped(Effect.repeat(draw(false), Schedule.spaced(frame)))
    // Runs before the fiber above is stopped: what came last is what stays.
    yield* Effect.addFinalizer(() => draw(true))
    return () => Effect.void
  })
