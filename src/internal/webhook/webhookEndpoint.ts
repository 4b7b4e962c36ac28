/** The endpoint: reads the raw body up to a limit, handles the delivery, and responds with a status that the sender acts on. */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type { VerifiedWebhook } from "./verifyDelivery.js"
import type { VideoEvent } from "./webhookEvent.js"
import type { WebhookError, WebhooksService } from "./webhooksService.js"

const errorResponse = (
  status: number,
  code: string,
  message: string,
  headers = {}
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson({ error: { code, message } }, { status, headers })

const taken = HttpServerResponse.empty({ status: 204 })
const unreadable = errorResponse(400, "invalid_body", "the body is not an event")
// The response does not say what is wrong with a signature, because the sender may be guessing.
const unsigned = errorResponse(401, "invalid_signature", "the webhook is not accepted")
const notPost = errorResponse(405, "method_not_allowed", "only POST", { allow: "POST" })
const busy = errorResponse(409, "in_progress", "this message is being handled")
const tooLarge = errorResponse(413, "body_too_large", "the body is too large")
const failed = errorResponse(500, "handler_failed", "not handled, deliver it again")
const unavailable = errorResponse(503, "unavailable", "not now, deliver it again")

/** This many times the limit is read and dropped, so that the sender of an oversized body gets the response. */
const maxDropped = 16

const readBody = (request: HttpServerRequest.HttpServerRequest, limit: number) => {
  if (Number(request.headers["content-length"] ?? 0) > limit) return Effect.fail(tooLarge)
  const parts: Array<Uint8Array> = []
  return request.stream.pipe(
    Stream.runFoldWhile(
      0,
      (size) => size <= maxDropped * limit,
      (size, part) => {
        if (size + part.length <= limit) parts.push(part)
        return size + part.length
      }
    ),
    // The connection broke, or the request has no body.
    Effect.mapError(() => unreadable),
    Effect.filterOrFail(
      (size) => size <= limit,
      () => tooLarge
    ),
    Effect.flatMap(() => Effect.promise(() => new Blob(parts as Array<BlobPart>).arrayBuffer()))
  )
}

const refuse = (error: WebhookError): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  switch (error._tag) {
    // Any client can cause these, so they are not logged as warnings.
    case "WebhookSignatureError":
    case "WebhookTimestampError":
      return Effect.as(Effect.logDebug(error.message), unsigned)
    case "WebhookReplayError":
      return Effect.as(Effect.logDebug(error.message), error.reason === "seen" ? taken : busy)
    case "WebhookDecodeError":
      return Effect.as(Effect.logWarning(error.message), unreadable)
    case "WebhookStoreError":
      return Effect.as(Effect.logError(error.message), unavailable)
  }
}

export const makeHttpApp = <E, R>(
  webhooks: WebhooksService,
  handler: (event: VideoEvent, message: VerifiedWebhook) => Effect.Effect<unknown, E, R>,
  maxBodySize: number
): HttpApp.Default<never, R> =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (request.method !== "POST") return notPost
    const body = yield* readBody(request, maxBodySize)
    let messageId = ""
    // The handler's own error may have any tag, also one of this library: `Either.left` keeps the two apart.
    return yield* webhooks
      .handle({ headers: request.headers, body }, (event, message) => {
        messageId = message.messageId
        return Effect.mapError(handler(event, message), Either.left)
      })
      .pipe(
        Effect.as(taken),
        Effect.catchAll((error) => (Either.isEither(error) ? error : refuse(error))),
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause)
            ? Effect.interrupt
            : Effect.logError(
                "the handler of a webhook failed; the response asks its sender to deliver again",
                cause
              ).pipe(Effect.annotateLogs("webhook.id", messageId), Effect.as(failed))
        )
      )
  }).pipe(Effect.merge)
