/** The live `VideosHttp`: one request, its redirects, its time-out, its failures; then retries around the whole. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Errors from "../Errors.js"
import type {
  VideosByteResponse,
  VideosCall,
  VideosConfigService,
  VideosHttpError,
  VideosHttpService,
  VideosResponse
} from "../Http.js"
import { withDeadline } from "./deadline.js"
import { encodeBody } from "./encode.js"
import { looksLikeHtml, maxDetail } from "./errorBody.js"
import { type Asked, mayHaveMadeAJob, requestIdOf, toError } from "./failure.js"
import { retrying } from "./retry.js"
import { makeSecrets, parseJson } from "./secrets.js"
import { isListenedTo } from "./tracing.js"
import { diagnose } from "./transport.js"
import { version } from "./version.js"

/** More of a failing answer than this is not read: an error page may be of any size. */
const maxErrorBody = 64 * 1024

/** As `fetch` has it, less a few; no server of the family redirects more than twice. */
const maxRedirects = 5

const isRedirect = (status: number): boolean =>
  status === 0 || status === 301 || status === 302 || status === 303 || status === 307 || status === 308

const headersOf = (config: VideosConfigService): Headers.Headers =>
  Headers.fromInput({
    accept: "application/json",
    "user-agent": `effect-videos/${version}`,
    ...Option.match(config.apiKey, {
      onNone: () => ({}),
      onSome: (key): Record<string, string> =>
        config.preset.authHeader === "api-key"
          ? { "api-key": Redacted.value(key) }
          : { authorization: `Bearer ${Redacted.value(key)}` }
    }),
    ...Option.match(config.organization, { onNone: () => ({}), onSome: (id) => ({ "openai-organization": id }) }),
    ...Option.match(config.project, { onNone: () => ({}), onSome: (id) => ({ "openai-project": id }) }),
    ...Object.fromEntries(
      Object.entries(config.headers).map(([name, value]) => [
        name,
        typeof value === "string" ? value : Redacted.value(value)
      ])
    )
  })

/** What is wanted of a body, and nothing about who wants it. */
const impersonal = ["accept-encoding", "range", "if-range"] as const

/** The same request, anywhere else: nothing that tells who asks goes along. */
const anonymous = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.modify(HttpClientRequest.get(request.url), {
    headers: {
      accept: request.headers.accept ?? "*/*",
      "user-agent": `effect-videos/${version}`,
      ...Object.fromEntries(
        impersonal.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, request.headers[name]]]))
      )
    }
  })

/** @internal */
export const makeHttp = (config: VideosConfigService, httpClient: HttpClient.HttpClient): VideosHttpService => {
  const origin = new URL(config.baseUrl).origin
  const { clean, scrub } = makeSecrets(config)
  const requestId = (headers: Headers.Headers) => requestIdOf(headers, scrub)
  const identity = headersOf(config)
  const redactedNames = [
    ...Object.keys(config.headers),
    "openai-organization",
    "openai-project",
    "idempotency-key",
    "api-key",
    "location"
  ]

  const traced = HttpClient.withTracerPropagation(httpClient, false)
  const untraced = HttpClient.withTracerDisabledWhen(httpClient, () => true)

  const exchangeBroke = (call: VideosCall, cause: unknown): Errors.TransportError => {
    const { detail, reason } = diagnose(cause)
    const told = scrub(detail)
    return new Errors.TransportError({
      operation: call.operation,
      reason,
      origin,
      detail: told,
      // A cause that names the key stays behind, and so does a client's own error: it holds the request, headers and all.
      ...(cause instanceof Error && told === detail && !HttpClientError.isHttpClientError(cause) ? { cause } : {})
    })
  }

  const sendFailed =
    (call: VideosCall) =>
    (error: HttpClientError.HttpClientError): VideosHttpError =>
      exchangeBroke(call, error.cause ?? error)

  // `fetch` follows redirects by itself and takes `x-api-key` and its kin along: it is told not to.
  const manual = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.mapInputContext(effect, (context: Context.Context<never>) =>
      Context.add(context, FetchHttpClient.RequestInit, {
        ...(context.unsafeMap.get(FetchHttpClient.RequestInit.key) as RequestInit | undefined),
        redirect: "manual"
      })
    )

  /** A redirect's URL is often signed, so that who has it has the clip: a hop has no span of its own. */
  const transmit = (
    call: VideosCall,
    request: HttpClientRequest.HttpClientRequest,
    isHop: boolean
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, VideosHttpError> =>
    Effect.withFiberRuntime<HttpClientResponse.HttpClientResponse, VideosHttpError>((fiber) =>
      Effect.mapError(
        manual(
          !isHop && isListenedTo(fiber)
            ? Effect.locallyWith(traced.execute(request), Headers.currentRedactedNames, (names) => [
                ...names,
                ...redactedNames
              ])
            : untraced.execute(request)
        ),
        sendFailed(call)
      )
    )

  /** Ends an exchange whose body nobody wants, so that its connection does not wait for the garbage collector. */
  const discard = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
    Effect.ignore(Stream.runHead(response.stream))

  const follow = (
    call: VideosCall,
    from: HttpClientRequest.HttpClientRequest,
    response: HttpClientResponse.HttpClientResponse,
    hops: number
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, VideosHttpError> => {
    const { status } = response
    const location = response.headers.location
    if (!isRedirect(status) || (location === undefined && status !== 0)) return Effect.succeed(response)
    return Effect.zipRight(discard(response), hop(call, from, { status, location }, hops))
  }

  /** To where an answer points: a redirect's `Location`, or a URL in the job. */
  const hop = (
    call: VideosCall,
    from: HttpClientRequest.HttpClientRequest,
    { location, status }: { readonly status: number; readonly location: string | undefined },
    hops: number
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, VideosHttpError> => {
    const refuse = (reason: Errors.RedirectError["reason"], to: string) =>
      Effect.fail(new Errors.RedirectError({ operation: call.operation, status, reason, location: scrub(to) }))
    if (location === undefined) return refuse("opaque", "an unknown place")
    const at = new URL(from.url)
    let to: URL
    try {
      to = new URL(location, at)
    } catch {
      return refuse("scheme", "what is no URL")
    }
    const shown = `${to.protocol}//${to.host}${to.pathname}`
    if (call.kind !== "read") return refuse("submission", shown)
    if (to.protocol !== "http:" && to.protocol !== "https:") return refuse("scheme", to.protocol)
    if (at.protocol === "https:" && to.protocol === "http:") return refuse("downgrade", shown)
    if (hops >= maxRedirects) return refuse("loop", shown)
    // Its query is the location's own: what was asked for before is not added to it.
    const moved = HttpClientRequest.setHeaders(HttpClientRequest.get(to.href), from.headers)
    const next = to.origin === at.origin ? moved : anonymous(moved)
    return Effect.flatMap(transmit(call, next, true), (answer) => follow(call, next, answer, hops + 1))
  }

  const prepare = (call: VideosCall): HttpClientRequest.HttpClientRequest => {
    const { options, request } = call
    const headers = Headers.merge(identity, request.headers)
    const prepared = HttpClientRequest.modify(HttpClientRequest.setUrl(request, config.baseUrl + request.url), {
      headers: options?.extraHeaders === undefined ? headers : Headers.setAll(headers, options.extraHeaders)
    })
    const asked =
      options?.extraQuery === undefined ? prepared : HttpClientRequest.setUrlParams(prepared, options.extraQuery)
    return call.body === undefined ? asked : HttpClientRequest.setBody(asked, encodeBody(call.body, config.preset))
  }

  const asked = (call: VideosCall): Asked => ({
    operation: call.operation,
    route: `${call.request.method} ${call.request.url}`,
    origin,
    scrub,
    videoId: call.videoId ?? null
  })

  const seen = (call: VideosCall, meta: { readonly status: number; readonly headers: Headers.Headers }) => {
    const onResponse = call.options?.onResponse
    return onResponse === undefined ? Effect.void : onResponse({ ...meta, requestId: requestId(meta.headers) })
  }

  const unreadable = (call: VideosCall, status: number, headers: Headers.Headers, text: string) => {
    const body = scrub(text).slice(0, maxDetail)
    const what =
      text === "" ? "it is empty" : looksLikeHtml(text) ? "it is an HTML page; is the base URL right?" : "it is no JSON"
    return new Errors.ResponseDecodeError({
      ...asked(call),
      status,
      requestId: requestId(headers),
      reason: "syntax",
      detail: `${what} (${text.length} characters)`,
      body
    })
  }

  /** At most `maxErrorBody` bytes of a failing answer, whatever its length; a body that breaks off is read as far as it came. */
  const errorText = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<string> =>
    Effect.suspend(() => {
      const decoder = new TextDecoder()
      let text = ""
      let bytes = 0
      return Stream.runForEachWhile(response.stream, (chunk) =>
        Effect.sync(() => {
          bytes += chunk.byteLength
          text += decoder.decode(chunk, { stream: true })
          return bytes < maxErrorBody
        })
      ).pipe(
        Effect.ignore,
        Effect.map(() => text)
      )
    })

  const refused = (
    call: VideosCall,
    status: number,
    headers: Headers.Headers,
    body: string
  ): Effect.Effect<never, VideosHttpError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(toError(asked(call), { status, headers, body }, now)))

  const open = (call: VideosCall): Effect.Effect<HttpClientResponse.HttpClientResponse, VideosHttpError> =>
    Effect.suspend(() => {
      const request = prepare(call)
      // A URL in a job is followed like a redirect; the job itself came with a 200.
      if (call.location !== undefined) return hop(call, request, { status: 200, location: call.location }, 0)
      return Effect.flatMap(transmit(call, request, false), (response) => follow(call, request, response, 0))
    })

  const readJson = (
    call: VideosCall,
    response: HttpClientResponse.HttpClientResponse
  ): Effect.Effect<VideosResponse, VideosHttpError> => {
    const { headers, status } = response
    const answer = (body: unknown): VideosResponse => ({ status, headers, requestId: requestId(headers), body })
    if (status >= 200 && status < 300) {
      return Effect.flatMap(
        Effect.mapError(response.text, (error) => exchangeBroke(call, error.cause ?? error)),
        (text) => {
          const body = parseJson(text)
          const result = Option.isSome(body)
            ? Effect.succeed(answer(clean(text, body.value)))
            : Effect.fail(unreadable(call, status, headers, text))
          return Effect.zipRight(seen(call, { status, headers }), result)
        }
      )
    }
    return Effect.flatMap(errorText(response), (text) => {
      const body = call.isAnswer === undefined ? Option.none() : Option.filter(parseJson(text), call.isAnswer)
      return Effect.zipRight(
        seen(call, { status, headers }),
        Option.isSome(body) ? Effect.succeed(answer(clean(text, body.value))) : refused(call, status, headers, text)
      )
    })
  }

  /** What the preset says the server does not serve is not asked for. */
  const served = <A, E>(call: VideosCall, self: Effect.Effect<A, E>): Effect.Effect<A, E | VideosHttpError> =>
    config.preset.operations.includes(call.operation)
      ? self
      : Effect.fail(
          new Errors.OperationUnsupportedError({
            ...asked(call),
            status: 0,
            detail: `the preset \`${config.preset.name}\` leaves it out`
          })
        )

  /** A deletion whose answer was lost, and that then finds nothing to delete, has been done. */
  const remove = (call: VideosCall, attempt: Effect.Effect<VideosResponse, VideosHttpError>) =>
    Effect.suspend(() => {
      let lost = false
      return bounded(
        call,
        Effect.tapError(attempt, (error) =>
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

  const bounded = <A>(
    call: VideosCall,
    attempt: Effect.Effect<A, VideosHttpError>,
    mayRetry: (error: VideosHttpError) => boolean = call.kind === "submit" ? maySendAgain : Errors.isTransient
  ): Effect.Effect<A, VideosHttpError> => {
    const timeout = call.options?.timeout === undefined ? config.requestTimeout : Duration.decode(call.options.timeout)
    const timed = withDeadline(
      attempt,
      timeout,
      () => new Errors.RequestTimeoutError({ operation: call.operation, timeout, origin })
    )
    if (call.options?.retry === false) return timed
    return retrying(timed, {
      schedule: call.kind === "submit" ? config.submitRetry : config.readRetry,
      while: mayRetry,
      maxRetryAfter: config.maxRetryAfter
    })
  }

  const exchange = (call: VideosCall) => Effect.flatMap(open(call), (response) => readJson(call, response))

  return {
    execute: (call) =>
      served(call, call.kind === "remove" ? remove(call, exchange(call)) : bounded(call, exchange(call))),
    upload: (call, { body, failure }) =>
      served(
        call,
        Effect.mapError(
          bounded(
            call,
            exchange({ ...call, request: HttpClientRequest.setBody(call.request, body) }),
            // A file that fails to read looks like a connection that broke, or, by its code, like one that was never made.
            (error) => failure() === null && maySendAgain(error)
          ),
          (error) => failure() ?? error
        )
      ),
    stream: (call) =>
      served(
        call,
        bounded(
          call,
          Effect.flatMap(open(call), (response): Effect.Effect<VideosByteResponse, VideosHttpError> => {
            const { headers, status } = response
            if (status < 200 || status >= 300) {
              return Effect.flatMap(errorText(response), (text) =>
                Effect.zipRight(seen(call, { status, headers }), refused(call, status, headers, text))
              )
            }
            return Effect.as(seen(call, { status, headers }), {
              status,
              headers,
              requestId: requestId(headers),
              scrub,
              stream: Stream.mapError(response.stream, (error) => exchangeBroke(call, error.cause ?? error))
            })
          })
        )
      )
  }
}

const mayHaveActed = (error: VideosHttpError): boolean =>
  (error._tag === "TransportError" || error._tag === "ServerError") && mayHaveMadeAJob(error)

/** Only what certainly had no effect; a 409 may be the server saying that it has the first try already. */
const maySendAgain = (error: VideosHttpError): boolean => {
  switch (error._tag) {
    case "TransportError":
    case "ServerError":
      return error.isTransient && !mayHaveMadeAJob(error)
    case "RateLimitedError":
      return error.isTransient
    default:
      return false
  }
}
