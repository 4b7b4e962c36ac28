/**
 * The short way of a call: a client that offers it is driven by callbacks, with no fiber, scope or stream per request. Such
 * a client is an `HttpClient` like any other; whoever wraps it (`HttpClient.mapRequest`) gets the long way, wrapper and all.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Limits } from "../config/configTypes.js"
import type { Restore } from "../rate/requestBudget.js"
import type { Countdown } from "./deadline.js"
import type { Answer } from "./responseBody.js"

/** Takes the outcome of one exchange; all but the first call of either does nothing. */
export interface Outcome {
  /** The request is about to be sent: its connection is made, as far as the client shows that. */
  sent(): void
  answer(answer: Answer): void
  /** No answer, or a successful one whose body broke off. */
  broke(cause: unknown): void
}

/** How a request is to be sent, beside what it says itself. */
export interface Way {
  /** The caller's: a client's options may be in it. */
  readonly context: Context.Context<never>
  /** To another origin than the server's own: a client's options add nothing that tells who asks. */
  readonly isForeign: boolean
  readonly limits: Limits
}

/** Sends a request with an empty body or one of bytes, follows no redirect, and gives what ends the exchange at once. */
export type Direct = (
  request: HttpClientRequest.HttpClientRequest,
  url: string,
  way: Way,
  outcome: Outcome
) => () => void

const directKey = Symbol.for("effect-videos/Direct")

/** The same client, marked: as an object of its own, because a client may be shared with those who want no mark on it. */
export const withDirect = (client: HttpClient.HttpClient, direct: Direct): HttpClient.HttpClient =>
  Object.create(client, { [directKey]: { value: direct } })

/** @internal */
export const directOf = (client: HttpClient.HttpClient): Direct | null =>
  (client as { readonly [directKey]?: Direct })[directKey] ?? null

/** What the short way can carry. */
export const isWhole = ({ body }: HttpClientRequest.HttpClientRequest): boolean =>
  body._tag === "Empty" || body._tag === "Uint8Array"

/** The bytes of such a body. */
export const bytesOf = ({ body }: HttpClientRequest.HttpClientRequest): Uint8Array | null =>
  body._tag === "Uint8Array" ? body.body : null

const urlOf = (request: HttpClientRequest.HttpClientRequest): Either.Either<string, unknown> =>
  // The base URL, a path of encoded segments and a redirect's URL have been through `URL` before.
  request.urlParams.length === 0 && request.hash._tag === "None"
    ? Either.right(request.url)
    : Either.map(UrlParams.makeUrl(request.url, request.urlParams, request.hash), ({ href }) => href)

/** What one exchange comes to; it is asked once. */
export interface Then<A, E> {
  sent(): void
  answered(answer: Answer): Effect.Effect<A, E>
  broke(cause: unknown): E
  timedOut(): E
}

/** A place in the budget, which an exchange holds until what follows from it is over. */
export interface Place<E> {
  /** `null` where it was to be had at once; else waits for it, as `Budget.acquire` does in an uninterruptible region. */
  take(restore: Restore): Effect.Effect<void> | null
  /** Once for each that was taken; `null` where nothing failed. */
  give(error: E | null): void
}

/** One exchange while it runs: what comes first ends it, an answer, a failure, the time or the caller. */
class Running<A, E> implements Outcome {
  private isOver = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private abort: (() => void) | undefined
  private resume: (outcome: Effect.Effect<A, E>) => void = () => {}
  private readonly next: Then<A, E>

  constructor(next: Then<A, E>) {
    this.next = next
  }

  begin(
    send: (outcome: Outcome) => () => void,
    millis: number | null,
    resume: (outcome: Effect.Effect<A, E>) => void
  ): void {
    this.resume = resume
    this.abort = send(this)
    if (!this.isOver && millis !== null) this.timer = setTimeout(() => this.expire(), millis)
  }

  sent(): void {
    if (!this.isOver) this.next.sent()
  }

  answer(answer: Answer): void {
    if (this.end()) this.resume(Effect.suspend(() => this.next.answered(answer)))
  }

  broke(cause: unknown): void {
    if (this.end()) this.resume(Effect.failSync(() => this.next.broke(cause)))
  }

  /** The caller wants nothing more; or has all that it wants. */
  leave(): void {
    if (this.end()) this.abort?.()
  }

  private expire(): void {
    if (!this.end()) return
    this.abort?.()
    this.resume(Effect.failSync(() => this.next.timedOut()))
  }

  private end(): boolean {
    if (this.isOver) return false
    this.isOver = true
    clearTimeout(this.timer)
    return true
  }
}

/**
 * One exchange and what follows from it, ended when the countdown is, where there is one, and aborted by interruption.
 * One uninterruptible region guards the request and its place in the budget: each region costs a call as much as a
 * decode.
 */
export const exchange = <A, E>(
  direct: Direct,
  request: HttpClientRequest.HttpClientRequest,
  countdown: Countdown | null,
  way: Way,
  then: Then<A, E>,
  place: Place<E> | null = null
): Effect.Effect<A, E> => {
  const url = urlOf(request)
  if (Either.isLeft(url)) return Effect.fail(then.broke(url.left))
  return Effect.uninterruptibleMask((restore) => {
    const running = new Running(then)
    const sent = Effect.async<A, E>((resume) =>
      running.begin((outcome) => direct(request, url.right, way, outcome), countdown?.left() ?? null, resume)
    )
    // What `Effect.async` does with a finalizer that is given to it, at half the cost.
    const guarded = Effect.matchCauseEffect(restore(sent), {
      onFailure: (cause) => {
        running.leave()
        place?.give(Option.getOrNull(Cause.failureOption(cause)))
        return Effect.failCause(cause)
      },
      onSuccess: (value) => {
        place?.give(null)
        return Effect.succeed(value)
      }
    })
    const waited = place?.take(restore) ?? null
    return waited === null ? guarded : Effect.zipRight(waited, guarded)
  })
}
