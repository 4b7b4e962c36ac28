/** The body of every workflow: the steps in order, each as a stored activity. */
import { Activity, WorkflowEngine } from "@effect/workflow"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ParseResult from "effect/ParseResult"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { RunOutcome } from "../Runs.js"
import { CreateVideo, ExtendTo, ExtendVideo } from "../Workflows.js"
import { Drain } from "./drain.js"
import { apart, clearClocks, type Engine, handOver, waitUntil } from "./engine.js"
import { makeExtendTo } from "./extendToSteps.js"
import { toolsLayer } from "./films.js"
import { RunTable } from "./runTable.js"
import { wakeRun } from "./startRun.js"
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
    const table = yield* RunTable
    const inEngine = apart(yield* Effect.context<Engine>())
    const one = { intent: steps.intent, submit, confirm: steps.confirm, download: steps.download }
    const many = yield* makeExtendTo(steps)

    /** The run that waits for a segment reads it when it has ended. */
    const wakeParent = (parent: string) =>
      Effect.flatMap(Effect.orDie(table.get(parent)), (row) => (row === null ? Effect.void : inEngine(wakeRun(row))))

    const body = (execution: string, inOrder: { readonly [name: string]: Step }) =>
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
          execute: Effect.gen(function* () {
            const { parent } = yield* steps.report(execution, outcome)
            if (parent !== null) yield* wakeParent(parent)
            yield* clearClocks(workflow, execution)
          })
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

    return Layer.mergeAll(
      CreateVideo.toLayer((_payload, execution) => body(execution, one)),
      ExtendVideo.toLayer((_payload, execution) => body(execution, one)),
      ExtendTo.toLayer((_payload, execution) => body(execution, many))
    )
  })
).pipe(Layer.provide(toolsLayer))
