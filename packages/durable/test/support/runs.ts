/** Runs from their start to a state. */
import { DurableVideos, isEnded, type Run } from "@effect-videos/durable"
import { Effect, Option, Stream } from "effect"

/** The run as it first is in a state. */
export const until = (execution: string, isReached: (run: Run) => boolean) =>
  Effect.flatMap(DurableVideos, ({ watch }) =>
    Effect.map(Stream.runHead(Stream.filter(watch(execution), isReached)), Option.getOrThrow)
  )

export const ended = (execution: string) => until(execution, ({ state }) => isEnded(state))

export const create = (prompt: string, key = prompt) =>
  Effect.flatMap(DurableVideos, (durable) => durable.create({ prompt, size: "16x16", seconds: 4 }, { key }))

/** Starts a run, which then waits for its job; returns its execution. */
export const startWaiting = (key: string) =>
  Effect.gen(function* () {
    const { execution } = yield* create("the tide", key)
    yield* until(execution, ({ state, wakeAt }) => state === "waiting" && wakeAt !== null)
    // The engine stores that it is suspended.
    yield* Effect.sleep("1 second")
    return execution
  })

/** The prompt of a run of `programs/worker.ts`. */
export const promptOf = (key: string) => `the tide comes in: ${key}`
