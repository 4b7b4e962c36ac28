/** The live page at `/`: its files and its data. Its requests have no faults and are not in the log. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { serveVariant } from "../content.js"
import { dialectOf } from "../dialects.js"
import { type EventParts, eventStream } from "../events.js"
import type { keyCheck } from "../keys.js"
import { type Refusal, refuse } from "../protocol.js"
import { protocolError } from "../shapes.js"
import { html, icon, script, style } from "./assets.js"

/** @internal */
export interface PageParts extends EventParts {
  readonly authorize: ReturnType<typeof keyCheck>
}

const pathOf = (url: string): string => url.replace(/[?#].*$/s, "")

/** Whether a request is for the page, not for the protocol. */
export const isPage = (url: string): boolean => {
  const path = pathOf(url)
  return path === "/" || path === "/_events" || path.startsWith("/_page/")
}

/** @internal */
export const pageApp = (parts: PageParts): HttpApp.Default<never, FileSystem.FileSystem> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    respond(parts, request).pipe(
      // The platform runs applications uninterruptibly; this lets a closed page interrupt its request.
      Effect.interruptible,
      Effect.catchAll((refusal) =>
        Effect.succeed(
          HttpServerResponse.unsafeJson(protocolError(refusal), {
            status: refusal.status,
            headers: refusal.headers ?? {}
          })
        )
      ),
      Effect.map(HttpServerResponse.setHeaders(guards))
    )
  )

// internal

/** Allows nothing of other hosts and nothing inline; `blob:` is for media that are requested with a key. */
const policy = [
  "default-src 'self'",
  "img-src 'self' blob:",
  "media-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

const guards = {
  "content-security-policy": policy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache"
}

/** Need no key: they contain no data of the server. */
const files: { readonly [path: string]: readonly [body: string, contentType: string] } = {
  "/": [html, "text/html; charset=utf-8"],
  "/_page/style.css": [style, "text/css; charset=utf-8"],
  "/_page/script.js": [script, "text/javascript; charset=utf-8"],
  "/_page/icon.svg": [icon, "image/svg+xml"]
}

/** Files and whole prompt of a job, equal for all dialects. */
const media = /^\/_page\/videos\/([^/]+)\/(video|poster|prompt)$/

const notThere = (path: string) => refuse(404, `Nothing is at ${path}.`, { code: "unknown_url" })

const respond = (
  parts: PageParts,
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  Refusal,
  FileSystem.FileSystem | HttpServerRequest.HttpServerRequest
> => {
  const { authorize, jobs, clipFiles } = parts
  const path = pathOf(request.url)
  if (request.method !== "GET" && request.method !== "HEAD") {
    return refuse(405, `${request.method} is not allowed here.`, {
      code: "method_not_allowed",
      headers: { allow: "GET, HEAD" }
    })
  }
  if (Object.hasOwn(files, path)) {
    const [body, contentType] = files[path] ?? ["", ""]
    return Effect.succeed(HttpServerResponse.text(body, { contentType }))
  }
  if (path === "/_events") {
    const stream = HttpServerResponse.stream(eventStream(parts), {
      contentType: "text/event-stream",
      // Otherwise proxies buffer the stream.
      headers: { "x-accel-buffering": "no" }
    })
    return Effect.as(authorize(request), stream)
  }
  const [, segment = "", variant = ""] = media.exec(path) ?? []
  if (variant === "") return notThere(path)
  return authorize(request).pipe(
    Effect.zipRight(Effect.try({ try: () => decodeURIComponent(segment), catch: () => notThere(path) })),
    Effect.flatMap(jobs.get),
    Effect.flatMap((job) =>
      variant === "prompt"
        ? Effect.succeed(HttpServerResponse.text(job.prompt))
        : serveVariant(job, variant === "video" ? "video" : "poster", dialectOf("openai"), clipFiles)
    )
  )
}
