/** Watches as Streams and Effects: each begins in the hub, and leaves it with its consumer. */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { isSnapshot } from "../download/contentSource.js"
import { VideoFailedError } from "../errors/errors.js"
import { isTraced } from "../http/spans.js"
import { isTerminal, phaseOf, type VideoResource } from "../protocol/videoSchemas.js"
import type { VideosService } from "../videosTypes.js"
import type { Plan, Start, Watch, WatchError } from "./watch.js"
import { cannedHub, hubOf, type WatchHub } from "./watchHub.js"
import { VideoUpdate } from "./watchTypes.js"

/**
 * Wake-up flag for one waiting fiber. If `notify` runs while no fiber waits, the next `wait` returns at once.
 *
 * Why not `Effect.makeLatch`: its finalizer costs each waiting watch 3.7 KiB, a third of what `awaitVideo` may take.
 */
class WakeUp {
  private isSet = false
  private resume: ((effect: Effect.Effect<void>) => void) | null = null

  readonly notify = (): void => {
    const { resume } = this
    this.resume = null
    if (resume === null) this.isSet = true
    else resume(Effect.void)
  }

  readonly wait: Effect.Effect<void> = Effect.async((resume) => {
    if (!this.isSet) this.resume = resume
    else resume(Effect.void)
    this.isSet = false
  })
}

/** One job, by id or as a snapshot. */
type Target = string | VideoResource

/** A watch of a job. What is not a job, from a program without types, is refused by the first request. */
export const startOf = (target: Target, submitted: Start["submitted"] = null): Start => ({
  id: Predicate.hasProperty(target, "id") ? target.id : (target as string),
  snapshot: isSnapshot(target) ? target : null,
  submitted
})

/** The job, or why it has no clip. */
export const completed = (video: VideoResource): Either.Either<VideoResource, VideoFailedError> =>
  phaseOf(video) === "failed"
    ? Either.left(new VideoFailedError({ operation: "awaitVideo", video }))
    : Either.right(video)

/** Begins watches for the caller; their schedules run in its context. */
const subscriber = (videos: VideosService, plan: Plan, onReady: (watch: Watch) => void) =>
  Effect.zipWith(Effect.runtime<never>(), Effect.clock, ({ context, fiberRefs }, clock) => {
    // Interruptible, although the caller may not be while it acquires.
    const runtime = Runtime.make({ context, fiberRefs, runtimeFlags: Runtime.defaultRuntimeFlags })
    const hub = hubOf(videos) ?? cannedHub(runtime, clock)
    return { hub, subscribe: (start: Start) => hub.subscribe(videos, plan, start, runtime, onReady) }
  })

const operationNames = { watchVideo: "watch_video", awaitVideo: "await_video" } as const

/** One watch, from its first `next` to its `close`. A class: as closures, it costs each waiting watch 0.6 KiB more. */
class One {
  private readonly ready = new WakeUp()
  private hub: WatchHub | null = null
  private watch: Watch | null = null
  private span: Tracer.Span | null = null
  private readonly videos: VideosService
  private readonly plan: Plan
  private readonly start: Start

  constructor(videos: VideosService, plan: Plan, start: Start) {
    this.videos = videos
    this.plan = plan
    this.start = start
  }

  /** What has come since the last time; `null` once the job has ended. */
  readonly next: Effect.Effect<ReadonlyArray<VideoResource> | null, WatchError> = Effect.suspend(() => {
    const { watch } = this
    if (watch === null) return Effect.zipRight(this.open(), this.next)
    const videos = watch.drain()
    if (videos.length > 0) return Effect.succeed(videos)
    if (watch.exit !== null)
      return Exit.isSuccess(watch.exit) ? Effect.succeed(null) : Effect.failCause(watch.exit.cause)
    return Effect.zipRight(this.ready.wait, this.next)
  })

  /** When it returns, the requests for this watch alone are closed. */
  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const { hub, span, watch } = this
    const left = hub === null || watch === null ? Effect.void : hub.release([watch])
    return span === null
      ? left
      : Effect.zipRight(
          left,
          Effect.clockWith((clock) => Effect.sync(() => span.end(clock.unsafeCurrentTimeNanos(), exit)))
        )
  }

  private open(): Effect.Effect<void> {
    const subscribed = Effect.map(subscriber(this.videos, this.plan, this.ready.notify), ({ hub, subscribe }) => {
      this.hub = hub
      this.watch = subscribe(this.start)
    })
    return Effect.withFiberRuntime((fiber) => {
      if (!isTraced(fiber)) return subscribed
      const { operation } = this.plan
      const attributes = { "gen_ai.operation.name": operationNames[operation], "video.id": this.start.id }
      return Effect.flatMap(Effect.makeSpan("Videos.watch", { attributes, captureStackTrace: false }), (span) => {
        this.span = span
        return Effect.provideService(subscribed, Tracer.ParentSpan, span)
      })
    })
  }
}

/**
 * One job's updates. A Stream of a single Channel: each `unwrap` and each acquisition around it would cost every watch some
 * kilobytes for as long as it runs.
 */
export const watchOne = <R>(
  service: Effect.Effect<VideosService, never, R>,
  plan: Plan,
  start: Start
): Stream.Stream<VideoResource, WatchError, R> =>
  Stream.fromChannel(
    Channel.flatMap(Channel.fromEffect(service), (videos) => {
      const one = new One(videos, plan, start)
      const updates: Channel.Channel<
        Chunk.Chunk<VideoResource>,
        unknown,
        WatchError,
        unknown,
        void,
        unknown
      > = Channel.flatMap(Channel.fromEffect(one.next), (videos) =>
        videos === null ? Channel.void : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(videos)), () => updates)
      )
      return Channel.ensuringWith(updates, (exit) => one.close(exit))
    })
  )

/** One job's last snapshot. */
export const awaitOne = <E, R>(
  videos: VideosService,
  plan: Plan,
  start: Start,
  onUpdate: ((video: VideoResource) => Effect.Effect<unknown, E, R>) | undefined
): Effect.Effect<VideoResource, WatchError | E, R> =>
  Effect.suspend(() => {
    const one = new One(videos, plan, start)
    const last = (seen: VideoResource | null): Effect.Effect<VideoResource, WatchError | E, R> =>
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

// Read once: a tagged enum makes a new constructor for each access.
const { VideoChanged, VideoEnded, VideoLost } = VideoUpdate

/** The jobs of one `watchMany`, while it runs. */
class Many<E> {
  readonly watches = new Map<string, Watch>()
  /** There is something to take. */
  private readonly wakeUp = new WakeUp()
  /** A watch has ended, so that another may begin. */
  readonly room = new WakeUp()
  private ready: Array<Watch> = []
  /** How the input ended; `null` while more may come. */
  private input: Exit.Exit<unknown, E> | null = null

  readonly onReady = (watch: Watch): void => {
    if (watch.isReady) return
    watch.isReady = true
    this.ready.push(watch)
    this.wakeUp.notify()
  }

  /** No more jobs come. */
  endInput(exit: Exit.Exit<unknown, E>): void {
    this.input = exit
    this.wakeUp.notify()
  }

  /** What has come since the last time; fails with `None` once all jobs have ended and no more come. */
  readonly next: Effect.Effect<Chunk.Chunk<VideoUpdate>, Option.Option<E>> = Effect.suspend(() => {
    const { input, ready } = this
    this.ready = []
    const updates: Array<VideoUpdate> = []
    for (const watch of ready) {
      watch.isReady = false
      const { exit, lastSnapshot } = watch
      const { id } = watch.job
      for (const video of watch.drain()) {
        updates.push(isTerminal(video) ? VideoEnded({ id, video }) : VideoChanged({ id, video }))
      }
      if (exit === null) continue
      this.watches.delete(id)
      this.room.notify()
      if (Exit.isSuccess(exit)) continue
      const error = Cause.failureOption(exit.cause)
      // A schedule that threw is a bug of the program, and ends them all.
      if (Option.isNone(error)) return Effect.failCause(exit.cause as Cause.Cause<never>)
      updates.push(VideoLost({ id, error: error.value, lastSnapshot }))
    }
    if (updates.length > 0) return Effect.succeed(Chunk.unsafeFromArray(updates))
    if (input !== null && Exit.isFailure(input)) return Effect.failCause(Cause.map(input.cause, Option.some))
    if (input !== null && this.watches.size === 0) return Effect.fail(Option.none())
    return Effect.zipRight(this.wakeUp.wait, this.next)
  })
}

/** The updates of many jobs, also of those that `input` emits later. A job that is watched already is not watched twice. */
export const watchMany = <E, R>(
  videos: VideosService,
  plan: Plan,
  input: ReadonlyArray<Target> | Stream.Stream<Target, E, R>,
  concurrency: number
): Stream.Stream<VideoUpdate, E, R> => {
  const acquire = Effect.gen(function* () {
    const many = new Many<E>()
    const { hub, subscribe } = yield* subscriber(videos, plan, many.onReady)
    const begin = (target: Target): void => {
      const start = startOf(target)
      if (!many.watches.has(start.id)) many.watches.set(start.id, subscribe(start))
    }
    const leave = Effect.suspend(() => hub.release(many.watches.values()))
    if (!(Stream.StreamTypeId in input)) {
      for (const target of input) begin(target)
      many.endInput(Exit.void)
      return { many, leave }
    }
    const admit = (target: Target): Effect.Effect<void> =>
      Effect.suspend(() =>
        many.watches.size < concurrency || many.watches.has(startOf(target).id)
          ? Effect.succeed(begin(target))
          : Effect.zipRight(many.room.wait, admit(target))
      )
    // Without a watch of its own, it would wait for its input after the layer has closed.
    const feeder = yield* hub.whileOpen(Stream.runForEach(input, admit)).pipe(
      Effect.onExit((exit) => Effect.sync(() => many.endInput(exit))),
      Effect.interruptible,
      Effect.forkDaemon
    )
    return { many, leave: Effect.zipRight(Fiber.interrupt(feeder), leave) }
  })
  return Stream.fromChannel(
    Channel.acquireUseRelease(
      acquire,
      ({ many }) => Stream.toChannel(Stream.repeatEffectChunkOption(many.next)),
      ({ leave }) => leave
    )
  )
}
