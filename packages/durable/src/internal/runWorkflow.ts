/** The body of every workflow: the steps in order, each as a stored activity. */
import { Activity, type Workflow, WorkflowEngine } from "@effect/workflow"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ParseResult from "effect/ParseResult"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { RunOutcome } from "../Runs.js"
import { CreateVideo, ExtendVideo } from "../Workflows.js"
import { Drain } from "./drain.js"
import { clearClocks, handOver, waitUntil } from "./engine.js"
import { makeSteps, Next, type Step } from "./steps.js"
import { makeSubmit } from "./submitOnce.js"

/** Runs a step until it says something else than `Wait`. Each time is an activity with its own name: its result is stored. */
const repeat = (name: string, execution: string, step: Step) =>
  Effect.gen(function* () {
    const drain = yield* Drain
    for (let count = 1; ; count++) {
      if (yield* drain.isStopping) return yield* handOver
      const next = yield* Activity.make({
        name: `${name}/${count}`,
        success: Next,
        // An interruption by a shutdown is not stored; the step runs again elsewhere.
        interruptRetryPolicy: Schedule.stop,
        execute: step(execution, count)
      })
      if (next._tag !== "Wait") return next
      yield* waitUntil(next.round, next.at)
    }
  })

/** Why a run does not go on: a defect of a step, which the next wake-up runs again. */
const problemOf = (defect: unknown): string =>
  ParseResult.isParseError(defect)
    ? "this version cannot read the stored result of a step. Install the version that wrote it, or a later one"
    : `a step failed: ${String(defect)}`

/** Registers the workflows, and so runs them in this process. */
export const workflowsLayer = Layer.unwrapEffect(
  Effect.gen(function* () {
    const steps = yield* makeSteps
    const submit = yield* makeSubmit(steps)
    const drain = yield* Drain
    const inOrder = { intent: steps.intent, submit, confirm: steps.confirm, download: steps.download }

    const body = (execution: string) =>
      Effect.gen(function* () {
        let outcome: RunOutcome = { state: "done", problem: null }
        for (const [name, step] of Object.entries(inOrder)) {
          const next = yield* repeat(name, execution, step)
          if (next._tag === "Go") continue
          outcome = next.outcome
          break
        }
        const { workflow } = yield* WorkflowEngine.WorkflowInstance
        yield* Activity.make({
          name: "report",
          success: Schema.Void,
          interruptRetryPolicy: Schedule.stop,
          execute: Effect.zipRight(steps.report(execution, outcome), clearClocks(workflow, execution))
        })
        return outcome
      }).pipe(
        // It is suspended then, and the sweeper continues it. An interruption is a runner that stops.
        Effect.tapErrorCause((cause) =>
          Cause.isInterruptedOnly(cause)
            ? Effect.void
            : steps.change(execution, { problem: problemOf(Cause.squash(cause)) })
        ),
        drain.counted
      )

    return Layer.merge(
      CreateVideo.toLayer((_payload, execution) => body(execution)),
      ExtendVideo.toLayer((_payload, execution) => body(execution))
    )
  })
)

const workflows = { create: CreateVideo, extend: ExtendVideo } as const

export const workflowOf = (kind: keyof typeof workflows): (typeof workflows)[keyof typeof workflows] & Workflow.Any =>
  workflows[kind]
