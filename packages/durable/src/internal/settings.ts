/** What the steps of a run take from the options of a layer. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Segments } from "effect-videos/continue"

export interface SettingsService {
  /** The label of the server. */
  readonly server: string
  /** The longest time between two reads of a waiting job by its own run; the poller reads it in between. */
  readonly safetyNet: Duration.Duration
  /** The shortest and the longest pause between two polls of all waiting jobs. */
  readonly polling: { readonly min: Duration.Duration; readonly max: Duration.Duration }
  /** For how long the server may not know a job before the run ends as `lost`. */
  readonly lostAfter: Duration.Duration
  /** The first pause after a failure; it doubles after each, up to an hour. */
  readonly retryAfter: Duration.Duration
  /** For how long a runner that stops waits for its steps. */
  readonly stopWithin: Duration.Duration
  /** The programs that join the segments of `extendTo`. */
  readonly programs: Pick<Segments.FilmOptions, "ffmpeg" | "ffprobe">
  /** The interval at which the sweeper reads the overdue runs, and how late they are then. */
  readonly sweep: { readonly every: Duration.Duration; readonly late: Duration.Duration }
}

export class Settings extends Context.Tag("effect-videos/durable/Settings")<Settings, SettingsService>() {}

/** A moment at which a process may be killed: the tests stop there. */
export type CheckpointName =
  | "before intent"
  | "after intent"
  | "before request"
  | "after response"
  | "after record"
  | "before download"
  | "after download"
  | "before report"
  | "after plan"
  | "after segment"
  | "before save"
  | "after save"

export class Checkpoint extends Context.Reference<Checkpoint>()("effect-videos/durable/Checkpoint", {
  defaultValue:
    () =>
    (_name: CheckpointName): Effect.Effect<void> =>
      Effect.void
}) {}

/** Doubles from `first` to an hour. */
export const backoff = (first: Duration.Duration, failures: number): number =>
  Math.min(Duration.toMillis(first) * 2 ** Math.min(failures, 20), 3_600_000)
