/** This library as a contender: with its defaults, over undici. Its test has shorter delays. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { Duration, Effect, Either, Layer, Logger, LogLevel, ManagedRuntime, Redacted, Schedule, Stream } from "effect"
import {
  createVideo,
  defaultReadRetry,
  defaultRetrySchedule,
  defaultSubmitRetry,
  listVideos,
  phaseOf,
  SubmissionUncertainError,
  Videos,
  type VideosConfigOptions,
  watchVideo
} from "effect-videos"
import { defaultDownloadRetry, downloadVideoToFile } from "effect-videos/Transfer"
import * as VideosUndici from "effect-videos/undici"
import type { Access, Client } from "./client.js"
import type { End } from "./judge.js"

export interface Patience extends Pick<VideosConfigOptions, "listLag"> {
  readonly requestTimeout: Duration.DurationInput
  /** Deadline of a watch or a download. */
  readonly deadline: Duration.DurationInput
  /** Time between two polls. */
  readonly interval: Duration.DurationInput
  /** Longest delay before a retry. Default: infinity. */
  readonly maxRetryDelay?: Duration.DurationInput
}

/** Removes the log lines about lost responses. */
const quiet = Logger.minimumLogLevel(LogLevel.None)

/** A default schedule of retries, with shorter delays. */
const retries = (schedule: Schedule.Schedule<unknown>, { maxRetryDelay = Duration.infinity }: Patience) =>
  Schedule.modifyDelay(schedule, (_, delay) => Duration.min(delay, maxRetryDelay))

const watched = (id: string, patience: Patience, status: (status: string) => void) =>
  watchVideo(id, {
    poll: Schedule.spaced(patience.interval),
    retry: retries(defaultRetrySchedule, patience),
    totalTimeout: patience.deadline
  }).pipe(
    Stream.tap((video) => Effect.sync(() => status(video.status))),
    Stream.runLast,
    Effect.flatten,
    Effect.map((video): End => ({ id: video.id, outcome: phaseOf(video) === "failed" ? "failed" : "completed" }))
  )

export const makeOurs =
  (patience: Patience) =>
  ({ apiKey, baseUrl, organization, project }: Access): Client => {
    const { listLag, requestTimeout } = patience
    const options = {
      baseUrl,
      apiKey: Redacted.make(apiKey),
      organization,
      project,
      requestTimeout,
      listLag,
      readRetry: retries(defaultReadRetry, patience),
      submitRetry: retries(defaultSubmitRetry, patience)
    }
    const videos = Videos.layer(options).pipe(Layer.provide(VideosUndici.layer()))
    const runtime = ManagedRuntime.make(Layer.mergeAll(videos, NodeContext.layer, quiet))
    const run = async <A, E>(effect: Effect.Effect<A, E, Videos | NodeContext.NodeContext>): Promise<A> => {
      // Throws the error itself, not the failure of a fiber.
      const ended = await runtime.runPromise(Effect.either(effect))
      if (Either.isLeft(ended)) throw ended.left
      return ended.right
    }
    return {
      submit: (prompt) => run(Effect.map(createVideo({ prompt, seconds: 4 }), ({ id }) => id)),
      watch: (id, status) => run(watched(id, patience, status)),
      list: (limit, job) => run(Stream.runForEach(listVideos({ limit }), ({ id }) => Effect.sync(() => job(id)))),
      download: (id, path) =>
        run(
          downloadVideoToFile(id, path, { retry: retries(defaultDownloadRetry, patience) }).pipe(
            Effect.timeout(patience.deadline),
            Effect.asVoid
          )
        ),
      isOpen: (error) => error instanceof SubmissionUncertainError,
      close: () => runtime.dispose()
    }
  }
