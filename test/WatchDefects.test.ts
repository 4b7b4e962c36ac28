import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Schedule,
  ScheduleDecision,
  ScheduleInterval,
  Stream,
  TestClock
} from "effect"
import { awaitVideo, type VideoResource, Videos, type VideosService, watchVideo, watchVideos } from "effect-videos"
import { snapshot } from "./support/script.js"

const defect = new Error("a bug of the canned service")

const throws = (): never => {
  throw defect
}

/** What no type lets through, but JavaScript does. */
const untyped = <A>(value: unknown): A => value as A

const completed = (id: string) => Effect.succeed(snapshot("completed", { id }))

/** `retrieve` for one job; others complete. */
const brokenFor =
  (id: string, retrieve: VideosService["retrieve"]): VideosService["retrieve"] =>
  (asked, options) =>
    asked === id ? retrieve(asked, options) : completed(asked)

const dies = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Option.isSome(Cause.dieOption(exit.cause))

describe("a watch of a canned Videos", () => {
  it.effect.each<{ readonly name: string; readonly retrieve: VideosService["retrieve"] }>([
    { name: "throws", retrieve: throws },
    { name: "dies", retrieve: () => Effect.die(defect) },
    { name: "throws in an Effect", retrieve: () => Effect.suspend(throws) },
    { name: "dies later", retrieve: () => Effect.delay(Effect.die(defect), "1 second") },
    { name: "returns nothing", retrieve: () => untyped(undefined) },
    { name: "succeeds with nothing", retrieve: () => Effect.succeed(untyped<VideoResource>(undefined)) },
    { name: "succeeds with another shape", retrieve: () => Effect.succeed(untyped<VideoResource>({ id: "video_1" })) },
    { name: "fails with nothing", retrieve: () => Effect.fail(untyped<never>(null)) }
  ])("whose retrieve $name ends with that, and so does the next; watches of other jobs go on", ({ retrieve }) =>
    Effect.gen(function* () {
      for (let times = 0; times < 3; times++) {
        const broken = yield* Effect.fork(awaitVideo("video_1"))
        const beside = yield* Effect.fork(awaitVideo("video_1"))
        const other = yield* Effect.fork(awaitVideo("video_2"))
        yield* TestClock.adjust("1 minute")
        assert(Exit.isFailure(yield* Fiber.await(broken)))
        assert(Exit.isFailure(yield* Fiber.await(beside)))
        assert.strictEqual((yield* Fiber.join(other)).status, "completed")
      }
    }).pipe(Effect.provide(Layer.mock(Videos, { retrieve: brokenFor("video_1", retrieve) })))
  )

  it.effect("ends with the defect that names `retrieve` if that is missing", () =>
    Effect.gen(function* () {
      for (let times = 0; times < 2; times++) {
        const exit = yield* Effect.exit(awaitVideo("video_1"))
        assert(Exit.isFailure(exit))
        assert.match(Cause.pretty(exit.cause), /retrieve/)
      }
    }).pipe(Effect.provide(Layer.mock(Videos, {})))
  )

  it.effect.each<{ readonly name: string; readonly listPages: VideosService["listPages"] }>([
    { name: "throws", listPages: throws },
    { name: "dies", listPages: () => Stream.die(defect) },
    { name: "returns nothing", listPages: () => untyped(undefined) },
    { name: "emits nothing", listPages: () => Stream.empty },
    { name: "emits another shape", listPages: () => Stream.make(untyped<never>({})) }
  ])("whose list $name is read job by job", ({ listPages }) =>
    Effect.gen(function* () {
      const ids = Array.from({ length: 30 }, (_, index) => `video_${index}`)
      const fiber = yield* Effect.fork(Stream.runCount(watchVideos(ids)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(fiber), 30)
    }).pipe(Effect.provide(Layer.mock(Videos, { retrieve: completed, listPages })))
  )
})

describe("a watch with callbacks and schedules of the program's own", () => {
  const running = Layer.mock(Videos, {
    retrieve: (id) => (id === "video_2" ? completed(id) : Effect.succeed(snapshot("in_progress", { id, progress: 5 })))
  })

  const stepOf = (step: () => Effect.Effect<never>): Schedule.Schedule<unknown, unknown> =>
    Schedule.mapEffect(Schedule.forever, step)

  it.effect.each<{ readonly name: string; readonly poll: Schedule.Schedule<unknown, unknown> }>([
    { name: "throws", poll: stepOf(throws) },
    { name: "dies", poll: stepOf(() => Effect.die(defect)) },
    { name: "dies later", poll: stepOf(() => Effect.delay(Effect.die(defect), "1 second")) },
    {
      name: "gives no number",
      poll: Schedule.makeWithState(0, (_, input, state) =>
        Effect.succeed([state, input, ScheduleDecision.continueWith(ScheduleInterval.after(Number.NaN))] as const)
      )
    }
  ])("whose poll schedule $name ends with that, and holds up no other", ({ poll }) =>
    Effect.gen(function* () {
      const watching = yield* Effect.fork(awaitVideo("video_1", { poll, totalTimeout: "10 minutes" }))
      const other = yield* Effect.fork(awaitVideo("video_2"))
      yield* TestClock.adjust("10 minutes")
      assert(Exit.isFailure(yield* Fiber.await(watching)))
      assert.strictEqual((yield* Fiber.join(other)).status, "completed")
    }).pipe(Effect.provide(running))
  )

  it.effect.each([
    { name: "poll", options: { poll: stepOf(() => Effect.never) } },
    { name: "retry", options: { retry: stepOf(() => Effect.never) } }
  ])("whose $name schedule never says when ends with its timeout", ({ name, options }) => {
    const layer =
      name === "poll"
        ? running
        : Layer.mock(Videos, {
            retrieve: () => Effect.fail(untyped<never>({ _tag: "ServerError", isTransient: true }))
          })
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.flip(awaitVideo("video_1", { ...options, totalTimeout: "1 minute" })))
      yield* TestClock.adjust("59 seconds")
      assert(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "WatchTimeoutError")
    }).pipe(Effect.provide(layer))
  })

  it.effect.each<{ readonly name: string; readonly onUpdate: () => Effect.Effect<never> }>([
    { name: "throws", onUpdate: throws },
    { name: "dies", onUpdate: () => Effect.die(defect) },
    { name: "returns nothing", onUpdate: () => untyped(undefined) }
  ])("whose onUpdate $name ends with that, and the job can be watched again", ({ onUpdate }) =>
    Effect.gen(function* () {
      const watching = yield* Effect.fork(awaitVideo("video_1", { onUpdate }))
      yield* TestClock.adjust("1 second")
      assert(dies(yield* Fiber.await(watching)))
      const again = yield* Effect.fork(Stream.runHead(watchVideo("video_1")))
      yield* TestClock.adjust("1 second")
      assert(Option.isSome(yield* Fiber.join(again)))
    }).pipe(Effect.provide(running))
  )
})
