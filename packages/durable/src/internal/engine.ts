/** All that touches the workflow engine besides the definition of workflows: layers, waits, and wake-ups from outside. */
import {
  ClusterSchema,
  ClusterWorkflowEngine,
  EntityAddress,
  EntityId,
  EntityType,
  MessageStorage,
  RunnerAddress,
  RunnerHealth,
  Runners,
  Sharding,
  ShardingConfig,
  SqlMessageStorage,
  SqlRunnerStorage
} from "@effect/cluster"
import type * as SqlClient from "@effect/sql/SqlClient"
import { DurableClock, DurableDeferred, Workflow, WorkflowEngine } from "@effect/workflow"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"

export type Engine = WorkflowEngine.WorkflowEngine | Sharding.Sharding | MessageStorage.MessageStorage

/**
 * The engine in one process. `"client"` starts and wakes runs and runs none. The address is fixed: with another one after a
 * restart, the locks of the old one would have to expire first.
 */
export const localEngine = (role: "runner" | "client"): Layer.Layer<Engine, never, SqlClient.SqlClient> =>
  ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(Sharding.layer),
    Layer.provideMerge(Runners.layerNoop),
    Layer.provideMerge(SqlMessageStorage.layer),
    Layer.provide([Layer.orDie(SqlRunnerStorage.layer), RunnerHealth.layerNoop]),
    // Not from the environment: `PORT` and `HOST` of a web server would become the runner's address.
    Layer.provide(
      ShardingConfig.layer({
        runnerAddress: role === "runner" ? Option.some(RunnerAddress.make("localhost", 34431)) : Option.none(),
        // A step that has not ended when its process stops: `Drain` has waited for it.
        entityTerminationTimeout: Duration.seconds(1),
        entityMessagePollInterval: Duration.seconds(1)
      })
    )
  )

/** Where an execution waits for an event: each wait has its own number, so that an old event does not end a later wait. */
const wakeUp = (round: number) => DurableDeferred.make(`wake/${round}`)

/** Waits until `wake` of this round, or until a time in Unix milliseconds. Costs no fiber: the execution is suspended. */
export const waitUntil = (round: number, at: number) =>
  Effect.gen(function* () {
    const engine = yield* WorkflowEngine.WorkflowEngine
    const instance = yield* WorkflowEngine.WorkflowInstance
    const { executionId, workflow } = instance
    if ((yield* engine.deferredResult(wakeUp(round))) !== undefined) return
    const left = Math.max(at - (yield* Clock.currentTimeMillis), 1)
    const clock = DurableClock.make({ name: `clock/${round}`, duration: Duration.millis(left) })
    // Stored once: a replay does not move it.
    yield* engine.scheduleClock(workflow, { executionId, clock })
    if ((yield* engine.deferredResult(clock.deferred)) !== undefined) return
    return yield* Workflow.suspend(instance)
  })

/**
 * Suspends the execution for another process: an event of the near future wakes it there, since this one stops. The name is new
 * each time: an execution may meet more than one process that stops.
 */
export const handOver = Effect.gen(function* () {
  const engine = yield* WorkflowEngine.WorkflowEngine
  const instance = yield* WorkflowEngine.WorkflowInstance
  const { executionId, workflow } = instance
  const clock = DurableClock.make({ name: `hand over/${yield* Clock.currentTimeMillis}`, duration: "1 second" })
  yield* engine.scheduleClock(workflow, { executionId, clock })
  return yield* Workflow.suspend(instance)
})

/**
 * A start or a wake-up whose runner dies fails with a defect of the socket, although it is stored. Sending it again changes
 * nothing.
 */
const insist = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
  self.pipe(Effect.sandbox, Effect.retry({ times: 20, schedule: Schedule.spaced("300 millis") }), Effect.orDie)

export const wake = (workflow: Workflow.Any, executionId: string, round: number) =>
  insist(
    DurableDeferred.succeed(wakeUp(round), {
      token: DurableDeferred.tokenFromExecutionId(wakeUp(round), { workflow, executionId }),
      value: undefined
    })
  )

export const execute = <R>(start: Effect.Effect<unknown, never, R>): Effect.Effect<void, never, R> =>
  Effect.asVoid(insist(start))

/**
 * Runs with the services of the layer alone. In a step, the engine would make what it starts a child of the step's execution, and
 * resume that one when the child ends.
 */
export const apart =
  <Services>(services: Context.Context<Services>) =>
  <A, E>(self: Effect.Effect<A, E, Services>): Effect.Effect<A, E> =>
    Effect.mapInputContext(self, (_: Context.Context<never>) => services)

const clockEntity = "Workflow/-/DurableClock"

const addressOf = (workflow: Workflow.Any, executionId: string, type: string) =>
  Effect.map(Sharding.Sharding, (sharding) => {
    const entityId = EntityId.make(executionId)
    const group = Context.get(workflow.annotations, ClusterSchema.ShardGroup)(entityId)
    return EntityAddress.EntityAddress.make({
      entityId,
      entityType: EntityType.EntityType.make(type),
      shardId: sharding.getShardId(entityId, group)
    })
  })

/** Releases message claims that no runner works on, and replays a suspended execution. Does nothing to a healthy one. */
export const nudge = (workflow: Workflow.Any, executionId: string) =>
  Effect.gen(function* () {
    const storage = yield* MessageStorage.MessageStorage
    const engine = yield* WorkflowEngine.WorkflowEngine
    yield* storage.resetAddress(yield* addressOf(workflow, executionId, `Workflow/${workflow.name}`))
    yield* storage.resetAddress(yield* addressOf(workflow, executionId, clockEntity))
    yield* engine.resume(workflow, executionId)
  }).pipe(Effect.sandbox, Effect.ignore)

/** Deletes the clocks of an execution that has ended: a pending one would fire, and write rows. */
export const clearClocks = (workflow: Workflow.Any, executionId: string) =>
  Effect.gen(function* () {
    const storage = yield* MessageStorage.MessageStorage
    yield* storage.clearAddress(yield* addressOf(workflow, executionId, clockEntity))
  }).pipe(Effect.sandbox, Effect.ignore)

/** Deletes all that the engine has stored of an execution that has ended. */
export const forget = (workflow: Workflow.Any, executionId: string) =>
  Effect.gen(function* () {
    const storage = yield* MessageStorage.MessageStorage
    yield* clearClocks(workflow, executionId)
    yield* storage.clearAddress(yield* addressOf(workflow, executionId, `Workflow/${workflow.name}`))
  }).pipe(Effect.sandbox, Effect.ignore)
