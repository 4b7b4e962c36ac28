/** The live `VideosHttp`: budget, timeout, redirects, spans and retries around a transport, once for all transports. */
import * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { VideosConfigService } from "../config/configTypes.js"
import { failIfTruncated } from "../download/containerCheck.js"
import * as Errors from "../errors/errors.js"
import { monotonicMillis } from "../monotonicClock.js"
import { routeOf } from "../protocol/dialect.js"
import { makeBudget, type Outcome, withPermit } from "../rate/requestBudget.js"
import { clientTransport, discard, readBody } from "./clientTransport.js"
import { withTimeout, withUploadTimeouts } from "./deadline.js"
import type { VideosByteResponse, VideosCall, VideosHttpError, VideosHttpService, VideosResponse } from "./httpTypes.js"
import { makePrepare, redactedNames } from "./prepareRequest.js"
import { makeResponseReader } from "./readResponse.js"
import { makeSecrets } from "./redaction.js"
import { isRedirect, makeFollow } from "./redirects.js"
import { hadNoEffect, mayHaveMadeAJob } from "./responseError.js"
import { lengthOf, rangeOf } from "./responseHeaders.js"
import { policyOf, type RetryPolicy, retrying } from "./retryPolicy.js"
import { withHttpSpan } from "./spans.js"
import {
  isOk,
  type OpenResponse,
  type ResponseHead,
  type Send,
  type SendError,
  transportOf,
  type WholeResponse
} from "./transport.js"

/** The last response of an attempt, and its URL. */
interface Reached<A> {
  readonly response: A
  readonly url: string
}

/** @internal */
export const makeHttp = (config: VideosConfigService, httpClient: HttpClient.HttpClient): VideosHttpService => {
  const { baseUrl, limits } = config
  const { origin } = new URL(baseUrl)
  const secrets = makeSecrets(config)
  const reader = makeResponseReader(origin, secrets, limits)
  const prepare = makePrepare(config)
  const followed = makeFollow(config, reader.redactFor)
  const hiddenNames = redactedNames(config)
  const transport = transportOf(httpClient, clientTransport)
  const budget = makeBudget(config.budget)

  // ---------------------------------------------------------------------------
  // times
  // ---------------------------------------------------------------------------

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
    url: string = baseUrl
  ): Errors.RequestTimeoutError =>
    new Errors.RequestTimeoutError({
      operation,
      timeout,
      origin: new URL(url).origin,
      option,
      mayHaveActed: sending?.mayHaveActed ?? true
    })

  /** Bounds all attempts, and the waits before and between them. */
  const withTotalTimeout = <A, E>(call: VideosCall, self: Effect.Effect<A, E>) => {
    const given = call.options?.totalTimeout
    const timeout = given === undefined ? config.totalTimeout : Duration.decode(given)
    return withTimeout(self, timeout, () => expired(call, timeout, "totalTimeout"))
  }

  // ---------------------------------------------------------------------------
  // one attempt
  // ---------------------------------------------------------------------------

  /** Sends one request. One that follows a redirect has no span: its URL is often signed. */
  const exchange = <A extends ResponseHead>(
    call: VideosCall,
    send: Send<A>,
    request: HttpClientRequest.HttpClientRequest,
    isRedirected: boolean,
    timeout: Duration.Duration
  ): Effect.Effect<A, VideosHttpError> => {
    const { url } = request
    const { sending } = call
    const sent = Effect.mapError(
      send(request, {
        limits,
        timeout,
        isForeign: isRedirected && new URL(url).origin !== origin,
        onSend: () => {
          if (sending === undefined) return
          sending.mayHaveActed = true
          sending.acceptedHeaders = undefined
        },
        onHead: ({ headers, status }) => {
          if (sending !== undefined && isOk(status)) sending.acceptedHeaders = headers
        }
      }),
      (error) =>
        error._tag === "TimeoutException"
          ? expired(call, timeoutOf(call), "requestTimeout", url)
          : reader.transportError(call, error, url)
    )
    if (isRedirected) return sent
    const extra = call.options?.extraHeaders
    const names = extra === undefined ? hiddenNames : [...hiddenNames, ...Object.keys(extra)]
    return withHttpSpan(sent, request, names, reader.redactFor(call))
  }

  /** One attempt: sends the call's request and follows its redirects, all within one timeout. */
  const reach = <A extends ResponseHead>(
    call: VideosCall,
    send: Send<A>,
    timeout: Duration.Duration = timeoutOf(call)
  ): Effect.Effect<Reached<A>, VideosHttpError> =>
    Effect.clockWith((clock) => {
      const startedAt = monotonicMillis(clock)
      const left = () => Duration.subtract(timeout, Duration.millis(monotonicMillis(clock) - startedAt))
      const follow = (request: HttpClientRequest.HttpClientRequest, redirects: number) =>
        Effect.flatMap(
          exchange(call, send, request, redirects > 0, redirects === 0 ? timeout : left()),
          (response): Effect.Effect<Reached<A>, VideosHttpError> => {
            if (!isRedirect(response)) return Effect.succeed({ response, url: request.url })
            const { headers, status } = response
            return redirect(request, { status, location: headers["location"] }, redirects)
          }
        )
      const redirect = (
        from: HttpClientRequest.HttpClientRequest,
        to: { readonly status: number; readonly location: string | undefined },
        redirects: number
      ) => Effect.flatMap(followed(call, from, to, redirects), (request) => follow(request, redirects + 1))
      const request = prepare(call)
      // A URL in a job is followed like a redirect; the job itself came with a 200.
      return call.location === undefined
        ? follow(request, 0)
        : redirect(request, { status: 200, location: locationOf(call) }, 0)
    })

  /** The URL in a job, as an absolute one. A relative URL is a path of the API, so that the call's query belongs to it. */
  const locationOf = ({ location, options }: VideosCall): string | undefined => {
    if (location === undefined || /^[a-z][a-z0-9+.-]*:/i.test(location) || !URL.canParse(location, baseUrl)) {
      return location
    }
    const url = new URL(location, `${baseUrl}/`)
    if (url.origin === origin && url.search === "") {
      for (const [name, value] of Object.entries(options?.extraQuery ?? {})) url.searchParams.set(name, value)
    }
    return url.href
  }

  /** The timeout of a request with a file counts from the file's last byte. Until then the upload has to make progress. */
  const reachWithFile = (call: VideosCall): Effect.Effect<Reached<WholeResponse>, VideosHttpError> => {
    const { body } = call.request
    if (body._tag !== "Stream") return reach(call, transport.send)
    const idle = idleOf(call)
    const timeout = timeoutOf(call)
    return withUploadTimeouts<Reached<WholeResponse>, VideosHttpError>(
      body,
      {
        idle,
        response: timeout,
        onTimeout: (option) => expired(call, option === "idleTimeout" ? idle : timeout, option)
      },
      (counted) =>
        reach({ ...call, request: HttpClientRequest.setBody(call.request, counted) }, transport.send, Duration.infinity)
    )
  }

  const attempt = (call: VideosCall): Effect.Effect<VideosResponse, VideosHttpError> => {
    const request = Effect.suspend(() =>
      Effect.flatMap(reachWithFile(call), ({ response, url }) => reader.read(call, response, url))
    )
    const attempted = withPermit(budget, call.kind, request, outcomeOf)
    const { sending } = call
    return sending === undefined
      ? attempted
      : Effect.mapError(attempted, (error) => {
          if (hadNoEffect(error)) sending.mayHaveActed = false
          return error
        })
  }

  // ---------------------------------------------------------------------------
  // all attempts
  // ---------------------------------------------------------------------------

  /** A submission with its own record of whether it may have had an effect. */
  const tracked = (call: VideosCall): VideosCall => {
    const sending = call.sending ?? { mayHaveActed: false }
    sending.mayHaveActed = false
    return { ...call, sending }
  }

  /** An operation that the dialect leaves out is not sent. The URL in a job is not a route of the API. */
  const served = <A, E>(call: VideosCall, self: Effect.Effect<A, E>): Effect.Effect<A, E | VideosHttpError> =>
    call.location !== undefined || config.dialect.paths[call.route ?? routeOf(call.operation)] !== null
      ? withTotalTimeout(call, self)
      : Effect.fail(
          new Errors.OperationUnsupportedError({
            ...reader.contextOf(call, baseUrl),
            status: 0,
            detail: `the dialect \`${config.dialect.name}\` does not have it`
          })
        )

  const retried = <A>(
    call: VideosCall,
    self: Effect.Effect<A, VideosHttpError>,
    policy: RetryPolicy<VideosHttpError> = policyOf(config, call.kind)
  ): Effect.Effect<A, VideosHttpError> => (call.options?.singleAttempt === true ? self : retrying(self, policy))

  /** A deletion whose response was lost, and whose retry finds no job, has succeeded. */
  const remove = (call: VideosCall) =>
    Effect.suspend(() => {
      let isLost = false
      const recorded = Effect.tapError(attempt(call), (error) =>
        Effect.sync(() => {
          isLost ||= mayHaveRemoved(error)
        })
      )
      return Effect.catchTag(retried(call, recorded), "VideoNotFoundError", (error) =>
        isLost
          ? Effect.succeed({ status: error.status, headers: Headers.empty, requestId: error.requestId, body: null })
          : Effect.fail(error)
      )
    })

  // ---------------------------------------------------------------------------
  // downloads
  // ---------------------------------------------------------------------------

  /** Reads the body of an error status, and cancels that of a redirect, which may never come. */
  const openBytes: Send<OpenResponse | WholeResponse> = (request, options) =>
    Effect.timeout(
      Effect.flatMap(
        transport.open(request, options),
        (response): Effect.Effect<OpenResponse | WholeResponse, SendError> =>
          isRedirect(response)
            ? Effect.as(discard(response), response)
            : isOk(response.status)
              ? Effect.succeed(response)
              : readBody(response, limits)
      ),
      options.timeout
    )

  const attemptBytes = (call: VideosCall): Effect.Effect<VideosByteResponse, VideosHttpError> =>
    Effect.flatMap(reach(call, openBytes), ({ response, url }) =>
      "isTruncated" in response ? reader.downloadError(call, response, url) : handOver(call, response, url)
    )

  const handOver = (
    call: VideosCall,
    response: OpenResponse,
    url: string
  ): Effect.Effect<VideosByteResponse, VideosHttpError> => {
    const { headers, status } = response
    const { downloadBytes } = limits
    const range = status === 206 ? rangeOf(headers) : null
    const whole = status === 206 ? (range?.total ?? null) : lengthOf(headers)
    const onTooLong = () => reader.tooLong(call, response, url, downloadBytes)
    if (whole !== null && whole > downloadBytes) return Effect.zipRight(discard(response), Effect.failSync(onTooLong))
    const idle = idleOf(call)
    const limit = downloadBytes - (range?.start ?? 0)
    const stream = response.stream.pipe(
      Stream.mapError((error) => reader.transportError(call, error, url)),
      Stream.timeoutFail(() => expired(call, idle, "idleTimeout", url), idle),
      Stream.mapAccumEffect(0, (received, bytes) =>
        received + bytes.byteLength > limit
          ? Effect.failSync(onTooLong)
          : Effect.succeed([received + bytes.byteLength, bytes] as const)
      )
    )
    const { origin: host, route } = reader.contextOf(call, url)
    const truncated = (why: string) =>
      new Errors.TransportError({
        operation: call.operation,
        reason: "exchange",
        origin: host,
        detail: `the clip is truncated: ${why}`
      })
    // A callback that dies, or is interrupted, leaves no reader of the body. In a fiber of its own: this one is ending.
    const close = Effect.flatMap(Effect.forkDaemon(Effect.interruptible(discard(response))), Fiber.await)
    const notified = Effect.onError(reader.runOnResponse(call, response), () => close)
    return Effect.as(notified, {
      ...reader.metaOf(call, response),
      redact: reader.redactFor(call),
      route,
      stream: status === 200 ? failIfTruncated(stream, truncated) : stream
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
        const { mayRetry, ...policy } = policyOf(config, "submit")
        // Transports report a file that cannot be read as a connection that broke or that was never made.
        const sent = retried(submission, attempt(submission), {
          ...policy,
          mayRetry: (error) => failure() === null && mayRetry?.(error) === true
        })
        return served(
          submission,
          Effect.mapError(sent, (error) => failure() ?? error)
        )
      }),
    // A download releases its permit with its first byte, so that long ones do not hold up all other requests.
    stream: (call) => served(call, retried(call, withPermit(budget, call.kind, attemptBytes(call), outcomeOf))),
    budget: { snapshot: budget.snapshot }
  }
}

const noOutcome: Outcome = { status: null, retryAfter: null }

/** The status, if it is about the rate. A 429 for a used-up quota is not. */
const outcomeOf = (exit: Exit.Exit<unknown, VideosHttpError>): Outcome => {
  const error = Exit.isFailure(exit) ? Option.getOrNull(Cause.failureOption(exit.cause)) : null
  return error?._tag === "RateLimitedError" || error?._tag === "ServerError"
    ? { status: error.status, retryAfter: error.retryAfter ?? null }
    : noOutcome
}

const mayHaveRemoved = (error: VideosHttpError): boolean =>
  error._tag === "RequestTimeoutError" ||
  error._tag === "ResponseDecodeError" ||
  ((error._tag === "TransportError" || error._tag === "ServerError") && mayHaveMadeAJob(error))
