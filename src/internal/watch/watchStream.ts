/** Watches as Streams and Effects: each begins in the hub, and leaves it with its consumer. */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { Videos } from "../../Videos.js"
import { isListenedTo } from "../http/spans.js"
import type { VideoResource } from "../protocol/videoSchemas.js"
import type { VideosService } from "../videosTypes.js"
import { Feed, Signal } from "./updateQueue.js"
import type { Plan, Start, Watch, WatchError } from "./watch.js"
import { belongingsOf, type WatchGroups } from "./watchGroups.js"

/** Begins watches on its caller's behalf, in its caller's context. */
const subscriber = (
  videos: VideosService,
  plan: Plan,
  feed: Feed
): Effect.Effect<{ readonly watches: WatchGroups; readonly subscribe: (start: Start) => Watch }> =>
  Effect.zipWith(Effect.runtime<never>(), Effect.clock, ({ context, fiberRefs }, clock) => {
    const { watches } = belongingsOf(videos)
    // Less its being uninterruptible while it acquires.
    const runtime = Runtime.make({ context, fiberRefs, runtimeFlags: Runtime.defaultRuntimeFlags })
    return { watches, subscribe: (start) => watches.subscribe(videos, plan, start, feed, runtime, clock) }
  })

const operationNames = { watchVideo: "watch_video", awaitVideo: "await_video" } as const

/** One watch, from its first `next` to its `close`. */
class One {
  private readonly feed = new Feed()
  private watches: WatchGroups | null = null
  private watch: Watch | null = null
  private span: Tracer.Span | null = null
  private readonly plan: Plan
  private readonly start: Start

  constructor(plan: Plan, start: Start) {
    this.plan = plan
    this.start = start
  }

  /** What has come since the last time; `null` once the job has ended. */
  readonly next: Effect.Effect<ReadonlyArray<VideoResource> | null, WatchError, Videos> = Effect.suspend(() => {
    const { feed, watch } = this
    if (watch === null) return Effect.zipRight(this.open(), this.next)
    feed.take()
    const videos = watch.drain()
    if (videos.length > 0) return Effect.succeed(videos)
    if (watch.exit === null) return Effect.zipRight(feed.signal.wait(), this.next)
    return Exit.isSuccess(watch.exit) ? Effect.succeed(null) : Effect.failCause(watch.exit.cause)
  })

  /** What is in flight for this watch alone is closed when this returns. */
  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const { span, watch, watches } = this
    const left = watches === null || watch === null ? Effect.void : watches.release([watch])
    return span === null
      ? left
      : Effect.zipRight(
          left,
          Effect.clockWith((clock) => Effect.sync(() => span.end(clock.unsafeCurrentTimeNanos(), exit)))
        )
  }

  private open(): Effect.Effect<void, never, Videos> {
    return Effect.flatMap(Videos, (videos) => {
      const subscribed = Effect.map(subscriber(videos, this.plan, this.feed), ({ subscribe, watches }) => {
        this.watches = watches
        this.watch = subscribe(this.start)
      })
      return Effect.withFiberRuntime((fiber) => {
        if (!isListenedTo(fiber)) return subscribed
        const { operation } = this.plan
        const attributes = { "gen_ai.operation.name": operationNames[operation], "video.id": this.start.id }
        return Effect.flatMap(Effect.makeSpan("Videos.watch", { attributes, captureStackTrace: false }), (span) => {
          this.span = span
          return Effect.provideService(subscribed, Tracer.ParentSpan, span)
        })
      })
    })
  }
}

/**
 * One job's updates. A Stream of a single Channel: each `unwrap` and each acquisition around it would cost every watch some
 * kilobytes for as long as it runs.
 */
export const watchOne = (plan: Plan, start: Start): Stream.Stream<VideoResource, WatchError, Videos> =>
  Stream.fromChannel(
    Channel.suspend(() => {
      const one = new One(plan, start)
      const updates: Channel.Channel<
        Chunk.Chunk<VideoResource>,
        unknown,
        WatchError,
        unknown,
        void,
        unknown,
        Videos
      > = Channel.flatMap(Channel.fromEffect(one.next), (videos) =>
        videos === null ? Channel.void : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(videos)), () => updates)
      )
      return Channel.ensuringWith(updates, (exit) => one.close(exit))
    })
  )

/** One job's last snapshot. */
export const awaitOne = <E, R>(
  plan: Plan,
  start: Start,
  onUpdate: ((video: VideoResource) => Effect.Effect<unknown, E, R>) | undefined
): Effect.Effect<VideoResource, WatchError | E, R | Videos> =>
  Effect.suspend(() => {
    const one = new One(plan, start)
    const last = (seen: VideoResource | null): Effect.Effect<VideoResource, WatchError | E, R | Videos> =>
      Effect.flatMap(one.next, (videos) => {
        if (videos === null) {
          return seen === null ? Effect.dieMessage("a watch ended without a terminal snapshot") : Effect.succeed(seen)
        }
        const newest = last(videos.at(-1) ?? seen)
        return onUpdate === undefined
          ? newest
          : Effect.zipRight(Effect.forEach(videos, onUpdate, { discard: true }), newest)
      })
    return Effect.onExit(last(null), (exit) => one.close(exit))
  })

/** How a watch of many tells of one of them. */
export interface Telling<A> {
  readonly seen: (id: string, video: VideoResource) => A
  readonly lost: (id: string, error: WatchError, lastSnapshot: VideoResource | null) => A
}

/** The jobs of one `watchMany`, while it runs. */
class Many<A, E> {
  readonly feed = new Feed()
  readonly watches = new Map<string, Watch>()
  /** Somebody may come in: a watch has ended. */
  readonly room = new Signal()
  /** How the input ended; null while more may come. */
  input: Exit.Exit<unknown, E> | null = null

  private readonly telling: Telling<A>

  constructor(telling: Telling<A>) {
    this.telling = telling
  }

  /** What has come since the last time; fails with `None` once all jobs have ended and no more come. */
  readonly next: Effect.Effect<Chunk.Chunk<A>, Option.Option<E>> = Effect.suspend(() => {
    const told: Array<A> = []
    for (const watch of this.feed.take()) {
      const { exit, job } = watch
      for (const video of watch.drain()) told.push(this.telling.seen(job.id, video))
      if (exit === null) continue
      this.watches.delete(job.id)
      this.room.give()
      if (Exit.isSuccess(exit)) continue
      const error = Cause.failureOption(exit.cause)
      // A schedule that threw is a bug of the program, and no job's fate.
      if (Option.isNone(error)) return Effect.failCause(exit.cause as Cause.Cause<never>)
      told.push(this.telling.lost(job.id, error.value, watch.lastSnapshot))
    }
    if (told.length > 0) return Effect.succeed(Chunk.unsafeFromArray(told))
    if (this.input !== null && Exit.isFailure(this.input))
      return Effect.failCause(Cause.map(this.input.cause, Option.some))
    if (this.input !== null && this.watches.size === 0) return Effect.fail(Option.none())
    return Effect.zipRight(this.feed.signal.wait(), this.next)
  })
}

/**
 * The updates of many jobs, those that `starts` gives while it goes on included. A job that is watched already is not
 * watched twice.
 */
export const watchMany = <A, E, R>(
  videos: VideosService,
  plan: Plan,
  starts: ReadonlyArray<Start> | Stream.Stream<Start, E, R>,
  concurrency: number,
  telling: Telling<A>
): Stream.Stream<A, E, R> => {
  const acquire = Effect.gen(function* () {
    const many = new Many<A, E>(telling)
    const { subscribe, watches } = yield* subscriber(videos, plan, many.feed)
    const begin = (start: Start): void => {
      if (!many.watches.has(start.id)) many.watches.set(start.id, subscribe(start))
    }
    const leave = Effect.suspend(() => watches.release(many.watches.values()))
    if (!(Stream.StreamTypeId in starts)) {
      for (const start of starts) begin(start)
      many.input = Exit.void
      return { many, leave }
    }
    // Without a watch of its own, it would wait for its input for ever.
    const stay = watches.whenClosed(() => {
      many.input = Exit.interrupt(FiberId.none)
      many.feed.signal.give()
    })
    const admit = (start: Start): Effect.Effect<void> =>
      Effect.suspend(() =>
        many.watches.size < concurrency || many.watches.has(start.id)
          ? Effect.succeed(begin(start))
          : Effect.zipRight(many.room.wait(), admit(start))
      )
    const feeder = yield* Stream.runForEach(starts, admit).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          many.input ??= exit
          many.feed.signal.give()
        })
      ),
      Effect.interruptible,
      Effect.forkDaemon
    )
    return { many, leave: Effect.zipRight(Effect.zipRight(Effect.sync(stay), Fiber.interrupt(feeder)), leave) }
  })
  return Stream.fromChannel(
    Channel.acquireUseRelease(
      acquire,
      ({ many }) => Stream.toChannel(Stream.repeatEffectChunkOption(many.next)),
      ({ leave }) => leave
    )
  )
}
