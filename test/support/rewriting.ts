/** In-memory model of a server on the test clock. It rewrites the jobs on its list, and loses responses by a script. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Clock, type ConfigError, Effect, Layer } from "effect"
import { Videos, type VideosConfigOptions } from "effect-videos"
import { quiet, respondBroken } from "./videos.js"

/** Job on the server, with the `Idempotency-Key` of the call that made it, or `null` for another process. */
export interface Made {
  readonly id: string
  readonly key: string | null
  /** Milliseconds of the test clock. */
  readonly at: number
  /** The job as the list shows it. */
  fields: { readonly [name: string]: unknown }
  /** Milliseconds until the list shows the job, and until it stops showing it. */
  readonly lag: number
  removedAfter: number
  /** Whether `GET` returns the job after the list has dropped it. */
  readonly isReadable: boolean
}

/** Result of one POST. `lost`: the client gets no response, whether a job was made or not. */
export interface Fate {
  readonly makes: boolean
  readonly responds: boolean
  /** Milliseconds until the job is made. The response is sent or lost `takes` milliseconds after the request. */
  readonly after?: number
  readonly takes?: number
  readonly lag?: number
  readonly removedAfter?: number
  readonly isReadable?: boolean
  /** Fields of the job besides those of the request. */
  readonly made?: { readonly [name: string]: unknown }
  /** Fields on the list that differ from the request and the response. */
  readonly listed?: { readonly [name: string]: unknown }
}

export interface ModelOptions {
  /** Returns the result of the POST with this index. */
  readonly fate: (index: number, body: { readonly [name: string]: unknown }) => Fate
  /** Milliseconds by which the server's clock, and the `Date` header, are ahead. */
  readonly skew?: number
  readonly date?: "same" | "right" | "none"
  /** Maximum number of jobs on a page, for every `limit`. */
  readonly maxPage?: number
  readonly order?: "newest" | "oldest"
  readonly hasMore?: boolean
  /** Ids of the jobs, in order. Default: `video_1`, `video_2` and so on. */
  readonly id?: (count: number) => string
}

export interface Model {
  readonly jobs: Array<Made>
  /** Idempotency keys of all POSTs. */
  readonly posts: Array<string>
  readonly requests: Array<string>
  /** Adds a job of another process that was made in the past. */
  readonly elsewhere: (fields: { readonly [name: string]: unknown }, ago?: number) => Effect.Effect<Made>
  readonly layer: (options?: VideosConfigOptions) => Layer.Layer<Videos, ConfigError.ConfigError>
}

export const makeModel = (options: ModelOptions): Model => {
  const { date = "same", fate, id: idOf = (count) => `video_${count}`, skew = 0 } = options
  const jobs: Array<Made> = []
  const posts: Array<string> = []
  const requests: Array<string> = []
  let count = 0

  const add = (key: string | null, fields: Made["fields"], at: number, more: Partial<Fate>) => {
    const { isReadable = false, lag = 0, removedAfter = Infinity } = more
    const id = idOf(++count)
    const created_at = Math.floor((at + skew) / 1000)
    const made: Made = {
      id,
      key,
      at,
      fields: {
        object: "video",
        status: "queued",
        progress: 0,
        ...fields,
        id,
        created_at: fields.created_at ?? created_at
      },
      lag,
      removedAfter,
      isReadable
    }
    jobs.push(made)
    return made
  }

  const json = (body: unknown, now: number, status = 200) => {
    const at = new Date(date === "right" ? now : now + skew).toUTCString()
    return new Response(JSON.stringify(body), {
      status,
      headers: { "content-type": "application/json", ...(date === "none" ? {} : { date: at }) }
    })
  }

  const shownAt = ({ at, lag, removedAfter }: Made, now: number) => now >= at + lag && now < at + removedAfter

  const client = HttpClient.make((request) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const url = new URL(request.url)
      requests.push(`${request.method} ${url.pathname}`)
      const respond = (body: unknown, status = 200) =>
        Effect.map(Clock.currentTimeMillis, (at) => HttpClientResponse.fromWeb(request, json(body, at, status)))
      if (request.method === "POST") {
        const text = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : "{}"
        const body: { readonly [name: string]: unknown } = JSON.parse(text)
        const key = request.headers["idempotency-key"] ?? ""
        const {
          after = 0,
          listed = {},
          made: beside,
          makes,
          responds,
          takes = after,
          ...more
        } = fate(posts.push(key) - 1, body)
        const make = Effect.map(Clock.currentTimeMillis, (at) => {
          const made = add(key, { ...body, ...beside }, at, more)
          const response = made.fields
          made.fields = { ...response, ...listed }
          return response
        })
        // The job is made even if the client has disconnected.
        if (makes && !responds) yield* Effect.forkDaemon(Effect.delay(make, after))
        if (!responds) return yield* Effect.delay(respondBroken(request, "ECONNRESET"), takes)
        return yield* Effect.flatMap(Effect.delay(make, after), respond)
      }
      const id = url.pathname.split("/")[3]
      const shown = jobs.filter((job) => shownAt(job, now)).sort((a, b) => a.at - b.at)
      if (request.method === "DELETE") return yield* respond({ id, object: "video.deleted", deleted: true })
      if (id !== undefined) {
        const found = jobs.find((job) => job.id === id && (job.isReadable || now < job.at + job.removedAfter))
        return yield* found === undefined
          ? respond({ error: { message: `Video ${id} not found` } }, 404)
          : respond(found.fields)
      }
      if (options.order !== "oldest") shown.reverse()
      const data = shown.slice(0, options.maxPage ?? 1000).map(({ fields }) => fields)
      return yield* respond({ object: "list", data, has_more: options.hasMore ?? false })
    })
  )

  return {
    jobs,
    posts,
    requests,
    elsewhere: (fields, ago = 0) =>
      Effect.map(Clock.currentTimeMillis, (now) => add(null, { ...fields }, now - ago, {})),
    layer: (videos = {}) =>
      Layer.merge(
        Videos.layer({ baseUrl: "http://videos.invalid/v1", ...videos }).pipe(
          Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
        ),
        quiet
      )
  }
}

/** Ways in which servers rewrite a prompt. */
export const rewritings: { readonly [name: string]: (prompt: string) => string | null } = {
  "as sent": (prompt) => prompt,
  "truncated at 255 characters": (prompt) => prompt.slice(0, 255),
  "truncated at 64 characters": (prompt) => prompt.slice(0, 64),
  "truncated with an ellipsis": (prompt) => (prompt.length > 40 ? `${prompt.slice(0, 40)}…` : prompt),
  "truncated with three dots": (prompt) => (prompt.length > 50 ? `${prompt.slice(0, 47)}...` : prompt),
  "expanded if it is short": (prompt) =>
    prompt.split(/\s+/).length < 12 ? `${prompt}, cinematic light, shot on film, highly detailed` : prompt,
  "replaced by an enhanced one": (prompt) =>
    prompt.length < 80 ? "A slow, dreamlike shot of a distant place" : prompt,
  "escaped for HTML": (prompt) => prompt.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;"),
  "escaped for JSON": (prompt) => JSON.stringify(prompt).slice(1, -1),
  "escaped for a URL": (prompt) => encodeURIComponent(prompt),
  NFC: (prompt) => prompt.normalize("NFC"),
  NFD: (prompt) => prompt.normalize("NFD"),
  NFKC: (prompt) => prompt.normalize("NFKC"),
  "white space collapsed": (prompt) => prompt.replace(/\s+/g, " ").trim(),
  "in lower case": (prompt) => prompt.toLowerCase(),
  "masked in part": (prompt) => prompt.replace(/[A-Za-z]{6,}/g, "***"),
  masked: () => "***",
  translated: (prompt) => `un ${prompt.length} chat`,
  empty: () => "",
  dropped: () => null
}
