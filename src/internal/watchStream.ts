/** Watches as Streams and Effects: each begins in the hub, and leaves it with its consumer. */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import { isTerminal, type VideoResource } from "../Schema.js"
import type { VideosService } from "../Videos.js"
import type { Plan, Start, Watch, WatchError } from "./watch.js"
import { Feed, Signal } from "./watchFeed.js"
import { type Hub, hubOf } from "./watchHub.js"

/** The caller's context, less its being uninterruptible while it acquires. */
const contextOfCaller: Effect.Effect<Runtime.Runtime<never>> = Effect.map(
  Effect.runtime<never>(),
  ({ context, fiberRefs }) => Runtime.make({ context, fiberRefs, runtimeFlags: Runtime.defaultRuntimeFlags })
)

/** Something that can begin watches on its caller's behalf. */
const subscriber = (videos: VideosService, plan: Plan, feed: Feed) =>
  Effect.zipWith(contextOfCaller, Effect.clock, (runtime, clock) => {
    const hub = hubOf(videos)
    return { hub, subscribe: (start: Start) => hub.subscribe(plan, start, feed, runtime, clock) }
  })

interface Opened {
  readonly hub: Hub
  readonly feed: Feed
  readonly watch: Watch
}

const open = (videos: VideosService, plan: Plan, start: Start): Effect.Effect<Opened> => {
  const feed = new Feed()
  return Effect.map(subscriber(videos, plan, feed), ({ hub, subscribe }) => ({ hub, feed, watch: subscribe(start) }))
}

const close = ({ hub, watch }: Opened): Effect.Effect<void> => hub.release([watch])

/** What has come since the last time; fails with `None` once the job has ended. */
const next = (opened: Opened): Effect.Effect<ReadonlyArray<VideoResource>, Option.Option<WatchError>> =>
  Effect.suspend(() => {
    const { feed, watch } = opened
    feed.take()
    const videos = watch.drain()
    if (videos.length > 0) return Effect.succeed(videos)
    const { exit } = watch
    if (exit === null) return Effect.zipRight(feed.signal.await, next(opened))
    return Exit.isSuccess(exit) ? Effect.fail(Option.none()) : Effect.failCause(Cause.map(exit.cause, Option.some))
  })

/** One job's updates. */
export const watchOne = (videos: VideosService, plan: Plan, start: Start): Stream.Stream<VideoResource, WatchError> =>
  Stream.fromChannel(
    Channel.acquireUseRelease(
      open(videos, plan, start),
      (opened) => Stream.toChannel(Stream.repeatEffectChunkOption(Effect.map(next(opened), Chunk.unsafeFromArray))),
      close
    )
  )

/** One job's last snapshot. */
export const awaitOne = (videos: VideosService, plan: Plan, start: Start): Effect.Effect<VideoResource, WatchError> =>
  Effect.acquireUseRelease(
    open(videos, plan, start),
    (opened) => {
      const last: Effect.Effect<VideoResource, Option.Option<WatchError>> = Effect.flatMap(next(opened), (seen) => {
        const video = seen.at(-1)
        return video !== undefined && isTerminal(video) ? Effect.succeed(video) : last
      })
      return Effect.catchAll(
        last,
        Option.match({
          onNone: () => Effect.dieMessage("a watch ended without a terminal snapshot"),
          onSome: Effect.fail
        })
      )
    },
    close
  )

/** What a watch of many tells of one of them. */
export type Told =
  | { readonly id: string; readonly video: VideoResource }
  | { readonly id: string; readonly error: WatchError; readonly lastSnapshot: VideoResource | null }

/** The jobs of one `watchMany`, while it runs. */
class Many<E> {
  readonly feed = new Feed()
  readonly watches = new Map<string, Watch>()
  /** Somebody may come in: a watch has ended. */
  readonly room = new Signal()
  /** How the input ended; null while more may come. */
  input: Exit.Exit<unknown, E> | null = null

  /** What has come since the last time; fails with `None` once all jobs have ended and no more come. */
  readonly next: Effect.Effect<ReadonlyArray<Told>, Option.Option<E>> = Effect.suspend(() => {
    const told: Array<Told> = []
    for (const watch of this.feed.take()) {
      const { exit, job } = watch
      for (const video of watch.drain()) told.push({ id: job.id, video })
      if (exit === null) continue
      this.watches.delete(job.id)
      this.room.give()
      if (Exit.isSuccess(exit)) continue
      const error = Cause.failureOption(exit.cause)
      // A schedule that threw is a bug of the program, and no job's fate.
      if (Option.isNone(error)) return Effect.failCause(exit.cause as Cause.Cause<never>)
      told.push({ id: job.id, error: error.value, lastSnapshot: watch.lastSnapshot })
    }
    if (told.length > 0) return Effect.succeed(told)
    if (this.input !== null && Exit.isFailure(this.input))
      return Effect.failCause(Cause.map(this.input.cause, Option.some))
    if (this.input !== null && this.watches.size === 0) return Effect.fail(Option.none())
    return Effect.zipRight(this.feed.signal.await, this.next)
  })
}

/**
 * The updates of many jobs, those that `starts` gives while it goes on included. A job that is watched already is not
 * watched twice.
 */
export const watchMany = <E, R>(
  videos: VideosService,
  plan: Plan,
  starts: ReadonlyArray<Start> | Stream.Stream<Start, E, R>,
  concurrency: number
): Stream.Stream<Told, E, R> => {
  const acquire = Effect.gen(function* () {
    const many = new Many<E>()
    const { hub, subscribe } = yield* subscriber(videos, plan, many.feed)
    const begin = (start: Start): void => {
      if (!many.watches.has(start.id)) many.watches.set(start.id, subscribe(start))
    }
    const leave = Effect.suspend(() => hub.release(many.watches.values()))
    if (!(Stream.StreamTypeId in starts)) {
      for (const start of starts) begin(start)
      many.input = Exit.void
      return { many, leave }
    }
    const admit = (start: Start): Effect.Effect<void> =>
      Effect.suspend(() =>
        many.watches.size < concurrency || many.watches.has(start.id)
          ? Effect.succeed(begin(start))
          : Effect.zipRight(many.room.await, admit(start))
      )
    const feeder = yield* Stream.runForEach(starts, admit).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          many.input = exit
          many.feed.signal.give()
        })
      ),
      Effect.interruptible,
      Effect.forkDaemon
    )
    return { many, leave: Effect.zipRight(Fiber.interrupt(feeder), leave) }
  })
  return Stream.fromChannel(
    Channel.acquireUseRelease(
      acquire,
      ({ many }) => Stream.toChannel(Stream.repeatEffectChunkOption(Effect.map(many.next, Chunk.unsafeFromArray))),
      ({ leave }) => leave
    )
  )
}
