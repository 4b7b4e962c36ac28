/** A job's progress as a line: with a bar for a terminal of any width, plain for a log, as an event for a program. */
import { phaseOf } from "effect-videos"
import { elapsedOf, type Progress, percentOf, stateOf, timeLeftOf, troubleOf } from "./progress.js"
import type { Style } from "./screen.js"
import { clean, clock, padEnd, shortId, truncate, widthOf } from "./text.js"

interface Part {
  readonly text: string
  readonly paint?: (text: string) => string
}

const nameOf = ({ label, video }: Progress): string => video?.id ?? label

const percentText = (progress: Progress): string => {
  const percent = percentOf(progress)
  return percent === null ? "" : `${Math.floor(percent)} %`
}

const leftText = (progress: Progress, now: number): string => {
  const left = timeLeftOf(progress, now)
  return left === null ? "" : `about ${clock(Math.ceil(left / 1000) * 1000)} left`
}

/** The last of a line: what it came to, what is wrong, or how long it may still take. */
const saidOf = (progress: Progress, now: number): string =>
  progress.end === null ? clean(troubleOf(progress, now) ?? leftText(progress, now)) : clean(progress.end.text)

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

const leastBar = 8
const mostBar = 30
const leastText = 12

/** One line of at most so many columns. What there is no room for is left out: the bar, then what is said, then the name. */
export const barLine = (progress: Progress, now: number, columns: number, style: Style): string => {
  const nameWidth = columns >= 60 ? 22 : 10
  const name: Part = { text: padEnd(shortId(nameOf(progress), nameWidth), nameWidth), paint: style.bold }
  const color = stateColor(progress, style)
  const state: Part = { text: padEnd(clean(stateOf(progress)), 11), paint: color }
  const percent: Part = { text: percentText(progress).padStart(5) }
  const elapsed: Part = { text: clock(elapsedOf(progress, now)).padStart(5), paint: style.dim }
  const said = saidOf(progress, now)
  const last: ReadonlyArray<Part> = said === "" ? [] : [{ text: said }]
  const rest = [percent, elapsed, ...last]
  // The estimate comes and goes; its place is kept, so that bars do not jump.
  const kept =
    progress.end === null ? Math.max(0, "about 00:00 left".length + 2 - (said === "" ? 0 : widthOf(said) + 2)) : 0
  const room = columns - widthOfParts([name, state, ...rest]) - kept - 2
  const width = Math.min(mostBar, room)
  const short = truncate(said, columns - widthOfParts([name, state, percent, elapsed]) - 2)
  const layouts: ReadonlyArray<ReadonlyArray<Part>> = [
    ...(width >= leastBar ? [[name, state, { text: bar(percentOf(progress), width), paint: color }, ...rest]] : []),
    [name, state, ...rest],
    ...(widthOf(short) >= leastText ? [[name, state, percent, elapsed, { text: short }]] : []),
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
    clean(nameOf(progress)),
    clean(stateOf(progress)),
    percentText(progress),
    clock(elapsedOf(progress, now)),
    saidOf(progress, now)
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
    message: end?.text ?? (event === "trouble" ? troubleOf(progress, now) : null)
  }
}
