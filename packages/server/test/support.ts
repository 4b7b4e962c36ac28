/** Helpers for the tests of the embedded server: plain requests without the library's client. */
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { VideosServer } from "@effect-videos/server"
import { Effect, Layer } from "effect"

export const fixture = (name: string) => fileURLToPath(new URL(`../../../test/fixtures/media/${name}`, import.meta.url))

/** Options that complete every job at once. */
export const instant = { queueTime: 0, runTime: 0 } as const

export type Json = { readonly [name: string]: unknown }

export interface TestResponse {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Uint8Array
  /** The body if it is a JSON object, else an empty object. */
  readonly json: Json
}

const objectOf = (text: string): Json => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? (value as Json) : {}
  } catch {
    return {}
  }
}

/** Sends a request to the server without a socket. */
export const send = (path: string, init?: RequestInit): Effect.Effect<TestResponse, never, VideosServer> =>
  Effect.flatMap(VideosServer, ({ baseUrl, fetch }) =>
    Effect.promise(async () => {
      const response = await fetch(path.startsWith("http") ? path : `${baseUrl}${path}`, init)
      const bytes = new Uint8Array(await response.arrayBuffer())
      const { headers, status } = response
      return { status, headers, bytes, json: objectOf(new TextDecoder().decode(bytes)) }
    })
  )

export const post = (path: string, body: unknown) =>
  send(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })

export const postForm = (path: string, fields: { readonly [name: string]: string | File }) => {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  return send(path, { method: "POST", body: form })
}

export const remove = (path: string) => send(path, { method: "DELETE" })

const textOf = (json: Json, name: string): string => {
  const value = json[name]
  if (typeof value !== "string") throw new Error(`no ${name} in ${JSON.stringify(json)}`)
  return value
}

export const idOf = ({ json }: TestResponse): string => textOf(json, "id")

/** Creates a small clip and returns its id. */
export const make = (fields: Json = {}): Effect.Effect<string, never, VideosServer> =>
  Effect.map(post("/videos", { prompt: "a lighthouse at dusk", size: "64x64", ...fields }), idOf)

/** Returns the error of a response in the format of the protocol. */
export const errorOf = ({ json }: TestResponse): Json => (typeof json.error === "object" ? (json.error as Json) : {})

/** Returns the ids on a list. */
export const idsOf = ({ json }: TestResponse): ReadonlyArray<unknown> =>
  Array.isArray(json.data) ? json.data.map((item: Json) => item.id) : []

/** Encodes a path segment. */
export const segment = encodeURIComponent

/** Gives the layer its own folder for temporary files; `tmpdir()` returns it. */
export const inOwnFolder = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.unwrapScoped(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const before = process.env.TMPDIR
        const folder = await fs.mkdtemp(join(tmpdir(), "server-test-"))
        process.env.TMPDIR = folder
        return { before, folder }
      }),
      ({ before, folder }) =>
        Effect.promise(async () => {
          if (before === undefined) delete process.env.TMPDIR
          else process.env.TMPDIR = before
          await fs.rm(folder, { recursive: true, force: true })
        })
    ).pipe(Effect.as(layer))
  )
