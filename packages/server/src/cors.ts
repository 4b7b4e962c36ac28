/** CORS: which pages of other origins can call the server, and which response headers they can read. */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"

/** Response headers that clients of the protocol read, besides those that CORS always exposes. */
const exposedHeaders = [
  "accept-ranges",
  "content-disposition",
  "content-encoding",
  "content-range",
  "date",
  "etag",
  "idempotent-replayed",
  "location",
  "openai-poll-after-ms",
  "retry-after",
  "retry-after-ms",
  "x-request-id",
  "x-should-retry"
]

/** Adds CORS headers. A preflight needs no API key, because browsers send none with it. All request headers are allowed. */
export const withCors = (
  origins: boolean | ReadonlyArray<string>
): (<E, R>(app: HttpApp.Default<E, R>) => HttpApp.Default<E, R>) => {
  if (origins === false || (origins !== true && origins.length === 0)) return (app) => app
  const cors = HttpMiddleware.cors({
    allowedOrigins: origins === true ? [] : (origin) => origins.includes(origin),
    allowedMethods: ["GET", "HEAD", "POST", "PUT", "DELETE"],
    exposedHeaders,
    maxAge: 600
  })
  return (app) => {
    const allowed = cors(app)
    return Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers, method }) =>
      // An `OPTIONS` request without this header is not a preflight.
      method === "OPTIONS" && headers["access-control-request-method"] === undefined ? app : allowed
    )
  }
}
