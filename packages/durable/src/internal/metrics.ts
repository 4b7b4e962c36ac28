/** What a runner counts. `docs/operating.md` names them. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { openStates } from "../Runs.js"
import type { RunTableService } from "./runTable.js"

/** Submissions sent: more than jobs means that some were sent again. */
export const sends = Metric.counter("effect_videos_durable_sends", { incremental: true })

/** Runs that became uncertain. */
export const uncertain = Metric.counter("effect_videos_durable_uncertain", { incremental: true })

/** Overdue runs that the sweeper woke. */
export const nudges = Metric.counter("effect_videos_durable_nudges", { incremental: true })

/** Requests of the poller: pages and single reads. */
export const polls = Metric.counter("effect_videos_durable_polls", { incremental: true })

const runs = Metric.gauge("effect_videos_durable_runs")

/** Open runs by state, of the whole database. The runner that has the sweeper sets it. */
export const setRuns = (table: Pick<RunTableService, "counts">) =>
  Effect.flatMap(table.counts, (counts) =>
    Effect.forEach(openStates, (state) => Metric.set(Metric.tagged(runs, "state", state), counts.get(state) ?? 0), {
      discard: true
    })
  )
