import { createServer } from "node:http"
import { HttpClient, HttpClientError, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer, type WebhookOptions } from "@effect-videos/server"
import { Deferred, Effect, Exit, Layer, Logger, Redacted, Schedule, Scope, TestClock } from "effect"
import { Webhook } from "standardwebhooks"
import { instant, make, postForm, remove, send } from "./support.js"

const secret = `whsec_${Buffer.from("a key of some thirty two bytes..").toString("base64")}`

interface Message {
  readonly at: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** Receiver that returns the statuses in order and repeats the last one; 0 means no response. */
const receiver = (...statuses: ReadonlyArray<number>) => {
  const messages: Array<Message> = []
  const client = HttpClient.make((request) =>
    Effect.gen(function* () {
      const status = statuses[Math.min(messages.length, statuses.length - 1)] ?? 200
      const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
      messages.push({ at: yield* Effect.clockWith((clock) => clock.currentTimeMillis), headers: request.headers, body })
      if (status === 0) return yield* new HttpClientError.RequestError({ request, reason: "Transport" })
      return HttpClientResponse.fromWeb(request, new Response(null, { status }))
    })
  )
  const options: WebhookOptions = { url: "https://receiver.example/videos", secret: Redacted.make(secret), client }
  return { messages, options }
}

const onlyOf = (messages: ReadonlyArray<Message>): Message => {
  assert.strictEqual(messages.length, 1)
  const [message] = messages
  if (message === undefined) throw new Error("no message")
  return message
}

/** Verifies the signature and returns the event. The package uses real time only, so this checks the time itself. */
const verified = ({ body, headers }: Message): unknown => {
  const id = headers["webhook-id"] ?? ""
  const when = new Date(Number(headers["webhook-timestamp"]) * 1000)
  assert.strictEqual(headers["webhook-signature"], new Webhook(secret).sign(id, when, body))
  return JSON.parse(body)
}

const server = (options: WebhookOptions, more: Parameters<typeof VideosServer.layerInProcess>[0] = {}) =>
  VideosServer.layerInProcess({ ...more, webhook: options })

describe("an event", () => {
  it.effect("is sent and signed when the job completes, not before", () => {
    const { messages, options } = receiver(200)
    return Effect.gen(function* () {
      const id = yield* make()
      yield* TestClock.adjust("3499 millis")
      assert.strictEqual(messages.length, 0)
      yield* TestClock.adjust("1 millis")
      const message = onlyOf(messages)
      assert.deepInclude(verified(message), {
        object: "event",
        created_at: 3,
        type: "video.completed",
        data: { id }
      })
      const event = JSON.parse(message.body)
      assert.match(event.id, /^evt_\w+$/)
      assert.match(message.headers["webhook-id"] ?? "", /^wh_\w+$/)
      assert.strictEqual(message.headers["content-type"], "application/json")
      yield* TestClock.adjust("1 day")
      assert.strictEqual(messages.length, 1)
    }).pipe(Effect.provide(server(options)))
  })

  it.effect("reports a failed job", () => {
    const { messages, options } = receiver(204)
    return Effect.gen(function* () {
      const id = yield* make()
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(verified(onlyOf(messages)), { type: "video.failed", data: { id } })
    }).pipe(Effect.provide(server(options, { outcome: () => ({ code: "c", message: "m" }) })))
  })

  it.effect("is sent once for each job", () => {
    const { messages, options } = receiver(200)
    return Effect.gen(function* () {
      const ids = [yield* make(), yield* make(), yield* make()]
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(messages.map(({ body }) => JSON.parse(body).data.id).sort(), ids.sort())
      assert.strictEqual(new Set(messages.map(({ headers }) => headers["webhook-id"])).size, 3)
    }).pipe(Effect.provide(server(options)))
  })

  it.effect("is not sent for a job that was cancelled", () => {
    const { messages, options } = receiver(200)
    return Effect.gen(function* () {
      const { json } = yield* postForm("/videos", { prompt: "a boat", size: "64x64" })
      assert.strictEqual((yield* remove(`/videos/${json.id}`)).status, 200)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(messages.length, 0)
    }).pipe(Effect.provide(server(options, { dialect: "vllm-omni" })))
  })
})

describe("an undelivered event", () => {
  it.effect("is retried with the same id, and a new time and signature, until it is delivered", () => {
    const { messages, options } = receiver(500, 0, 302, 200)
    return Effect.gen(function* () {
      yield* make()
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(messages.length, 4)
      for (const message of messages) verified(message)
      assert.strictEqual(new Set(messages.map(({ body }) => body)).size, 1)
      assert.strictEqual(new Set(messages.map(({ headers }) => headers["webhook-id"])).size, 1)
      assert.strictEqual(new Set(messages.map(({ headers }) => headers["webhook-signature"])).size, 4)
      const waits = messages.slice(1).map(({ at }, index) => at - (messages[index]?.at ?? 0))
      for (const [index, wait] of waits.entries()) {
        assert.isAtLeast(wait, 0.8 * 1000 * 2 ** index)
        assert.isAtMost(wait, 1.2 * 1000 * 2 ** index)
      }
    }).pipe(Effect.provide(server(options)))
  })

  it.effect("is dropped after nine attempts, and the log has neither URL nor secret", () => {
    const { messages, options } = receiver(503)
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    return Effect.gen(function* () {
      const id = yield* make()
      yield* TestClock.adjust("1 day")
      assert.strictEqual(messages.length, 9)
      assert.deepStrictEqual(lines, [`webhook: the event of video ${id} was not delivered (HTTP 503)`])
    }).pipe(Effect.provide(Layer.provideMerge(server(options), Logger.replace(Logger.defaultLogger, logger))))
  })

  it.effect("is retried by the schedule", () => {
    const { messages, options } = receiver(500)
    const retry = Schedule.intersect(Schedule.spaced("1 minute"), Schedule.recurs(2))
    return Effect.gen(function* () {
      yield* make()
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(
        messages.map(({ at }) => at),
        [3500, 63_500, 123_500]
      )
    }).pipe(Effect.provide(server({ ...options, retry })))
  })

  it.effect("is not sent after the server has stopped", () => {
    const { messages, options } = receiver(500)
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(server(options), scope)
      yield* Effect.provide(make(), context)
      yield* TestClock.adjust("4 seconds")
      yield* Effect.provide(make(), context)
      const before = messages.length
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual([before, messages.length], [1, 1])
    })
  })
})

describe("a receiver", () => {
  it.live("receives messages on a socket that the standardwebhooks package accepts", () =>
    Effect.gen(function* () {
      const received = yield* Deferred.make<unknown>()
      const http = yield* Effect.acquireRelease(
        Effect.sync(() =>
          createServer((request, response) => {
            const chunks: Array<Buffer> = []
            request.on("data", (chunk: Buffer) => chunks.push(chunk))
            request.on("end", () => {
              const headers = Object.fromEntries(
                Object.entries(request.headers).map(([name, value]) => [name, String(value)])
              )
              response.writeHead(204).end()
              Deferred.unsafeDone(
                received,
                Effect.sync(() => new Webhook(secret).verify(Buffer.concat(chunks).toString(), headers))
              )
            })
          })
        ),
        (listening) => Effect.sync(() => void listening.close())
      )
      const webhook = Effect.sync(() => {
        const address = http.address()
        const port = typeof address === "object" ? address?.port : undefined
        return { url: `http://127.0.0.1:${port}/hook`, secret: Redacted.make(secret) }
      })
      // The receiver starts after the server: the effect returns its URL at each event.
      const context = yield* Layer.build(VideosServer.layer({ ...instant, webhook }))
      yield* Effect.async<void>((resume) => void http.listen(0, "127.0.0.1", () => resume(Effect.void)))
      const id = yield* Effect.provide(make(), context)
      const event = yield* Deferred.await(received)
      assert.deepInclude(event, { object: "event", type: "video.completed", data: { id } })
    }).pipe(Effect.scoped)
  )

  it.effect("stops the start of the server if its URL or secret is invalid, and the error hides the secret", () => {
    const { options } = receiver(200)
    return Effect.gen(function* () {
      for (const wrong of [{ url: "ftp://a.example" }, { url: "nowhere" }, { secret: Redacted.make("whsec_%%%") }]) {
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(server({ ...options, ...wrong }))))
        assert(Exit.isFailure(exit))
        assert.include(String(exit.cause), "webhook: the ")
        assert.notInclude(String(exit.cause), "%%%")
      }
      assert.strictEqual((yield* send("/videos")).status, 200)
    }).pipe(Effect.provide(server(options)))
  })
})
