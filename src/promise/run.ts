/** Runs Effects as Promises and Streams as AsyncIterables. A signal, an early exit and `close` interrupt their fibers. */
import * as Cause from "effect/Cause"
import type * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/**
 * `close` was called, before this call or while it was on its way.
 *
 * @since 0.1.0
 * @category errors
 */
export class VideosClosedError extends Data.TaggedError("VideosClosedError") {
  override get message() {
    return "these videos are closed: make new ones with `makeVideos`"
  }
}

type Run = Fiber.RuntimeFiber<unknown, unknown>

/** Interrupts it; there once it has ended. */
const stopped = (run: Run): Promise<unknown> => Effect.runPromise(Fiber.interrupt(run))

const done: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** What a Promise rejects with: the error itself, as it was constructed. Only `close` interrupts unasked. */
const reasonOf = (cause: Cause.Cause<unknown>): unknown =>
  Cause.isInterruptedOnly(cause) ? new VideosClosedError() : Cause.squash(cause)

/**
 * The elements of an AsyncIterable. At the end its `return` is called, and not awaited: a generator that waits would return only
 * when it continues, which may be never.
 */
export const streamOf = <A>(iterable: AsyncIterable<A>): Stream.Stream<A, unknown> =>
  Stream.unwrapScoped(
    Effect.acquireRelease(
      Effect.sync(() => iterable[Symbol.asyncIterator]()),
      (iterator) => Effect.sync(() => void iterator.return?.().then(undefined, () => {}))
    ).pipe(
      Effect.map((iterator) =>
        Stream.repeatEffectOption(
          Effect.flatMap(
            Effect.tryPromise({ try: async () => iterator.next(), catch: Option.some }),
            ({ done, value }) => (done === true ? Effect.fail(Option.none()) : Effect.succeed(value))
          )
        )
      )
    )
  )

/** What each signal ends. It has one listener while there is anything, however much that is: Node warns of more than ten. */
const endedBy = new WeakMap<AbortSignal, { readonly aborts: Set<() => void>; readonly listener: () => void }>()

const listenTo = (signal: AbortSignal) => {
  const aborts = new Set<() => void>()
  const listener = () => {
    for (const abort of aborts) abort()
  }
  signal.addEventListener("abort", listener)
  const ended = { aborts, listener }
  endedBy.set(signal, ended)
  return ended
}

/** Calls `abort` once the signal is aborted; gives what takes that back. */
const onAbort = (signal: AbortSignal, abort: () => void): (() => void) => {
  const { aborts, listener } = endedBy.get(signal) ?? listenTo(signal)
  aborts.add(abort)
  return () => {
    aborts.delete(abort)
    if (aborts.size > 0) return
    if (endedBy.get(signal)?.listener === listener) endedBy.delete(signal)
    signal.removeEventListener("abort", listener)
  }
}

/** @internal */
export class Runner<R, ER> {
  private readonly runtime: ManagedRuntime.ManagedRuntime<R, ER>
  private readonly runs = new Set<Run>()
  private closed: Promise<void> | null = null

  constructor(runtime: ManagedRuntime.ManagedRuntime<R, ER>) {
    this.runtime = runtime
  }

  /** Starts a fiber. `settle` gets the reason of an abort, or the exit: the first of the two counts. */
  private start<A, E>(
    effect: Effect.Effect<A, E, R>,
    signal: AbortSignal | undefined,
    settle: (exit: Exit.Exit<A, unknown>) => void
  ): Run | null {
    if (this.closed !== null || signal?.aborted === true) {
      settle(Exit.fail(this.closed === null ? signal?.reason : new VideosClosedError()))
      return null
    }
    const run = this.runtime.runFork(effect)
    const abort = () => {
      settle(Exit.fail(signal?.reason))
      run.unsafeInterruptAsFork(run.id())
    }
    this.runs.add(run)
    const forget = signal === undefined ? () => {} : onAbort(signal, abort)
    run.addObserver((exit) => {
      this.runs.delete(run)
      forget()
      settle(exit)
    })
    return run
  }

  run<A, E>(effect: Effect.Effect<A, E, R>, signal: AbortSignal | undefined): Promise<A> {
    return new Promise((resolve, reject) => {
      this.start(effect, signal, (exit) => (Exit.isSuccess(exit) ? resolve(exit.value) : reject(reasonOf(exit.cause))))
    })
  }

  /** Runs the Stream for each time that it is iterated. It is pulled when an element is wanted, and not before. */
  iterate<A, E>(stream: Stream.Stream<A, E, R>, signal: AbortSignal | undefined): AsyncIterable<A> {
    return { [Symbol.asyncIterator]: () => this.iterator(stream, signal) }
  }

  iterator<A, E>(
    stream: Stream.Stream<A, E, R>,
    signal: AbortSignal | undefined
  ): Required<Pick<AsyncIterator<A, undefined>, "next" | "return">> {
    type Waiter = {
      readonly give: (result: IteratorResult<A, undefined>) => void
      readonly fail: (reason: unknown) => void
    }
    const waiters: Array<Waiter> = []
    const wanted = Effect.unsafeMakeLatch(false)
    let run: Run | null = null
    let end: Exit.Exit<unknown, unknown> | null = null

    const take = (chunk: Chunk.Chunk<A>) => {
      for (const value of chunk) waiters.shift()?.give({ done: false, value })
      if (waiters.length === 0) wanted.unsafeClose()
    }
    const finish = (exit: Exit.Exit<unknown, unknown>) => {
      if (end !== null) return
      end = exit
      for (const waiter of waiters.splice(0)) last(waiter)
    }
    /** The end as `next` returns it: an error once. */
    const last = ({ fail, give }: Waiter) => {
      const exit = end
      end = Exit.void
      if (exit === null || Exit.isSuccess(exit)) give(done)
      else fail(reasonOf(exit.cause))
    }
    const pulled = Effect.scoped(
      Effect.flatMap(Stream.toPull(Stream.rechunk(stream, 1)), (pull) =>
        Effect.forever(Effect.zipRight(wanted.await, Effect.map(pull, take)))
      )
    ).pipe(Effect.catchAll((error) => (Option.isNone(error) ? Effect.void : Effect.fail(error.value))))

    return {
      next: () =>
        new Promise((give, fail) => {
          if (end !== null) return last({ give, fail })
          waiters.push({ give, fail })
          wanted.unsafeOpen()
          run ??= this.start(pulled, signal, finish)
        }),
      return: async () => {
        finish(Exit.void)
        if (run !== null) await stopped(run)
        return done
      }
    }
  }

  /** Ends everything that is on its way, and then what it stands on. */
  close(): Promise<void> {
    this.closed ??= Promise.all(Array.from(this.runs, stopped)).then(() => this.runtime.dispose())
    return this.closed
  }
}
