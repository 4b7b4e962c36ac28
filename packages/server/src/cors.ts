/** CORS: which pages of other origins may call the server, and what they may read of its answers. */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"

/** What clients of the protocol read of an answer, beside what every page may. */
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

/** A preflight is answered before a key is asked for: browsers send none with it. Any header may be sent. */
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
      // Any other `OPTIONS` is a request like others.
      method === "OPTIONS" && headers["access-control-request-method"] === undefined ? app : allowed
    )
  }
}
