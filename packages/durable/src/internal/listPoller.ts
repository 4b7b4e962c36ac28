/**
 * Polls for all waiting runs of a server: pages of the list, and single reads for what the list leaves out. One for all runners; it
 * keeps nothing, so that another runner continues it. A run that it finds ended is woken, and reads its job itself.
 */
import { Singleton } from "@effect/cluster"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import { isTerminal, type VideoResource } from "effect-videos/Schema"
import { Videos } from "effect-videos/Videos"
import { polls } from "./metrics.js"
import type { RunRow } from "./runRow.js"
import { RunTable } from "./runTable.js"
import { Settings } from "./settings.js"
import { wakeRun } from "./startRun.js"

/** Single reads at once. */
const concurrency = 8

const poll = Effect.gen(function* () {
  const table = yield* RunTable
  const { server } = yield* Settings
  const videos = yield* Videos
  const rows = yield* table.waiting(server)
  const unseen = new Map<string, RunRow>()
  for (const row of rows) if (row.job_id !== null && row.cancel === null) unseen.set(row.job_id, row)
  if (unseen.size === 0) return rows

  const note = (row: RunRow, video: VideoResource) =>
    Effect.gen(function* () {
      const { progress, status } = video
      if (row.status !== status || row.progress !== progress)
        yield* table.update(row.execution_id, { status, progress })
      if (isTerminal(video)) yield* wakeRun(row)
    })

  const takePage = (page: ReadonlyArray<VideoResource>) =>
    Effect.forEach(
      page,
      (video) => {
        const row = unseen.get(video.id)
        unseen.delete(video.id)
        return row === undefined ? Effect.void : note(row, video)
      },
      { discard: true }
    )

  if (unseen.size > 1) {
    // Jobs of other programs fill pages too; beyond this, single reads are fewer.
    const maxPages = Math.ceil(unseen.size / 50) + 2
    yield* videos.listPages({ limit: 100, order: "desc" }).pipe(
      Stream.take(maxPages),
      Stream.tap(({ videos }) => Effect.zipRight(Metric.increment(polls), takePage(videos))),
      Stream.takeUntil(() => unseen.size === 0),
      Stream.runDrain,
      // A server without a list, or one that fails: single reads.
      Effect.catchAll((error) => Effect.logDebug(error.message))
    )
  }
  yield* Effect.forEach(
    unseen,
    ([job, row]) =>
      Effect.matchEffect(Effect.zipRight(Metric.increment(polls), videos.retrieve(job, { singleAttempt: true })), {
        onSuccess: (video) => note(row, video),
        // Its run finds out, and waits for a while.
        onFailure: (error) =>
          error._tag === "VideoNotFoundError" && row.missing_since === null ? wakeRun(row) : Effect.void
      }),
    { concurrency, discard: true }
  )
  return rows
})

/** Young jobs are polled more often: a tenth of the youngest one's age. */
const pauseAfter = (rows: ReadonlyArray<RunRow>) =>
  Effect.gen(function* () {
    const { polling } = yield* Settings
    const now = yield* Clock.currentTimeMillis
    const youngest = rows.reduce((age, row) => Math.min(age, now - row.created_at), Number.POSITIVE_INFINITY)
    const [min, max] = [Duration.toMillis(polling.min), Duration.toMillis(polling.max)]
    return rows.length === 0 ? min : Math.min(Math.max(youngest / 10, min), max)
  })

const loop = poll.pipe(
  Effect.catchAllCause((cause) => Effect.as(Effect.logWarning("polling of waiting runs failed", cause), [])),
  Effect.flatMap(pauseAfter),
  Effect.flatMap((pause) => Effect.sleep(pause)),
  Effect.forever
)

export const listPoller = (server: string) => Singleton.make(`effect-videos/poller/${server}`, loop)
