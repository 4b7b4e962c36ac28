/**
 * Measures the upload and download of 256 MB over loopback: time, and additional memory of the process. Compares with the
 * `openai` package, bare `fetch` and bare undici. The server runs in a separate process, and each case in a new one; the cases
 * alternate. Every case syncs a downloaded file to disk. Quote ratios, because machines differ.
 *
 *   npx tsx bench/transfer.ts
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { createReadStream, createWriteStream, openAsBlob, readFileSync, writeFileSync } from "node:fs"
import { mkdtemp, open, rm, stat } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { fileURLToPath } from "node:url"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type { HttpClient } from "@effect/platform/HttpClient"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Undici from "@effect/platform-node/Undici"
import { Effect, Layer } from "effect"
import { extendVideo, VideoFile, Videos } from "effect-videos"
import { downloadVideoToFile } from "effect-videos/Transfer"
import OpenAI from "openai"

const MB = 1024 * 1024
const size = 256 * MB
/** Transfer before the measurement, which loads and compiles the code. */
const warmUp = 16 * MB
const rounds = 2

// -----------------------------------------------------------------------------
// the server: counts and drops uploads, generates downloads
// -----------------------------------------------------------------------------

const serve = () => {
  const block = Buffer.alloc(MB, "effect-videos ")
  const job = JSON.stringify({ id: "video_1", object: "video", status: "queued" })
  const server = createServer(async (request, response) => {
    if (request.method === "POST") {
      let bytes = 0
      request.on("data", (chunk: Buffer) => (bytes += chunk.byteLength))
      await once(request, "end")
      response.writeHead(bytes > warmUp ? 200 : 400, { "content-type": "application/json" }).end(job)
      return
    }
    // `GET /v1/videos/{bytes}/content`
    const length = Number(request.url?.split("/")[3])
    response.writeHead(200, { "content-type": "video/mp4", "content-length": length, etag: `"${length}"` })
    for (let sent = 0; sent < length; sent += block.byteLength) {
      if (!response.write(block)) await once(response, "drain")
    }
    response.end()
  })
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port))
  process.once("disconnect", () => process.exit(0))
}

// -----------------------------------------------------------------------------
// the cases
// -----------------------------------------------------------------------------

interface Task {
  readonly baseUrl: string
  /** File to read or to write. */
  readonly path: string
  readonly bytes: number
}

type Case = (task: Task) => Promise<unknown>

const ours = (client: Layer.Layer<HttpClient>) => ({
  upload: ({ baseUrl, path }: Task) =>
    VideoFile.fromPath(path, { name: "clip.mp4" }).pipe(
      Effect.flatMap((video) => extendVideo({ video, prompt: "on", seconds: 8 })),
      Effect.provide([Videos.layer({ baseUrl }).pipe(Layer.provide(client)), NodeContext.layer]),
      Effect.runPromise
    ),
  download: ({ baseUrl, bytes, path }: Task) =>
    downloadVideoToFile(String(bytes), path).pipe(
      Effect.provide([Videos.layer({ baseUrl }).pipe(Layer.provide(client)), NodeContext.layer]),
      Effect.runPromise
    )
})

const onUndici = ours(NodeHttpClient.layerUndici)
const onFetch = ours(FetchHttpClient.layer)
const openai = ({ baseUrl }: Task) => new OpenAI({ apiKey: "none", baseURL: baseUrl })

const save = async (body: ReadableStream<Uint8Array> | null, path: string) => {
  if (body === null) throw new Error("no body")
  // The stream types of the web and of Node are declared separately.
  await pipeline(
    Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]),
    createWriteStream(path, { flush: true })
  )
}

const form = async (path: string) => {
  const body = new FormData()
  body.set("prompt", "on")
  body.set("seconds", "8")
  body.set("video", await openAsBlob(path, { type: "video/mp4" }), "clip.mp4")
  return body
}

const head =
  '--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\non\r\n' +
  '--b\r\ncontent-disposition: form-data; name="seconds"\r\n\r\n8\r\n' +
  '--b\r\ncontent-disposition: form-data; name="video"; filename="clip.mp4"\r\ncontent-type: video/mp4\r\n\r\n'
const tail = "\r\n--b--\r\n"

async function* byHand(path: string) {
  yield Buffer.from(head)
  yield* createReadStream(path, { highWaterMark: MB })
  yield Buffer.from(tail)
}

const cases: { readonly [direction in "upload" | "download"]: { readonly [name: string]: Case } } = {
  upload: {
    "effect-videos on undici": onUndici.upload,
    "effect-videos on fetch": onFetch.upload,
    openai: (task) =>
      openai(task).videos.extend({ video: createReadStream(task.path), prompt: "on", seconds: "8" }, { maxRetries: 0 }),
    "bare fetch": async ({ baseUrl, path }) =>
      (await fetch(`${baseUrl}/videos/extensions`, { method: "POST", body: await form(path) })).json(),
    "bare undici": async ({ baseUrl, bytes, path }) => {
      const { body } = await Undici.request(`${baseUrl}/videos/extensions`, {
        method: "POST",
        headers: {
          "content-type": "multipart/form-data; boundary=b",
          "content-length": String(head.length + bytes + tail.length)
        },
        body: Readable.from(byHand(path), { objectMode: false, highWaterMark: MB })
      })
      return body.json()
    }
  },
  download: {
    "effect-videos on undici": onUndici.download,
    "effect-videos on fetch": onFetch.download,
    openai: async (task) => save((await openai(task).videos.downloadContent(String(task.bytes))).body, task.path),
    "bare fetch": async ({ baseUrl, bytes, path }) =>
      save((await fetch(`${baseUrl}/videos/${bytes}/content`)).body, path),
    "bare undici": async ({ baseUrl, bytes, path }) =>
      pipeline(
        (await Undici.request(`${baseUrl}/videos/${bytes}/content`)).body,
        createWriteStream(path, { flush: true })
      )
  }
}

// -----------------------------------------------------------------------------
// one case, in this process
// -----------------------------------------------------------------------------

/** Linux records the peak and can reset it; on other systems this samples the memory. */
const watchMemory = () => {
  const before = process.memoryUsage.rss()
  let peak = before
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 2)
  let exact = true
  try {
    writeFileSync("/proc/self/clear_refs", "5")
  } catch {
    exact = false
  }
  return () => {
    clearInterval(timer)
    const kept = exact ? /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] : undefined
    return (Math.max(peak, Number(kept ?? 0) * 1024) - before) / MB
  }
}

const measure = async (direction: "upload" | "download", name: string, baseUrl: string, folder: string) => {
  const run = cases[direction][name]
  if (run === undefined) throw new Error(`no case ${name}`)
  const task = (bytes: number) => ({ baseUrl, bytes, path: `${folder}/${direction === "upload" ? bytes : "got"}` })
  await run(task(warmUp))
  await rm(`${folder}/got`, { force: true })
  const peak = watchMemory()
  const start = performance.now()
  await run(task(size))
  const seconds = (performance.now() - start) / 1000
  const memory = peak()
  if (direction === "download" && (await stat(`${folder}/got`)).size !== size)
    throw new Error("the download is truncated")
  await rm(`${folder}/got`, { force: true })
  process.send?.({ seconds, memory })
  process.disconnect()
}

// -----------------------------------------------------------------------------
// all of them
// -----------------------------------------------------------------------------

const start = (...words: ReadonlyArray<string>): ChildProcess =>
  fork(fileURLToPath(import.meta.url), words, { execArgv: process.execArgv })

const all = async () => {
  const folder = await mkdtemp(`${tmpdir()}/effect-videos-bench-`)
  const server = start("serve")
  try {
    const [port] = await once(server, "message")
    for (const bytes of [warmUp, size]) {
      const file = await open(`${folder}/${bytes}`, "w")
      for (let written = 0; written < bytes; written += MB) await file.write(Buffer.alloc(MB, "clip "))
      await file.close()
    }
    for (const direction of ["upload", "download"] as const) {
      const names = Object.keys(cases[direction])
      const taken: Record<string, Array<{ readonly seconds: number; readonly memory: number }>> = {}
      // Alternates the cases, so that a drift of the machine's speed affects all.
      for (let round = 0; round < rounds; round++) {
        for (const name of names) {
          const child = start("measure", direction, name, `http://127.0.0.1:${port}/v1`, folder)
          const [figures] = await once(child, "message")
          await once(child, "exit")
          taken[name] = [...(taken[name] ?? []), figures]
        }
      }
      const time = (name: string) => Math.min(...(taken[name] ?? []).map(({ seconds }) => seconds))
      console.log(`\n${direction} of 256 MB, ${rounds} rounds: shortest time, highest extra memory\n`)
      console.table(
        Object.fromEntries(
          names.map((name) => [
            name,
            {
              seconds: Number(time(name).toFixed(2)),
              "extra MB": Math.round(Math.max(...(taken[name] ?? []).map(({ memory }) => memory))),
              "× openai": Number((time(name) / time("openai")).toFixed(2)),
              "× fetch": Number((time(name) / time("bare fetch")).toFixed(2)),
              "× undici": Number((time(name) / time("bare undici")).toFixed(2))
            }
          ])
        )
      )
    }
  } finally {
    server.disconnect()
    await rm(folder, { recursive: true })
  }
}

const [, , mode, direction, name, baseUrl, folder] = process.argv
if (mode === "serve") serve()
else if (mode === "measure" && (direction === "upload" || direction === "download")) {
  await measure(direction, name ?? "", baseUrl ?? "", folder ?? "")
} else await all()
