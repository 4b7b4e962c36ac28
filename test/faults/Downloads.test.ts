/** Every fault on a download: what comes of it, what is on the disk, and that the next one has the right bytes. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Chunk, Effect, FastCheck, Layer, Stream } from "effect"
import { downloadVideo } from "effect-videos"
import { downloadVideoToFile } from "effect-videos/Transfer"
import { make } from "../../packages/server/test/support.js"
import { firstSeed, runs } from "../support/seeds.js"
import { type Reply, reset, serve, text } from "../support/server.js"
import { cut, makeFolder, other, ranged, clip as scripted, unranged, whole } from "../support/transfer.js"
import { atOnce, videosOver } from "../support/videos.js"
import {
  anyClient,
  cleared,
  clients,
  counted,
  patience,
  requestsFor,
  resultOf,
  seenByTransports,
  serverWith,
  shareServer,
  testCells,
  twice,
  world
} from "./support.js"

interface Row {
  readonly name: string
  readonly fault: Fault.Fault
  /** After a run of two: how it ends, and with how many requests for content. */
  readonly run: string
  /** Under a fault that stays: how it ends, and which file is there. */
  readonly stays: string
  /** As a stream, with no file and no schedule of its own: under a fault that stays. */
  readonly streamed: string
  /** How the next download ends, if the fault has removed the content. Default: with the clip. */
  readonly next?: string
  /** The same with undici, if it differs. */
  readonly undici?: string
  readonly silent?: boolean
  readonly waits?: boolean
}

const { status } = Fault

/** Before the first byte: nothing is kept. */
const nothing = (error: string) => ({
  run: "value, 3 requests, whole",
  stays: `${error}, 3 requests, nothing`,
  streamed: `${error}, 3 requests`
})
const final = (error: string) => ({
  run: `${error}, 1 request, nothing`,
  stays: `${error}, 1 request, nothing`,
  streamed: `${error}, 1 request`
})
const fine = { run: "value, 1 request, whole", stays: "value, 1 request, whole", streamed: "value, 1 request" }

const rows: ReadonlyArray<Row> = [
  { name: "429", fault: status({ status: 429 }), ...nothing("RateLimitedError"), waits: true },
  {
    name: "429, Retry-After in the past",
    fault: status({ status: 429, retryAfter: Fault.retryAfterPast("1 hour") }),
    ...nothing("RateLimitedError"),
    waits: true
  },
  {
    name: "429, Retry-After of an hour",
    fault: status({ status: 429, retryAfter: "1 hour" }),
    ...final("RateLimitedError"),
    // Nothing else of the layer is sent for a while.
    next: "no request for as long",
    waits: true
  },
  {
    name: "429 with an empty account",
    fault: status({ status: 429, code: "insufficient_quota" }),
    ...final("QuotaExceededError")
  },
  { name: "401", fault: status({ status: 401 }), ...final("AuthenticationError") },
  { name: "500", fault: status({ status: 500 }), ...nothing("ServerError") },
  { name: "502, a proxy's page", fault: status({ status: 502, body: "html" }), ...nothing("ServerError") },
  { name: "503", fault: status({ status: 503 }), ...nothing("ServerError") },
  { name: "504", fault: status({ status: 504, body: "empty" }), ...nothing("ServerError") },
  { name: "524, a proxy's page", fault: status({ status: 524 }), ...nothing("ServerError") },
  { name: "reset before headers", fault: Fault.reset("before-headers"), ...nothing("TransportError") },
  { name: "no response", fault: Fault.hang(), ...nothing("RequestTimeoutError"), silent: true },
  { name: "headers of 64 KiB", fault: Fault.hugeHeaders(64 * 1024), ...nothing("TransportError") },
  {
    name: "a page with 200",
    fault: Fault.html(),
    run: "value, 3 requests, whole",
    stays: "ResponseDecodeError, 3 requests, nothing",
    // Found in the first bytes, when the stream has begun: only its consumer can retry.
    streamed: "ResponseDecodeError, 1 request"
  },
  {
    name: "reset in mid-body",
    fault: Fault.reset("mid-body"),
    run: "value, 3 requests, whole",
    // Each attempt receives half of the rest.
    stays: "IncompleteDownloadError, many requests, part",
    streamed: "TransportError, 1 request"
  },
  {
    name: "its end, and its files expire",
    fault: Fault.expire(),
    run: "VideoExpiredError, 2 requests, part",
    stays: "VideoExpiredError, 2 requests, part",
    streamed: "TransportError, 1 request",
    next: "VideoExpiredError"
  },
  {
    name: "more said than sent",
    fault: Fault.contentLength(9),
    // Asked for the rest, the server says that there is none.
    run: "value, 2 requests, whole",
    stays: "value, 2 requests, whole",
    streamed: "TransportError, 1 request"
  },
  {
    name: "less said than sent",
    fault: Fault.contentLength(-9),
    run: "value, 3 requests, whole",
    // The clip itself says that it goes on, and of the nine bytes that are asked for then, none come.
    stays: "IncompleteDownloadError, 3 requests, part",
    streamed: "TransportError, 1 request"
  },
  {
    name: "a body that does not begin",
    fault: Fault.slow({ bytes: 4096, every: "3 seconds" }),
    run: "value, 3 requests, whole",
    stays: "RequestTimeoutError, 3 requests, nothing",
    streamed: "RequestTimeoutError, 1 request",
    silent: true
  },
  {
    name: "a file without end",
    fault: Fault.endless(),
    run: "ResponseDecodeError, 1 request, part",
    stays: "ResponseDecodeError, 1 request, part",
    streamed: "ResponseDecodeError, 1 request"
  },
  {
    name: "a bomb",
    fault: Fault.bomb(4 * 1024 ** 2),
    run: "ResponseDecodeError, 1 request, part",
    stays: "ResponseDecodeError, 1 request, part",
    streamed: "ResponseDecodeError, 1 request",
    // It leaves what is compressed as it is: no byte of it is a clip's.
    undici: "ResponseDecodeError, 1 request, nothing"
  },
  {
    name: "a redirect to a port without a server",
    fault: Fault.redirect("http://127.0.0.1:9"),
    ...nothing("TransportError")
  },
  { name: "a replica that lags", fault: Fault.stale("1 hour"), ...nothing("VideoNotReadyError") },
  { name: "a clock that is ahead", fault: Fault.skew({ ahead: "3 hours" }), ...fine },
  { name: "a clock that is behind", fault: Fault.skew({ behind: "3 hours" }), ...fine },
  { name: "piece after piece, in time", fault: Fault.slow({ bytes: 1024, every: "1 millis" }), ...fine }
]

const cellsOf = (client: string) =>
  rows.flatMap(({ fault, name, next = "value", silent = false, streamed, undici, waits = false, ...row }) => {
    const { run = row.run, stays = row.stays } =
      client === "VideosUndici" && undici !== undefined ? { run: undici, stays: undici } : {}
    const common = { row: name, name, fault, keeps: next.startsWith("no request"), silent, waits: waits || silent }
    return [
      ...(run === stays
        ? []
        : [{ ...common, name: `${name}, twice`, mode: "run" as const, ends: `${run}, then ${next}` }]),
      { ...common, name: `${name}, for good`, mode: "stays" as const, ends: `${stays}, then ${next}` },
      { ...common, name: `${name}, as a stream`, mode: "streamed" as const, ends: streamed }
    ]
  })

type Place = ReturnType<typeof cellsOf>[number]

const spelled = (requests: number): string => (requests > 9 ? "many requests" : counted(requests, "request"))

/** Makes a clip, and returns its id and its bytes. */
const madeClip = Effect.gen(function* () {
  const { baseUrl, fetch } = yield* VideosServer
  const id = yield* make()
  const content = yield* Effect.promise(async () => (await fetch(`${baseUrl}/videos/${id}/content`)).arrayBuffer())
  return { id, clip: Buffer.from(content) }
})

/** The clip of many cells is as old as the first of them. */
const lagOptions = { contentGrace: "1 hour" } as const

const run = (
  { fault, keeps, mode }: Place,
  source: Effect.Effect<Effect.Effect.Success<typeof madeClip>, never, VideosServer>
) =>
  Effect.gen(function* () {
    const { faults } = yield* VideosServer
    const fs = yield* FileSystem.FileSystem
    const { folder } = yield* makeFolder
    const { clip, id } = yield* source
    const before = yield* requestsFor("content")
    const requests = Effect.map(requestsFor("content"), (all) => spelled(all - before))
    yield* faults.set([{ on: ["content"], fault, ...(mode === "run" ? { when: Fault.first(2) } : {}) }])
    if (mode === "streamed") {
      const ended = yield* Effect.either(Stream.runCollect(downloadVideo(id, lagOptions)))
      const isRight = ended._tag === "Left" || Buffer.concat(Chunk.toReadonlyArray(ended.right)).equals(clip)
      return `${isRight ? resultOf(ended) : "other bytes"}, ${yield* requests}`
    }
    const path = `${folder}/clip.mp4`
    const there = Effect.gen(function* () {
      const names = yield* fs.readDirectory(folder)
      const read = (file: string) => Effect.map(fs.readFile(`${folder}/${file}`), Buffer.from)
      if (names.includes("clip.mp4")) return (yield* read("clip.mp4")).equals(clip) ? "whole" : "a wrong file"
      if (!names.includes("clip.mp4.part")) return "nothing"
      const part = yield* read("clip.mp4.part")
      return part.subarray(0, clip.length).equals(clip.subarray(0, part.length)) ? "part" : "a wrong part"
    })
    const options = { ...lagOptions, retry: twice, idleTimeout: patience } as const
    const ended = yield* Effect.either(downloadVideoToFile(id, path, options))
    const first = `${resultOf(ended)}, ${yield* requests}, ${yield* there}`
    yield* faults.clear
    if (ended._tag === "Right") return `${first}, then value`
    if (keeps) return `${first}, then no request for as long`
    const next = yield* Effect.either(downloadVideoToFile(id, path, options))
    const left = next._tag === "Right" ? yield* there : "whole"
    return `${first}, then ${left === "whole" ? resultOf(next) : left}`
  }).pipe(Effect.scoped)

describe.concurrent.each(clients)("a download over $client, under faults:", ({ client, layer }) => {
  // What a transport makes of a fault is seen in the stream; what becomes of a file is above the transports.
  const cells = cellsOf(client).filter(
    ({ mode, row }) => client === anyClient.client || (mode === "streamed" && seenByTransports.includes(row))
  )
  const quick = { requestTimeout: patience, idleTimeout: patience } as const

  // Cells that run one after the other share a server and its clip, because most of the time of a cell is the encoding of a clip.
  const shared = shareServer(madeClip)

  testCells(cells, (cell) =>
    Effect.gen(function* () {
      // An expired clip is gone for the other cells too.
      const isAlone = cell.waits || cell.fault._tag === "Expire"
      const given = isAlone ? null : yield* shared
      const server = given === null ? serverWith() : Layer.effect(VideosServer, cleared(given.server))
      const here = Layer.merge(world(layer, cell.silent ? quick : {}, server), NodeContext.layer)
      return yield* Effect.provide(run(cell, given === null ? madeClip : Effect.succeed(given.made)), here)
    }).pipe(Effect.orDie)
  )
})

/** What a server may do with a clip that changes meanwhile. */
const replies: ReadonlyArray<(bytes: Buffer, tag: string, length: number) => Reply> = [
  (bytes, etag) => ranged(bytes, { etag }),
  (bytes, etag, length) => cut(bytes, length, { etag }),
  (bytes, etag, length) => cut(bytes, length, { etag }),
  (bytes, etag, length) => unranged(cut(bytes, length, { etag })),
  (bytes, _, length) => unranged(cut(bytes, length, {})),
  (bytes, etag) => whole(bytes, { etag }),
  (bytes) => whole(bytes),
  () => reset,
  () => text(503, ""),
  () => text(200, "<html><title>Sign in</title></html>", { "content-type": "text/html" })
]

const moves = FastCheck.array(
  FastCheck.record({
    reply: FastCheck.integer({ min: 0, max: replies.length - 1 }),
    version: FastCheck.integer({ min: 0, max: 1 }),
    length: FastCheck.integer({ min: 1, max: 200_000 })
  }),
  { maxLength: 12 }
)

describe("a download of a clip that changes meanwhile", () => {
  it.live(`is one version from end to end, or no file, whatever the server does (seed ${firstSeed})`, () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(moves, (script) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const { folder, list, read } = yield* makeFolder
              const versions = [scripted, other]
              let turn = 0
              const server = yield* serve((response, request, index) => {
                const move = script[turn++]
                const { length, reply, version } = move ?? { length: 0, reply: 0, version: 0 }
                const bytes = versions[version] ?? scripted
                replies[reply]?.(bytes, `"v${version}"`, length)(response, request, index)
              })
              // Calls that give up early, one after the other, as a program that is started again does.
              for (let calls = 0; calls <= script.length; calls++) {
                const ended = yield* Effect.either(
                  downloadVideoToFile("video_1", `${folder}/clip.mp4`, { retry: atOnce(1) })
                ).pipe(Effect.provide(videosOver(server)))
                const names = yield* list
                assert.strictEqual(names.includes("clip.mp4"), ended._tag === "Right")
                if (ended._tag === "Left") continue
                const bytes = yield* read("clip.mp4")
                assert.isTrue(versions.some((version) => version.equals(bytes)))
                assert.deepStrictEqual(names, ["clip.mp4"])
                return
              }
              assert.fail("no call got through")
            }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))
          )
        ),
        { seed: firstSeed, numRuns: runs(2) }
      )
    )
  )
})
