/**
 * Wakes runs that are overdue: a wake-up may be lost when connections are cut, and a process may die between the row and the
 * start of its workflow. One for all runners.
 */
import { Singleton } from "@effect/cluster"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { nudge } from "./engine.js"
import { nudges, setRuns } from "./metrics.js"
import type { RunRow } from "./runRow.js"
import { RunTable } from "./runTable.js"
import { backoff, Settings } from "./settings.js"
import { start, workflowOf } from "./startRun.js"

/** A step that has not changed its row for so long may have lost its process. */
const idle = Duration.toMillis("5 minutes")

const sweep = Effect.gen(function* () {
  const table = yield* RunTable
  const { sweep } = yield* Settings
  const now = yield* Clock.currentTimeMillis
  const late = Duration.toMillis(sweep.late)
  const rows = yield* table.overdue(now - late, now - idle)
  const isDue = (row: RunRow) => now - row.updated_at >= (row.nudges === 0 ? 0 : backoff(sweep.late, row.nudges))
  yield* Effect.forEach(
    rows.filter(isDue),
    (row) =>
      Effect.gen(function* () {
        const workflow = workflowOf(row.kind)
        yield* table.update(row.execution_id, { nudges: row.nudges + 1 })
        yield* Metric.increment(nudges)
        // Known to the engine already, it is not started twice.
        if (row.state === "accepted") yield* start(row)
        yield* nudge(workflow, row.execution_id)
      }),
    { concurrency: 4, discard: true }
  )
  yield* setRuns(table)
})

const loop = Effect.flatMap(Settings, (settings) =>
  Effect.sleep(settings.sweep.every).pipe(
    Effect.zipRight(sweep),
    Effect.catchAllCause((cause) => Effect.logWarning("the search for overdue runs failed", cause)),
    Effect.forever
  )
)

export const sweeper = Singleton.make("effect-videos/sweeper", loop)
