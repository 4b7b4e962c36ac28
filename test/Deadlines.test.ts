/** Timeouts: of an attempt, of a connection, of a body that stalls, of all attempts together. They leave nothing behind. */
import { createServer, type Socket } from "node:net"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Duration, Effect, Fiber, Layer, Ref, Schedule, Stream, TestClock } from "effect"
import { createVideo, downloadVideo, extendVideo, retrieveVideo, VideoFile, Videos } from "effect-videos"
import { downloadVideoToFile } from "effect-videos/Transfer"
import * as VideosUndici from "effect-videos/undici"
import { start } from "./support/process.js"
import { hang, hangUntilClosed, inTurn, json, serve, text } from "./support/server.js"
import { clip, makeFolder, ranged, startOf, tagged } from "./support/transfer.js"
import { atOnce, clients, job, respondBroken, respondJson, videosOver, videosScripted } from "./support/videos.js"

addEqualityTesters()

const head = clip.subarray(0, 1000)

/** A body that begins, and then brings nothing. */
const silent = (bytes: Uint8Array) =>
  new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(bytes) })

/** Takes connections, reads nothing and says nothing. */
const listen = Effect.gen(function* () {
  const sockets: Array<Socket> = []
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.push(socket.on("error", () => {}))
  })
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
  )
  const address = server.address()
  return { port: typeof address === "object" ? (address?.port ?? 0) : 0, sockets }
})

describe("a process whose server sends no response", () => {
  it.scopedLive("ends once its calls are interrupted, and all connections are closed, over each transport", () =>
    Effect.gen(function* () {
      const server = yield* serve(hang)
      const { child, ended } = yield* start("hanging", { BASE_URL: server.baseUrl })
      const arrived = () => server.requests.length === 6 * clients.length
      yield* Effect.repeat(Effect.sleep("5 millis"), { until: arrived })
      child.kill("SIGINT")
      expect(yield* ended).toMatchObject({ code: 0, signal: null, err: "" })
    })
  )

  it.scopedLive("ends once the time of its calls is over, over each transport", () =>
    Effect.gen(function* () {
      const server = yield* serve(hang)
      const { ended } = yield* start("hanging", { BASE_URL: server.baseUrl, TIMEOUT: "100" })
      expect(yield* ended).toMatchObject({ code: 0, signal: null, err: "" })
      expect(server.requests.length).toBeGreaterThan(0)
    })
  )
})

describe("connectTimeout", () => {
  it.scopedLive("ends a handshake that never comes, with nothing sent, so that a submission is retried", () =>
    Effect.gen(function* () {
      const mute = yield* listen
      const layer = VideosUndici.layer({ connectTimeout: "50 millis" })
      const error = yield* Effect.flip(createVideo({ prompt: "x" })).pipe(
        Effect.provide(videosOver({ baseUrl: `https://127.0.0.1:${mute.port}/v1` }, { submitRetry: atOnce(1) }, layer))
      )
      expect(error).toMatchObject({ _tag: "TransportError", reason: "connect" })
      expect(mute.sockets).toHaveLength(2)
    })
  )
})

describe("idleTimeout of a download", () => {
  it.effect("fails once nothing has come for so long, a minute by default; what has come is handed over", () =>
    Effect.gen(function* () {
      const { layer } = videosScripted(() => Effect.sync(() => new Response(silent(head))))
      const got = yield* Ref.make(0)
      const fiber = yield* Effect.fork(
        downloadVideo("video_1").pipe(
          Stream.runForEach((bytes) => Ref.update(got, (sum) => sum + bytes.byteLength)),
          Effect.flip,
          Effect.provide(layer)
        )
      )
      yield* TestClock.adjust("59 seconds")
      expect(fiber.unsafePoll()).toBeNull()
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)
      expect(error).toMatchObject({
        _tag: "RequestTimeoutError",
        option: "idleTimeout",
        operation: "downloadVideo",
        timeout: Duration.minutes(1),
        isTransient: true
      })
      expect(error.message).toBe("downloadVideo: no byte was sent to or received from http://videos.invalid for 60 s")
      expect(yield* Ref.get(got)).toBe(1000)
    })
  )

  it.effect("does not count the time that the consumer takes, nor end what is slow", () =>
    Effect.gen(function* () {
      const { layer } = videosScripted(() =>
        Effect.sync(
          () =>
            new Response(
              new ReadableStream({
                start: (controller) => {
                  for (let part = 0; part < 4; part++) controller.enqueue(head)
                  controller.close()
                }
              })
            )
        )
      )
      const fiber = yield* downloadVideo("video_1", { idleTimeout: "1 second" }).pipe(
        Stream.rechunk(1),
        Stream.tap(() => Effect.sleep("1 hour")),
        Stream.runCount,
        Effect.provide(layer),
        Effect.fork
      )
      yield* TestClock.adjust("5 hours")
      expect(yield* Fiber.join(fiber)).toBe(4)
    })
  )

  it.scopedLive.each(clients)("closes the connection ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const { closed, reply } = yield* hangUntilClosed
      const server = yield* serve((response, request, index) => {
        response.writeHead(200, { "content-type": "video/mp4", "content-length": "5000" }).write(head)
        reply(response, request, index)
      })
      const error = yield* Stream.runDrain(downloadVideo("video_1", { idleTimeout: "50 millis" })).pipe(
        Effect.flip,
        Effect.provide(videosOver(server, {}, layer))
      )
      expect(error).toMatchObject({ _tag: "RequestTimeoutError", option: "idleTimeout" })
      yield* closed
    })
  )

  it.scopedLive.each(clients)("keeps the part of a file, and goes on from there ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const { folder, read } = yield* makeFolder
      const server = yield* serve(
        inTurn((response) => {
          response.writeHead(200, { ...tagged, "content-length": "300000" }).write(clip.subarray(0, 100_000))
        }, ranged(clip))
      )
      const over = videosOver(server, {}, layer)
      const options = { idleTimeout: "500 millis" } as const
      const error = yield* downloadVideoToFile("video_1", `${folder}/clip.mp4`, {
        ...options,
        retry: Schedule.stop
      }).pipe(Effect.flip, Effect.provide(over))
      expect(error).toMatchObject({ _tag: "IncompleteDownloadError", received: 100_000, isTransient: true })
      yield* downloadVideoToFile("video_1", `${folder}/clip.mp4`, options).pipe(Effect.provide(over))
      expect((yield* read("clip.mp4")).equals(clip)).toBe(true)
      expect(server.requests.map(({ headers }) => startOf(headers.range))).toEqual([null, 100_000])
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("a download whose `onResponse` does not return", () => {
  it.scopedLive.each(
    clients.flatMap(({ client, layer }) => [
      { client, layer, end: "dies", options: { onResponse: () => Effect.die("a bug") } },
      { client, layer, end: "is interrupted", options: { onResponse: () => Effect.never, totalTimeout: 50 } }
    ])
  )("closes its connection if it $end ($client)", ({ layer, options }) =>
    Effect.gen(function* () {
      const { closed, reply } = yield* hangUntilClosed
      const server = yield* serve((response, request, index) => {
        response.writeHead(200, { "content-type": "video/mp4", "content-length": "5000" }).write(head)
        reply(response, request, index)
      })
      // As long as the layer lives, only the call closes the connection.
      const videos = yield* Layer.build(videosOver(server, {}, layer))
      const exit = yield* Stream.runDrain(downloadVideo("video_1", options)).pipe(Effect.exit, Effect.provide(videos))
      expect(exit._tag).toBe("Failure")
      yield* closed
    })
  )
})

describe("idleTimeout of a configuration", () => {
  // Until the test server closes, nothing else would end this download.
  const stuck = Effect.gen(function* () {
    const { closed, reply } = yield* hangUntilClosed
    const server = yield* serve((response, request, index) => {
      response.writeHead(200, { ...tagged, "content-length": "300000" }).write(clip.subarray(0, 100_000))
      reply(response, request, index)
    })
    return { closed, server }
  })

  it.scopedLive.each(clients)("holds for a file too, and keeps its part ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const { folder, list } = yield* makeFolder
      const { closed, server } = yield* stuck
      const error = yield* downloadVideoToFile("video_1", `${folder}/clip.mp4`, { retry: Schedule.stop }).pipe(
        Effect.flip,
        Effect.provide(videosOver(server, { idleTimeout: "50 millis" }, layer))
      )
      expect(error).toMatchObject({ _tag: "IncompleteDownloadError", received: 100_000 })
      expect(error.message).toMatch(/no byte .* for 0\.05 s/)
      expect(yield* list).toEqual(["clip.mp4.part", "clip.mp4.part.json"])
      yield* closed
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("applies to a file if the program wraps the layer's Videos in its own", () =>
    Effect.gen(function* () {
      const { folder } = yield* makeFolder
      const { closed, server } = yield* stuck
      const wrapped = Layer.map(videosOver(server, { idleTimeout: "50 millis" }), (context) =>
        Context.add(context, Videos, { ...Context.get(context, Videos) })
      )
      const error = yield* downloadVideoToFile("video_1", `${folder}/clip.mp4`, { retry: Schedule.stop }).pipe(
        Effect.flip,
        Effect.provide(wrapped)
      )
      expect(error).toMatchObject({ _tag: "IncompleteDownloadError", received: 100_000 })
      yield* closed
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("gives way to the call's own", () =>
    Effect.gen(function* () {
      const { folder } = yield* makeFolder
      const { closed, server } = yield* stuck
      const error = yield* downloadVideoToFile("video_1", `${folder}/clip.mp4`, {
        retry: Schedule.stop,
        idleTimeout: "50 millis"
      }).pipe(Effect.flip, Effect.provide(videosOver(server, { idleTimeout: "1 hour" })))
      expect(error.message).toMatch(/no byte .* for 0\.05 s/)
      yield* closed
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("idleTimeout of an upload", () => {
  const upload = (content: Stream.Stream<Uint8Array>) =>
    extendVideo({ video: VideoFile.fromStream(content, { name: "a.mp4" }), prompt: "x", seconds: 4 })

  /** Reads a request's body to its end, then sends the given response. */
  const taking = (after: Effect.Effect<Response>) =>
    videosScripted(
      (_, { body }) =>
        body._tag === "Stream" ? Effect.zipRight(Effect.ignore(Stream.runDrain(body.stream)), after) : Effect.never,
      { onUnknownOutcome: "fail" }
    )

  const slowly = Stream.repeatValue(head).pipe(
    Stream.take(10),
    Stream.tap(() => Effect.sleep("40 seconds"))
  )

  it.effect("does not end a slow one, and counts the timeout of the response from its last byte", () =>
    Effect.gen(function* () {
      const { layer } = taking(Effect.delay(respondJson(200, job()), "59 seconds"))
      const fiber = yield* Effect.fork(upload(slowly).pipe(Effect.provide(layer)))
      // The body alone takes more than six minutes.
      for (let second = 0; second < 470; second++) yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(fiber)).id).toBe("video_1")
    })
  )

  it.effect("ends one whose response does not come with the request timeout", () =>
    Effect.gen(function* () {
      const { layer } = taking(Effect.never)
      const fiber = yield* Effect.fork(Effect.flip(upload(Stream.make(head))).pipe(Effect.provide(layer)))
      yield* TestClock.adjust("60 seconds")
      expect(yield* Fiber.join(fiber)).toMatchObject({
        _tag: "SubmissionUncertainError",
        reason: { _tag: "RequestTimeoutError", option: "requestTimeout" }
      })
    })
  )

  it.scopedLive.each(clients)(
    "ends one that the server does not read, and closes its connection ($client)",
    ({ layer }) =>
      Effect.gen(function* () {
        const { port, sockets } = yield* listen
        // More than the buffers of a socket hold.
        const long = Stream.take(Stream.repeatValue(new Uint8Array(1_000_000)), 64)
        const error = yield* Effect.flip(upload(long)).pipe(
          Effect.provide(
            videosOver(
              { baseUrl: `http://127.0.0.1:${port}/v1` },
              { idleTimeout: "200 millis", onUnknownOutcome: "fail" },
              layer
            )
          )
        )
        expect(error).toMatchObject({
          _tag: "SubmissionUncertainError",
          reason: { _tag: "RequestTimeoutError", option: "idleTimeout" }
        })
        expect(sockets).toHaveLength(1)
        yield* Effect.async<void>((resume) => {
          sockets[0]?.once("close", () => resume(Effect.void)).resume()
        })
      })
  )
})

describe("totalTimeout", () => {
  it.effect("bounds all attempts and the waits between them", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted((_, request) => respondBroken(request, "ECONNRESET"), {
        readRetry: Schedule.spaced("10 seconds"),
        totalTimeout: "25 seconds"
      })
      const fiber = yield* Effect.fork(Effect.flip(retrieveVideo("video_1")).pipe(Effect.provide(layer)))
      yield* TestClock.adjust("1 minute")
      const error = yield* Fiber.join(fiber)
      expect(error).toMatchObject({
        _tag: "RequestTimeoutError",
        option: "totalTimeout",
        timeout: Duration.seconds(25)
      })
      expect(error.message).toBe("retrieveVideo: no result from http://videos.invalid in all attempts within 25 s")
      expect(tries.at).toEqual([0, 10_000, 20_000])
    })
  )

  it.effect("bounds the wait for a place in the budget, and a call's own wins", () =>
    Effect.gen(function* () {
      const { layer, tries } = videosScripted(() => Effect.never, {
        budget: { concurrency: 1 },
        requestTimeout: "1 hour",
        totalTimeout: "1 hour"
      })
      const outcome = yield* Effect.gen(function* () {
        yield* Effect.fork(retrieveVideo("video_1"))
        yield* Effect.yieldNow()
        const waiting = yield* Effect.fork(Effect.flip(retrieveVideo("video_2", { totalTimeout: "3 seconds" })))
        yield* TestClock.adjust("3 seconds")
        return yield* Fiber.join(waiting)
      }).pipe(Effect.provide(layer))
      expect(outcome).toMatchObject({ _tag: "RequestTimeoutError", option: "totalTimeout" })
      expect(tries.at).toHaveLength(1)
    })
  )

  it.effect("leaves a download alone once it has begun", () =>
    Effect.gen(function* () {
      const { layer } = videosScripted(() => Effect.sync(() => new Response(new Uint8Array(head))), {
        totalTimeout: "1 second"
      })
      const fiber = yield* downloadVideo("video_1").pipe(
        Stream.tap(() => Effect.sleep("1 hour")),
        Stream.runCollect,
        Effect.provide(layer),
        Effect.fork
      )
      yield* TestClock.adjust("2 hours")
      expect(Chunk.size(yield* Fiber.join(fiber))).toBe(1)
    })
  )
})

describe("a redirect whose own body never comes", () => {
  it.scopedLive.each(clients)("is followed all the same by a download ($client)", ({ layer }) =>
    Effect.gen(function* () {
      const storage = yield* serve(text(200, "\u0000the clip's bytes", { "content-type": "video/mp4" }))
      const server = yield* serve((response) => {
        response.writeHead(302, { location: `${storage.origin}/clip.mp4`, "content-length": "9" }).flushHeaders()
      })
      const bytes = yield* Stream.runCollect(downloadVideo("video_1")).pipe(
        Effect.provide(videosOver(server, { requestTimeout: Duration.infinity }, layer))
      )
      expect(Buffer.concat([...Chunk.toReadonlyArray(bytes)]).toString()).toBe("\u0000the clip's bytes")
    })
  )

  it.scopedLive("holds no call longer than its time", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        inTurn(
          (response) => {
            response.writeHead(307, { location: "/v1/elsewhere", "content-length": "9" }).flushHeaders()
          },
          json(200, job())
        )
      )
      const error = yield* Effect.flip(retrieveVideo("video_1", { timeout: "50 millis" })).pipe(
        Effect.provide(videosOver(server))
      )
      expect(error).toMatchObject({ _tag: "RequestTimeoutError", option: "requestTimeout" })
    })
  )
})
