/** Records the calls of a test `Videos`, and makes them fail. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { VideosService } from "../Videos.js"

/**
 * The operations, by their names in `Videos`.
 *
 * @since 0.1.0
 * @category models
 */
export type Method = Exclude<keyof VideosService, "state">

/** The first argument: a request, an id, or the options of a list. */
export type RequestOf<M extends Method> = Parameters<VideosService[M]>[0]

/** What the operation may fail with. */
export type ErrorOf<M extends Method> =
  ReturnType<VideosService[M]> extends Effect.Effect<infer _A, infer E> | Stream.Stream<infer _A, infer E> ? E : never

/**
 * A call of one operation.
 *
 * @since 0.1.0
 * @category models
 */
export type CallOf<M extends Method> = {
  readonly [K in M]: {
    readonly method: K
    /** The first argument: a request, an id, or the options of a list. */
    readonly request: RequestOf<K>
    /** When it began, in milliseconds of the `Clock`. */
    readonly at: number
    /** `interrupted`: by the caller, for example the poll of a watch whose last consumer has left. */
    readonly outcome: "pending" | "succeeded" | "failed" | "interrupted"
  }
}[M]

/**
 * One call of any operation, which `method` names.
 *
 * @since 0.1.0
 * @category models
 */
export type Call = CallOf<Method>

/**
 * When operations fail instead: each gets its request and how many calls of it there have been, from 1; `null` lets it through.
 *
 * @since 0.1.0
 * @category models
 */
export type Failures = {
  readonly [M in Method]?: (request: RequestOf<M>, count: number) => ErrorOf<M> | null
}

/** A service that keeps every call of another, and lets those fail that are to. */
export const makeRecorded = (
  service: VideosService,
  failures: Failures
): { readonly service: VideosService; readonly calls: () => ReadonlyArray<Call> } => {
  const calls: Array<Call> = []
  const counts = new Map<Method, number>()

  /** Keeps a call that begins; gives what is run at its end. */
  const begin = <M extends Method>(method: M, request: RequestOf<M>) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => {
      const call = { method, request, at, outcome: "pending" } as Call
      const index = calls.push(call) - 1
      const end = (exit: Exit.Exit<unknown, unknown>) =>
        Effect.sync(() => {
          const outcome = Exit.isSuccess(exit) ? "succeeded" : Exit.isInterrupted(exit) ? "interrupted" : "failed"
          calls[index] = { ...call, outcome }
        })
      const count = (counts.get(method) ?? 0) + 1
      counts.set(method, count)
      const failure: ErrorOf<M> | null = failures[method]?.(request, count) ?? null
      return Effect.succeed({ end, failure })
    })

  const run = <M extends Method, A>(
    method: M,
    request: RequestOf<M>,
    effect: Effect.Effect<A, ErrorOf<M>>
  ): Effect.Effect<A, ErrorOf<M>> =>
    Effect.flatMap(begin(method, request), ({ end, failure }) =>
      Effect.onExit(failure === null ? effect : Effect.fail(failure), end)
    )

  const stream = <M extends Method, A>(
    method: M,
    request: RequestOf<M>,
    elements: Stream.Stream<A, ErrorOf<M>>
  ): Stream.Stream<A, ErrorOf<M>> =>
    Stream.unwrap(
      Effect.map(begin(method, request), ({ end, failure }) =>
        Stream.ensuringWith(failure === null ? elements : Stream.fail(failure), end)
      )
    )

  return {
    calls: () => [...calls],
    service: {
      create: (request, options) => run("create", request, service.create(request, options)),
      extend: (request, options) => run("extend", request, service.extend(request, options)),
      edit: (request, options) => run("edit", request, service.edit(request, options)),
      remix: (request, options) => run("remix", request, service.remix(request, options)),
      createCharacter: (request, options) => run("createCharacter", request, service.createCharacter(request, options)),
      retrieveCharacter: (id, options) => run("retrieveCharacter", id, service.retrieveCharacter(id, options)),
      delete: (id, options) => run("delete", id, service.delete(id, options)),
      retrieve: (id, options) => run("retrieve", id, service.retrieve(id, options)),
      listPages: (options) => stream("listPages", options, service.listPages(options)),
      content: (id, options) => stream("content", id, service.content(id, options))
    }
  }
}
