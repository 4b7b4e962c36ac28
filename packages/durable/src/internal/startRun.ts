/** Records runs, starts and wakes their workflows. */
import type { Workflow } from "@effect/workflow"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { CreateVideo, ExtendTo, ExtendVideo } from "../Workflows.js"
import { execute, wake } from "./engine.js"
import { encodePlan, type Plan } from "./runPlan.js"
import type { RunRow } from "./runRow.js"
import type { RunTableService } from "./runTable.js"

const workflows = { create: CreateVideo, extend: ExtendVideo, extendTo: ExtendTo } as const

export const workflowOf = (kind: RunRow["kind"]): (typeof workflows)[keyof typeof workflows] & Workflow.Any =>
  workflows[kind]

export const executionOf = (kind: RunRow["kind"], key: string, attempt: number): Effect.Effect<string> =>
  workflowOf(kind).executionId({ key, attempt })

/** What a new run is made from. */
export interface NewRun extends Pick<RunRow, "kind" | "run_key" | "attempt" | "fingerprint" | "request" | "server"> {
  /**
   * An earlier attempt whose request may have made a job: the new one takes that question over, and settles it before it sends
   * anything.
   */
  readonly unsettled?: RunRow | null
  readonly parent?: string
  readonly plan?: Plan | null
}

/** Adds the row of a run, unless there is one. The row comes first: the sweeper starts what was left here. */
export const record = (table: Pick<RunTableService, "insert">, { parent, plan, unsettled = null, ...row }: NewRun) =>
  Effect.gen(function* () {
    const { attempt, kind, run_key } = row
    const execution_id = yield* executionOf(kind, run_key, attempt)
    const now = yield* Clock.currentTimeMillis
    yield* table.insert({
      ...row,
      execution_id,
      state: "accepted",
      idempotency_key: unsettled?.idempotency_key ?? `effect-videos-${execution_id}`,
      baseline: unsettled?.baseline ? JSON.stringify(unsettled.baseline) : null,
      intent_at: unsettled?.intent_at ?? null,
      sent_at: unsettled?.sent_at ?? null,
      sends: unsettled?.sends ?? 0,
      job_id: null,
      status: null,
      progress: null,
      candidates: null,
      problem: null,
      location: null,
      bytes: null,
      cancel: null,
      resolution: null,
      round: 0,
      tries: 0,
      missing_since: null,
      wake_at: null,
      nudges: 0,
      version: 1,
      created_at: now,
      updated_at: now,
      ended_at: null,
      parent: parent ?? null,
      plan: plan ? encodePlan(plan) : null,
      refusal: null
    })
    return execution_id
  })

/** The attempt, if its request may have made a job that is not known. */
export const unsettledOf = (row: RunRow | null): RunRow | null =>
  row !== null && row.sent_at !== null && row.job_id === null ? row : null

/** Starts the workflow of a row; a second start changes nothing. */
export const start = (row: Pick<RunRow, "kind" | "run_key" | "attempt">) =>
  execute(workflowOf(row.kind).execute({ key: row.run_key, attempt: row.attempt }, { discard: true }))

/** Ends the current wait of a run, whose next step reads its row. */
export const wakeRun = (row: Pick<RunRow, "kind" | "execution_id" | "round">) =>
  wake(workflowOf(row.kind), row.execution_id, row.round)
