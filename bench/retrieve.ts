/**
 * Measures the CPU time per `GET /videos/{id}`, one call at a time, compared with the `openai` package, bare `fetch` and bare
 * undici, which send a key and have a timeout, as every program does. All run together against one server in a separate process.
 * Quote ratios, because machines differ. Measures the published package as plain JavaScript, because the source maps of a loader
 * cost CPU time.
 *
 *   npm run bench -- retrieve
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Undici from "@effect/platform-node/Undici"
import { Effect, Layer, ManagedRuntime } from "effect"
import { retrieveVideo, Videos, VideosFetch } from "effect-videos"
import * as VideosUndici from "effect-videos/undici"
import OpenAI from "openai"

const body = JSON.stringify({
  id: "video_1",
  object: "video",
  model: "sora-2",
  status: "in_progress",
  progress: 42,
  created_at: 1_790_000_000,
  completed_at: null,
  expires_at: null,
  prompt: "a lighthouse at dusk, waves below",
  size: "1280x720",
  seconds: "12",
  remixed_from_video_id: null,
  error: null
})

/** Many short rounds, so that a disturbance of the machine affects few of them. */
const rounds = 14
const callsPerRound = 250

const serve = () => {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body)
  })
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port))
  process.once("disconnect", () => process.exit(0))
}

/** Runs the calls one after the other. */
type Calls = (count: number) => Promise<unknown>

const loop =
  (call: () => Promise<unknown>): Calls =>
  async (count) => {
    for (let index = 0; index < count; index++) await call()
  }

/** Returns the user and system CPU microseconds of this process per call. */
const cost = async (count: number, calls: Calls): Promise<number> => {
  const before = process.cpuUsage()
  await calls(count)
  const { system, user } = process.cpuUsage(before)
  return (system + user) / count
}

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

const run = async () => {
  const server = fork(fileURLToPath(import.meta.url), ["serve"])
  const [port] = await once(server, "message")
  const baseUrl = `http://127.0.0.1:${port}/v1`
  const url = `${baseUrl}/videos/video_1`

  const openai = new OpenAI({ apiKey: "none", baseURL: baseUrl })
  const over = (client: typeof FetchHttpClient.layer) => {
    const runtime = ManagedRuntime.make(Videos.layer({ baseUrl, apiKey: "none" }).pipe(Layer.provide(client)))
    return {
      runtime,
      // Calls in one fiber, as an Effect program does. Unlike `Effect.repeatN`, without a yield between two calls.
      inProgram: (count: number) =>
        runtime.runPromise(
          Effect.forEach(Array.from({ length: count }), () => retrieveVideo("video_1"), { discard: true })
        ),
      asPromise: loop(() => runtime.runPromise(retrieveVideo("video_1")))
    }
  }
  const undici = over(Layer.orDie(VideosUndici.layer()))
  const fetched = over(VideosFetch.layer)
  const platformUndici = over(NodeHttpClient.layerUndici)
  const platformFetch = over(FetchHttpClient.layer)
  const agent = new Undici.Agent()
  // What every program sends along, without a library: its key, and a timeout that aborts the request.
  const headers = { authorization: "Bearer none", accept: "application/json" }
  const timeout = 60_000

  const contenders: Record<string, Calls> = {
    "bare undici": loop(async () =>
      JSON.parse(
        await (
          await agent.request({
            origin: baseUrl.slice(0, -3),
            path: "/v1/videos/video_1",
            method: "GET",
            headers,
            signal: AbortSignal.timeout(timeout)
          })
        ).body.text()
      )
    ),
    "bare fetch": loop(async () => (await fetch(url, { headers, signal: AbortSignal.timeout(timeout) })).json()),
    openai: loop(() => openai.videos.retrieve("video_1")),
    "effect-videos on VideosUndici": undici.inProgram,
    "effect-videos on VideosUndici, a promise each": undici.asPromise,
    "effect-videos on VideosFetch": fetched.inProgram,
    "effect-videos on VideosFetch, a promise each": fetched.asPromise,
    "effect-videos on NodeHttpClient.layerUndici": platformUndici.inProgram,
    "effect-videos on FetchHttpClient": platformFetch.inProgram
  }
  const figures: Record<string, Array<number>> = {}
  for (const [name, calls] of Object.entries(contenders)) {
    figures[name] = []
    await cost(500, calls)
  }
  // Alternates the contenders, so that a drift of the machine's speed affects all.
  for (let round = 0; round < rounds; round++) {
    for (const [name, calls] of Object.entries(contenders)) figures[name]?.push(await cost(callsPerRound, calls))
  }
  const of = (name: string) => median(figures[name] ?? [])
  console.log(`\nCPU per retrieve, median of ${rounds} rounds of ${callsPerRound} calls\n`)
  console.table(
    Object.fromEntries(
      Object.keys(contenders).map((name) => [
        name,
        {
          µs: Math.round(of(name)),
          "× undici": Number((of(name) / of("bare undici")).toFixed(2)),
          "× fetch": Number((of(name) / of("bare fetch")).toFixed(2)),
          "× openai": Number((of(name) / of("openai")).toFixed(2))
        }
      ])
    )
  )
  const runtimes = [undici, fetched, platformUndici, platformFetch].map(({ runtime }) => runtime)
  await Promise.all([...runtimes.map((runtime) => runtime.dispose()), agent.destroy()])
  server.disconnect()
}

/** Compiles this file and runs it against the built package. */
const runCompiled = async () => {
  const [{ root }, { transform }] = await Promise.all([import("./build.js"), import("esbuild")])
  const source = await readFile(fileURLToPath(import.meta.url), "utf8")
  const { code } = await transform(source, { loader: "ts", format: "esm", target: "es2022" })
  await mkdir(`${root}out`, { recursive: true })
  const compiled = `${root}out/retrieve.mjs`
  await writeFile(compiled, code)
  await once(fork(compiled, ["run"], { execArgv: [] }), "exit")
}

if (process.argv[2] === "serve") serve()
else if (process.argv[2] === "run") await run()
else await runCompiled()
