/** A job's progress as a line: with a bar for a terminal of any width, plain for a log, as an event for a program. */
import { phaseOf } from "effect-videos"
import {
  elapsedOf,
  type Progress,
  percentOf,
  type Reason,
  retryText,
  stateOf,
  timeLeftOf,
  troubleOf
} from "./progress.js"
import type { Style } from "./screen.js"
import { clean, clock, padEnd, shortId, truncate, widthOf } from "./text.js"

interface Part {
  readonly text: string
  readonly paint?: (text: string) => string
}

const idOf = ({ label, video }: Progress): string => video?.id ?? label

/** The end of the id, as `list` shows it, and the first words of the prompt. */
const nameOf = (progress: Progress, columns: number): string => {
  const prompt = clean(progress.video?.prompt ?? progress.prompt ?? "").trim()
  const id = clean(idOf(progress))
  if (prompt === "") return shortId(id, columns)
  if (progress.video === null) return truncate(prompt, columns)
  const end = id.slice(-6)
  return truncate(`${id.length > 12 && /^[0-9A-Za-z]+$/.test(end) ? end : shortId(id, 12)} ${prompt}`, columns)
}

const percentText = (progress: Progress): string => {
  const percent = percentOf(progress)
  return percent === null ? "" : `${Math.floor(percent)} %`
}

const leftText = (progress: Progress, now: number): string => {
  const left = timeLeftOf(progress, now)
  return left === null ? "" : `about ${clock(Math.ceil(left / 1000) * 1000)} left`
}

/** The end of a line: the result, what is wrong, or the time left. */
const textOf = (progress: Progress, now: number, form?: keyof Reason): string =>
  progress.end === null ? clean(retryText(progress, now, form) ?? leftText(progress, now)) : clean(progress.end.text)

const stateColor = (progress: Progress, style: Style) => {
  if (progress.end !== null) return progress.end.ok ? style.green : style.red
  if (progress.video === null) return style.yellow
  const colors = { waiting: style.yellow, running: style.cyan, succeeded: style.green, failed: style.red } as const
  return colors[phaseOf(progress.video)]
}

const bar = (percent: number | null, width: number): string => {
  const full = Math.round((Math.min(100, percent ?? 0) / 100) * width)
  return "█".repeat(full) + "░".repeat(width - full)
}

const widthOfParts = (parts: ReadonlyArray<Part>): number =>
  parts.reduce((width, { text }) => width + widthOf(text) + 2, -2)

const between = (least: number, most: number, value: number): number =>
  Math.min(most, Math.max(least, Math.floor(value)))

/** Columns of the parts, by the width of the terminal alone: nothing moves when a job changes or ends. */
const widthsOf = (columns: number) => {
  const name = columns >= 60 ? between(18, 40, columns * 0.3) : 10
  const rest = columns - widthOfParts([name, 11, 5, 7].map((width) => ({ text: " ".repeat(width) }))) - 2
  return { name, rest, bar: between(8, 30, rest * 0.34) }
}

/** One line within the columns. If it is too long, the bar and the text are omitted, then the name. */
export const barLine = (progress: Progress, now: number, columns: number, style: Style): string => {
  const widths = widthsOf(columns)
  const color = stateColor(progress, style)
  const name: Part = { text: padEnd(nameOf(progress, widths.name), widths.name), paint: style.bold }
  const state: Part = { text: padEnd(truncate(clean(stateOf(progress)), 11), 11), paint: color }
  const percent: Part = { text: percentText(progress).padStart(5) }
  const elapsed: Part = { text: clock(elapsedOf(progress, now)).padStart(7), paint: style.dim }
  const full = textOf(progress, now)
  const text = widthOf(full) <= widths.rest ? full : textOf(progress, now, "short")
  // A text of some length takes the place of the bar.
  const isText = progress.end !== null || troubleOf(progress, now) !== null
  const last: ReadonlyArray<Part> = isText
    ? [{ text: truncate(text, widths.rest) }]
    : [
        { text: bar(percentOf(progress), widths.bar), paint: color },
        { text: truncate(text, widths.rest - widths.bar - 2) }
      ]
  const layouts: ReadonlyArray<ReadonlyArray<Part>> = [
    ...(widths.rest >= 12 ? [[name, state, percent, elapsed, ...last.filter(({ text }) => text !== "")]] : []),
    [name, state, percent, elapsed],
    [state, percent, elapsed]
  ]
  const parts = layouts.find((layout) => widthOfParts(layout) <= columns)
  return parts === undefined
    ? truncate(`${clean(stateOf(progress))} ${percent.text.trim()}`, columns)
    : parts.map(({ paint, text }) => (paint === undefined ? text : paint(text))).join("  ")
}

/** One line of a log. */
export const plainLine = (progress: Progress, now: number): string => {
  return [
    clean(idOf(progress)),
    clean(stateOf(progress)),
    percentText(progress),
    clock(elapsedOf(progress, now)),
    textOf(progress, now)
  ]
    .filter((part) => part !== "")
    .join("  ")
}

const seconds = (millis: number | null): number | null => (millis === null ? null : Math.round(millis / 100) / 10)

/** What happened, for a program; always every field. */
export const progressEvent = (
  event: "job" | "upload" | "download" | "trouble" | "end",
  progress: Progress,
  now: number
) => {
  const { download, end, upload, video } = progress
  const course = event === "upload" ? upload : event === "download" ? download : null
  return {
    event,
    label: progress.label,
    id: video?.id ?? null,
    status: video?.status ?? null,
    phase: video === null ? null : phaseOf(video),
    progress: percentOf(progress),
    transferred: course?.last.done ?? null,
    total: course?.total ?? null,
    elapsed_seconds: seconds(elapsedOf(progress, now)),
    left_seconds: seconds(timeLeftOf(progress, now)),
    ok: end?.ok ?? null,
    message: end?.text ?? (event === "trouble" ? retryText(progress, now) : null)
  }
}
