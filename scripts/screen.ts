/** Output of `npm start`: one line that a terminal redraws, or one line per change elsewhere. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { phaseOf, type TransferProgress, type VideoResource } from "effect-videos"

const terminal = process.stdout.isTTY === true
const width = 24

const write = (text: string) => Effect.sync(() => void process.stdout.write(text))

/** Prints a permanent line. */
export const say = (text: string): Effect.Effect<void> => write(`${terminal ? "\r\u001b[2K" : ""}${text}\n`)

const bar = (percent: number): string => {
  const full = Math.round((percent / 100) * width)
  return "█".repeat(full) + "░".repeat(width - full)
}

const lineOf = (label: string, video: VideoResource): string => {
  const percent = phaseOf(video) === "succeeded" ? 100 : (video.progress ?? 0)
  const shown = terminal ? `${bar(percent)} ${String(Math.round(percent)).padStart(3)} %` : `${Math.round(percent)} %`
  return `${label}  ${shown}  ${video.status}`
}

/** Redraws a line with the elapsed time until the effect ends. Prints nothing without a terminal. */
const live = <A, E, R>(line: () => string, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  if (!terminal) return self
  return Effect.flatMap(Clock.currentTimeMillis, (start) => {
    const draw = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      write(`\r\u001b[2K${line()}  ${((now - start) / 1000).toFixed(1)} s`)
    )
    return Effect.scoped(Effect.zipRight(Effect.forkScoped(Effect.repeat(draw, Schedule.spaced("100 millis"))), self))
  })
}

/** Prints each update of a job; the last one is the result. */
export const showJob = <E, R>(
  label: string,
  updates: Stream.Stream<VideoResource, E, R>,
  onUpdate: (video: VideoResource) => void
) => {
  let line = `${label}  submitting`
  return live(
    () => line,
    Stream.runFoldEffect(updates, null as VideoResource | null, (_, video) => {
      line = lineOf(label, video)
      onUpdate(video)
      return Effect.as(terminal ? Effect.void : say(line), video)
    })
  ).pipe(Effect.tap(() => (terminal ? say(line) : Effect.void)))
}

/** Prints the progress of a download. */
export const showBytes = <A, E, R>(
  label: string,
  download: (onProgress: (progress: TransferProgress) => Effect.Effect<void>) => Effect.Effect<A, E, R>
) => {
  let line = `${label}  waiting for the first byte`
  const update = ({ transferred }: TransferProgress) =>
    Effect.sync(() => {
      line = `${label}  ${(transferred / 1024).toFixed(0)} KiB`
    })
  return Effect.zipLeft(
    live(() => line, download(update)),
    Effect.suspend(() => say(line))
  )
}
