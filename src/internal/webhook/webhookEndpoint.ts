/**
 * The endpoint: reads the raw bytes within a bound, and turns what came of them into a status that a sender acts on.
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type { VideoEvent } from "./webhookEvent.js"
import type { VerifiedWebhook, WebhookError, WebhooksService } from "./webhookTypes.js"

// The response does not say what is wrong with a signature: the sender may be guessing.
const answers = {
  unreadable: { status: 400, code: "invalid_body", message: "the body is no event" },
  unsigned: { status: 401, code: "invalid_signature", message: "the webhook is not accepted" },
  method: { status: 405, code: "method_not_allowed", message: "only POST" },
  busy: { status: 409, code: "in_progress", message: "this message is being handled" },
  large: { status: 413, code: "body_too_large", message: "the body is too large" },
  failed: { status: 500, code: "handler_failed", message: "not handled, deliver it again" },
  unavailable: { status: 503, code: "unavailable", message: "not now, deliver it again" }
} as const

const answer = (name: keyof typeof answers): HttpServerResponse.HttpServerResponse => {
  const { code, message, status } = answers[name]
  const headers = name === "method" ? { allow: "POST" } : {}
  return HttpServerResponse.unsafeJson({ error: { code, message } }, { status, headers })
}

const taken = HttpServerResponse.empty({ status: 204 })

/** So much of an oversized body is read and dropped, times the limit, so that its sender gets to hear why. */
const patience = 16

const readBody = (
  request: HttpServerRequest.HttpServerRequest,
  limit: number
): Effect.Effect<Uint8Array, HttpServerResponse.HttpServerResponse> => {
  if (Number(request.headers["content-length"] ?? 0) > limit) return Effect.fail(answer("large"))
  const parts: Array<Uint8Array> = []
  return request.stream.pipe(
    Stream.runFoldWhile(
      0,
      (size) => size <= patience * limit,
      (size, part) => {
        if (size + part.length <= limit) parts.push(part)
        return size + part.length
      }
    ),
    // The connection broke, or there is no body at all.
    Effect.mapError(() => answer("unreadable")),
    Effect.flatMap((size) => {
      if (size > limit) return Effect.fail(answer("large"))
      const body = new Uint8Array(size)
      let offset = 0
      for (const part of parts) {
        body.set(part, offset)
        offset += part.length
      }
      return Effect.succeed(body)
    })
  )
}

const refuse = (error: WebhookError): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  switch (error._tag) {
    // Anyone can send these: not worth a warning.
    case "WebhookSignatureError":
    case "WebhookTimestampError":
      return Effect.as(Effect.logDebug(error.message), answer("unsigned"))
    case "WebhookReplayError":
      return Effect.as(Effect.logDebug(error.message), error.reason === "seen" ? taken : answer("busy"))
    case "WebhookDecodeError":
      return Effect.as(Effect.logWarning(error.message), answer("unreadable"))
    case "WebhookStoreError":
      return Effect.as(Effect.logError(error.message), answer("unavailable"))
  }
}

/** @internal */
export const makeHttpApp = <E, R>(
  webhooks: WebhooksService,
  handler: (event: VideoEvent, message: VerifiedWebhook) => Effect.Effect<unknown, E, R>,
  maxBodySize: number
): HttpApp.Default<never, R> =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (request.method !== "POST") return answer("method")
    const body = yield* readBody(request, maxBodySize)
    // The handler's own failure may carry any tag, ours too: `Either.left` marks it before the two are merged.
    const outcome = yield* webhooks
      .handle({ headers: request.headers, body }, (event, message) =>
        Effect.mapError(handler(event, message), Either.left)
      )
      .pipe(
        Effect.as(taken),
        Effect.catchAll((error) => (Either.isEither(error) ? error : refuse(error))),
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause)
            ? Effect.interrupt
            : Effect.logError("the handler of a webhook failed; its sender is told to deliver again", cause).pipe(
                // Genuine by now: nothing is handled before that.
                Effect.annotateLogs("webhook.id", request.headers["webhook-id"]),
                Effect.as(answer("failed"))
              )
        )
      )
    return outcome
  }).pipe(Effect.merge)
