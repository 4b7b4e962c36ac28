/** The live `VideosHttp`: one request, its redirects, its time-out, its failures; then retries around the whole. */
import * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { VideosConfigService } from "../config/configTypes.js"
import { withIdleTimeout, withLimit } from "../download/byteStream.js"
import { lengthOf, rangeOf } from "../download/rangeHeaders.js"
import * as Errors from "../errors/errors.js"
import { makeBudget, type Outcome, type Restore, withPermit } from "../rate/requestBudget.js"
import { discard, makeTransmit, type Passage, readBody, readError } from "./clientTransport.js"
import { Countdown, timerOf, withDeadline } from "./deadline.js"
import type { VideosByteResponse, VideosCall, VideosHttpError, VideosHttpService, VideosResponse } from "./httpTypes.js"
import { makePrepare, makeWithQuery, redactedNames } from "./prepareRequest.js"
import { makeAnswers, type Whereabouts } from "./readResponse.js"
import { makeSecrets } from "./redaction.js"
import { type Head, leadsAway, nextHop } from "./redirects.js"
import { type Answer, isOk } from "./responseBody.js"
import { hadNoEffect, mayHaveMadeAJob } from "./responseError.js"
import { retrying } from "./retryPolicy.js"
import { type Hidden, isListenedTo, spanned } from "./spans.js"
import { type Direct, directOf, exchange, isWhole, type Place, type Then } from "./transport.js"
import { withPatience } from "./uploadBody.js"

/** One way of sending: it follows no redirect, and goes on with the answer. A hop to a redirect's URL has no span of its own. */
type Send<A> = <B>(
  request: HttpClientRequest.HttpClientRequest,
  isHop: boolean,
  next: (answer: A) => Effect.Effect<B, VideosHttpError>
) => Effect.Effect<B, VideosHttpError>

/** @internal */
export const makeHttp = (config: VideosConfigService, httpClient: HttpClient.HttpClient): VideosHttpService => {
  const origin = new URL(config.baseUrl).origin
  const secrets = makeSecrets(config)
  const { scrub } = secrets
  const { limits } = config
  const answers = makeAnswers(origin, secrets, limits)
  const prepare = makePrepare(config)
  const locate = makeWithQuery(config)
  const names = redactedNames(config)
  const transmit = makeTransmit(httpClient)
  const direct = directOf(httpClient)
  const budget = makeBudget(config.budget)

  /** Within the budget: waiting for a place is no part of the request's time-out, and a retry waits anew. */
  const permitted = <A>(call: VideosCall, self: Effect.Effect<A, VideosHttpError>): Effect.Effect<A, VideosHttpError> =>
    Effect.suspend(() => {
      let outcome = fine
      const told = Effect.mapError(self, (error) => {
        outcome = outcomeOf(error)
        return error
      })
      return withPermit(budget, { kind: call.kind, key: call.videoId ?? null }, told, () => outcome)
    })

  /** Goes on with an answer to `from`, which `hops` have led to: where it leads, or with what it says. */
  const follow = <A extends Head, B>(
    call: VideosCall,
    send: Send<A>,
    read: (answer: A) => Effect.Effect<B, VideosHttpError>,
    from: HttpClientRequest.HttpClientRequest,
    hops: number,
    answer: A,
    at: Whereabouts
  ): Effect.Effect<B, VideosHttpError> =>
    leadsAway(answer)
      ? hop(call, send, read, from, hops, { status: answer.status, location: answer.headers["location"] }, at)
      : read(answer)

  const hop = <A extends Head, B>(
    call: VideosCall,
    send: Send<A>,
    read: (answer: A) => Effect.Effect<B, VideosHttpError>,
    from: HttpClientRequest.HttpClientRequest,
    hops: number,
    to: { readonly status: number; readonly location: string | undefined },
    at: Whereabouts
  ): Effect.Effect<B, VideosHttpError> =>
    Effect.flatMap(nextHop(call, from, to, hops, scrub, locate), (request) => {
      at.url = request.url
      return send(request, true, (answer) => follow(call, send, read, request, hops + 1, answer, at))
    })

  /** The URL in a job, as an absolute one. A relative URL is a path of the API, so that the call's query belongs to it. */
  const locationOf = ({ location, options }: VideosCall): string | undefined => {
    if (location === undefined || /^[a-z][a-z0-9+.-]*:/i.test(location) || !URL.canParse(location, config.baseUrl)) {
      return location
    }
    const url = new URL(location, `${config.baseUrl}/`)
    if (url.origin === origin && url.search === "") {
      for (const [name, value] of Object.entries(options?.extraQuery ?? {})) url.searchParams.set(name, value)
    }
    return url.href
  }

  /** Sends a call, follows where its answers lead, and reads the last one. */
  const open = <A extends Head, B>(
    call: VideosCall,
    send: Send<A>,
    read: (answer: A) => Effect.Effect<B, VideosHttpError>,
    at: Whereabouts
  ): Effect.Effect<B, VideosHttpError> => {
    const request = prepare(call)
    // A URL in a job is followed like a redirect; the job itself came with a 200.
    return call.location === undefined
      ? send(request, false, (answer) => follow(call, send, read, request, 0, answer, at))
      : hop(call, send, read, request, 0, { status: 200, location: locationOf(call) }, at)
  }

  const clientFailed = (call: VideosCall, at: Whereabouts) => (error: HttpClientError.HttpClientError) =>
    answers.broke(call, error.cause ?? error, at)

  const timeoutOf = ({ kind, options }: VideosCall): Duration.Duration =>
    options?.timeout !== undefined
      ? Duration.decode(options.timeout)
      : kind === "submit"
        ? (config.submitTimeout ?? config.requestTimeout)
        : config.requestTimeout

  const idleOf = ({ options }: VideosCall): Duration.Duration =>
    options?.idleTimeout === undefined ? config.idleTimeout : Duration.decode(options.idleTimeout)

  const expired = (
    { operation, sending }: VideosCall,
    timeout: Duration.Duration,
    option: Errors.RequestTimeoutError["option"],
    at: Whereabouts = home
  ): Errors.RequestTimeoutError =>
    new Errors.RequestTimeoutError({
      operation,
      timeout,
      origin: answers.originAt(at),
      option,
      mayHaveActed: sending?.mayHaveActed ?? true
    })

  const timedOut = (call: VideosCall, at: Whereabouts) => expired(call, timeoutOf(call), "requestTimeout", at)

  const timed = <A>(call: VideosCall, at: Whereabouts, self: Effect.Effect<A, VideosHttpError>) =>
    withDeadline(self, timeoutOf(call), () => timedOut(call, at))

  /** All tries, and the waits before and between them. */
  const inAll = <A, E>(call: VideosCall, self: Effect.Effect<A, E>) => {
    const given = call.options?.totalTimeout
    const timeout = given === undefined ? config.totalTimeout : Duration.decode(given)
    return withDeadline(self, timeout, () => expired(call, timeout, "totalTimeout"))
  }

  /** What the spans of a call may show. */
  const hiddenOf = ({ options }: VideosCall): Hidden => ({
    names: options?.extraHeaders === undefined ? names : [...names, ...Object.keys(options.extraHeaders)],
    scrub
  })

  const passage = (
    call: VideosCall,
    request: HttpClientRequest.HttpClientRequest,
    isHop: boolean,
    at: Whereabouts
  ): Passage => ({
    isHop,
    isForeign: isHop && new URL(request.url).origin !== origin,
    hidden: hiddenOf(call),
    tell: clientFailed(call, at)
  })

  /** The long way: any client, any body. */
  const viaClient = (call: VideosCall, at: Whereabouts): Effect.Effect<Answer, VideosHttpError> => {
    const send: Send<Answer> = (request, isHop, next) => {
      const sent = Effect.suspend(() => {
        markSent(call)
        return transmit(request, passage(call, request, isHop, at))
      })
      const answered = Effect.flatMap(sent, (response) => readBody(response, limits))
      return Effect.flatMap(Effect.mapError(answered, clientFailed(call, at)), next)
    }
    return Effect.suspend(() => open(call, send, Effect.succeed, at))
  }

  /** The time of a request with a file counts from the file's last byte: before that, all that is asked is that it gets on. */
  const viaUpload = (
    call: VideosCall,
    body: HttpBody.Stream,
    at: Whereabouts
  ): Effect.Effect<Answer, VideosHttpError> =>
    withPatience<Answer, VideosHttpError>(
      body,
      {
        idle: idleOf(call),
        answer: timeoutOf(call),
        onTimeout: (option) => (option === "idleTimeout" ? expired(call, idleOf(call), option) : timedOut(call, at))
      },
      (counted) => viaClient({ ...call, request: HttpClientRequest.setBody(call.request, counted) }, at)
    )

  /** One exchange of the short way. What a redirect leads to is sent from the same place, and at the end of the same time. */
  const exchanged = <A>(
    call: VideosCall,
    direct: Direct,
    request: HttpClientRequest.HttpClientRequest,
    isHop: boolean,
    fiber: Fiber.RuntimeFiber<unknown, unknown>,
    countdown: Countdown | null,
    at: Whereabouts,
    answered: (answer: Answer) => Effect.Effect<A, VideosHttpError>
  ): Effect.Effect<A, VideosHttpError> => {
    const isForeign = isHop && new URL(request.url).origin !== origin
    return exchange(
      direct,
      request,
      countdown,
      { context: fiber.currentContext, isForeign, limits },
      {
        sent: () => markSent(call),
        answered,
        broke: (cause) => answers.broke(call, cause, at),
        timedOut: () => timedOut(call, at)
      }
    )
  }

  /** The short way of most calls: nobody listens, and the clock is the live one. One object for all that may come of it. */
  class Turn implements Then<VideosResponse, VideosHttpError>, Place<VideosHttpError>, Whereabouts {
    url: string | null = null
    private readonly call: VideosCall
    private readonly direct: Direct
    private readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
    private readonly countdown: Countdown
    private readonly request: HttpClientRequest.HttpClientRequest

    constructor(call: VideosCall, direct: Direct, fiber: Fiber.RuntimeFiber<unknown, unknown>, countdown: Countdown) {
      this.call = call
      this.direct = direct
      this.fiber = fiber
      this.countdown = countdown
      this.request = prepare(call)
    }

    begin(): Effect.Effect<VideosResponse, VideosHttpError> {
      const way = { context: this.fiber.currentContext, isForeign: false, limits }
      return exchange(this.direct, this.request, this.countdown, way, this, this)
    }

    take(restore: Restore): Effect.Effect<void> | null {
      const clock = Context.get(this.fiber.currentDefaultServices, Clock.Clock)
      return budget.take(clock) ? null : budget.acquire(this.call.kind, this.call.videoId ?? null, restore)
    }

    give(error: VideosHttpError | null): void {
      budget.release(error === null ? fine : outcomeOf(error))
    }

    sent(): void {
      markSent(this.call)
    }

    answered(answer: Answer): Effect.Effect<VideosResponse, VideosHttpError> {
      const { call, countdown, direct, fiber, request } = this
      if (!leadsAway(answer)) return answers.read(call, answer, this)
      const send: Send<Answer> = (next, isHop, then) =>
        exchanged(call, direct, next, isHop, fiber, countdown, this, then)
      return follow(call, send, (last) => answers.read(call, last, this), request, 0, answer, this)
    }

    broke(cause: unknown): VideosHttpError {
      return answers.broke(this.call, cause, this)
    }

    timedOut(): VideosHttpError {
      return timedOut(this.call, this)
    }
  }

  /** The short way. A bare timer ends it, where the clock is the live one. */
  const viaDirect = (call: VideosCall, direct: Direct): Effect.Effect<VideosResponse, VideosHttpError> =>
    Effect.withFiberRuntime((fiber) => {
      const millis = timerOf(fiber, timeoutOf(call))
      const countdown = millis === null ? null : new Countdown(millis)
      if (countdown !== null && call.location === undefined && !isListenedTo(fiber)) {
        return new Turn(call, direct, fiber, countdown).begin()
      }
      const at: Whereabouts = { url: null }
      const sendBy =
        (inner: Fiber.RuntimeFiber<unknown, unknown>): Send<Answer> =>
        (request, isHop, next) => {
          if (isHop || !isListenedTo(inner)) return exchanged(call, direct, request, isHop, inner, countdown, at, next)
          const answered = exchanged<Answer>(call, direct, request, isHop, inner, countdown, at, Effect.succeed)
          return Effect.flatMap(spanned(answered, request, inner, hiddenOf(call)), next)
        }
      const read = (answer: Answer) => answers.read(call, answer, at)
      if (countdown !== null) return permitted(call, open(call, sendBy(fiber), read, at))
      const answer = Effect.withFiberRuntime<Answer, VideosHttpError>((inner) =>
        open(call, sendBy(inner), Effect.succeed, at)
      )
      return permitted(call, Effect.flatMap(timed(call, at, answer), read))
    })

  const sent = (call: VideosCall): Effect.Effect<VideosResponse, VideosHttpError> =>
    Effect.suspend(() => {
      const { body } = call.request
      const at: Whereabouts = { url: null }
      const answer = body._tag === "Stream" ? viaUpload(call, body, at) : timed(call, at, viaClient(call, at))
      return Effect.flatMap(answer, (whole) => answers.read(call, whole, at))
    })

  /** One try. */
  const attempt = (call: VideosCall): Effect.Effect<VideosResponse, VideosHttpError> => {
    const tried = direct !== null && isWhole(call.request) ? viaDirect(call, direct) : permitted(call, sent(call))
    const { sending } = call
    return sending === undefined
      ? tried
      : Effect.mapError(tried, (error) => {
          if (hadNoEffect(error)) sending.mayHaveActed = false
          return error
        })
  }

  /** A submission, with what is known of its effect. Nothing of it is sent yet. */
  const tracked = (call: VideosCall): VideosCall => {
    if (call.kind !== "submit") return call
    const sending = call.sending ?? { mayHaveActed: false }
    sending.mayHaveActed = false
    return { ...call, sending }
  }

  /** What the preset says the server does not serve is not asked for. The URL in a job is no route of the API. */
  const served = <A, E>(call: VideosCall, self: Effect.Effect<A, E>): Effect.Effect<A, E | VideosHttpError> =>
    call.location !== undefined || config.preset.operations.includes(call.operation)
      ? inAll(call, self)
      : Effect.fail(
          new Errors.OperationUnsupportedError({
            ...answers.asked(call, home),
            status: 0,
            detail: `the preset \`${config.preset.name}\` leaves it out`
          })
        )

  const retried = <A>(
    call: VideosCall,
    self: Effect.Effect<A, VideosHttpError>,
    mayRetry: (error: VideosHttpError) => boolean = call.kind === "submit" ? maySendAgain : Errors.isTransient
  ): Effect.Effect<A, VideosHttpError> =>
    call.options?.retry === false
      ? self
      : retrying(self, {
          schedule: call.kind === "submit" ? config.submitRetry : config.readRetry,
          while: mayRetry,
          maxRetryAfter: config.maxRetryAfter
        })

  /** A deletion whose answer was lost, and that then finds nothing to delete, has been done. */
  const remove = (call: VideosCall) =>
    Effect.suspend(() => {
      let lost = false
      return retried(
        call,
        Effect.tapError(attempt(call), (error) =>
          Effect.sync(() => {
            lost ||= error._tag === "RequestTimeoutError" || error._tag === "ResponseDecodeError" || mayHaveActed(error)
          })
        )
      ).pipe(
        Effect.catchTag("VideoNotFoundError", (error) =>
          lost
            ? Effect.succeed({ status: error.status, headers: Headers.empty, requestId: error.requestId, body: null })
            : Effect.fail(error)
        )
      )
    })

  const openBytes = (call: VideosCall): Effect.Effect<VideosByteResponse, VideosHttpError> =>
    Effect.suspend(() => {
      const at: Whereabouts = { url: null }
      const send: Send<HttpClientResponse.HttpClientResponse> = (request, isHop, next) =>
        Effect.flatMap(
          Effect.mapError(transmit(request, passage(call, request, isHop, at)), clientFailed(call, at)),
          (response) => (leadsAway(response) ? Effect.zipRight(discard(response), next(response)) : next(response))
        )
      return timed(
        call,
        at,
        Effect.suspend(() => open(call, send, (response) => handOver(call, response, at), at))
      )
    })

  const handOver = (
    call: VideosCall,
    response: HttpClientResponse.HttpClientResponse,
    at: Whereabouts
  ): Effect.Effect<VideosByteResponse, VideosHttpError> => {
    const { headers, status } = response
    if (!isOk(status)) {
      return Effect.flatMap(readError(response, limits), ({ text }) =>
        Effect.zipRight(answers.seen(call, response), answers.refused(call, status, headers, text, at))
      )
    }
    const { downloadBytes } = limits
    const range = status === 206 ? rangeOf(headers) : null
    const whole = status === 206 ? (range?.total ?? null) : lengthOf(headers)
    const tooMuch = () => answers.tooMuch(call, response, `it is too long (more than ${downloadBytes} bytes)`, at)
    if (whole !== null && whole > downloadBytes) return Effect.zipRight(discard(response), Effect.failSync(tooMuch))
    const idle = idleOf(call)
    const coming = withIdleTimeout(Stream.mapError(response.stream, clientFailed(call, at)), idle, () =>
      expired(call, idle, "idleTimeout", at)
    )
    return Effect.as(answers.seen(call, response), {
      status,
      headers,
      requestId: answers.requestId(headers),
      scrub,
      route: answers.asked(call, at).route,
      stream: withLimit(coming, {
        limit: downloadBytes - (range?.start ?? 0),
        onTooLong: tooMuch,
        isWhole: status === 200,
        onTruncated: (why) => {
          const detail = `the clip is cut short: ${why}`
          return new Errors.TransportError({
            operation: call.operation,
            reason: "exchange",
            origin: answers.originAt(at),
            detail
          })
        }
      })
    })
  }

  return {
    execute: (call) => {
      if (call.kind === "remove") return served(call, remove(call))
      if (call.kind === "read") return served(call, retried(call, attempt(call)))
      return Effect.suspend(() => {
        const submission = tracked(call)
        return served(submission, retried(submission, attempt(submission)))
      })
    },
    upload: (call, { body, failure }) =>
      Effect.suspend(() => {
        const submission = tracked({ ...call, request: HttpClientRequest.setBody(call.request, body) })
        const sent = retried(
          submission,
          attempt(submission),
          // A file that fails to read looks like a connection that broke, or, by its code, like one that was never made.
          (error) => failure() === null && maySendAgain(error)
        )
        return served(
          submission,
          Effect.mapError(sent, (error) => failure() ?? error)
        )
      }),
    // A download gives its place back with its first byte: many long ones would keep everybody else waiting.
    stream: (call) => served(call, retried(call, permitted(call, openBytes(call)))),
    budget
  }
}

/** Nothing has led away from the API's own origin. */
const home: Whereabouts = { url: null }

/** An exchange that says nothing about pace. */
const fine: Outcome = { status: null, retryAfter: null }

/** What the budget is to know of a failure: too many requests slow everybody down, an empty account does not. */
const outcomeOf = (error: VideosHttpError): Outcome =>
  error._tag === "RateLimitedError" || error._tag === "ServerError"
    ? { status: error.status, retryAfter: error.retryAfter ?? null }
    : fine

const mayHaveActed = (error: VideosHttpError): boolean =>
  (error._tag === "TransportError" || error._tag === "ServerError") && mayHaveMadeAJob(error)

const markSent = ({ sending }: VideosCall): void => {
  if (sending !== undefined) sending.mayHaveActed = true
}

/** Only what certainly had no effect; a 409 may be the server saying that it has the first try already. */
const maySendAgain = (error: VideosHttpError): boolean => {
  switch (error._tag) {
    case "TransportError":
    case "ServerError":
      return error.isTransient && hadNoEffect(error)
    case "RequestTimeoutError":
      return !error.mayHaveActed
    case "RateLimitedError":
      return error.isTransient
    default:
      return false
  }
}
