import { createServer } from "node:http"
import { HttpApp, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import {
  Cause,
  Data,
  Deferred,
  Effect,
  Exit,
  Fiber,
  HashMap,
  Layer,
  Logger,
  LogLevel,
  Redacted,
  Ref,
  TestClock
} from "effect"
import {
  memoryReplayStore,
  type VideoEvent,
  WebhookReplayError,
  WebhookStoreError,
  Webhooks,
  webhookHttpApp
} from "effect-videos/Webhook"
import { body, event, now, secret, signed } from "./support/webhook.js"

const live = Webhooks.layer({ secrets: Redacted.make(secret) })

const atNow = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.zipRight(TestClock.setTime(now * 1000), self)

const post = (headers: { readonly [name: string]: string }, sent: BodyInit | null = body) =>
  new Request("http://127.0.0.1/webhooks", { method: "POST", headers, body: sent })

interface AppResponse {
  readonly status: number
  readonly text: string
  readonly headers: { readonly [name: string]: string }
}

/** One request to the endpoint, without a socket. */
const send = <R>(
  app: HttpApp.Default<never, R>,
  request: Request
): Effect.Effect<AppResponse, never, Exclude<R, never>> =>
  Effect.gen(function* () {
    const response = yield* Effect.provideService(
      app,
      HttpServerRequest.HttpServerRequest,
      HttpServerRequest.fromWeb(request)
    )
    const text = yield* Effect.promise(() => HttpServerResponse.toWeb(response).text())
    return { status: response.status, text, headers: response.headers }
  })

const ignore = webhookHttpApp(() => Effect.void)

const codeOf = ({ text }: AppResponse): unknown => JSON.parse(text).error.code

describe("the endpoint", () => {
  it.effect("responds with 204 once the event is handled, and again for the same message without handling it", () =>
    Effect.gen(function* () {
      const taken = yield* Ref.make<ReadonlyArray<VideoEvent>>([])
      const app = webhookHttpApp((decoded) => Ref.update(taken, (before) => [...before, decoded]))
      const headers = yield* signed({})
      for (let index = 0; index < 3; index++) {
        expect(yield* send(app, post(headers))).toMatchObject({ status: 204, text: "" })
      }
      expect(yield* Ref.get(taken)).toMatchObject([{ _tag: "VideoCompleted", id: "evt_1", videoId: "video_1" }])
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect("passes to the handler which secret matched, so that a rotation can be watched", () =>
    Effect.gen(function* () {
      const fitted: Array<number> = []
      const app = webhookHttpApp((_, { secretIndex }) => Effect.sync(() => fitted.push(secretIndex)))
      yield* send(app, post(yield* signed({ id: "old" })))
      yield* send(app, post(yield* signed({ id: "new", secret: "the new one" })))
      expect(fitted).toEqual([1, 0])
    }).pipe(atNow, Effect.provide(Webhooks.layer({ secrets: [Redacted.make("the new one"), Redacted.make(secret)] })))
  )

  it.effect("keeps the body's bytes: spaces, order and escapes are signed as well", () =>
    Effect.gen(function* () {
      const sent = `\n{ "type":"video.failed",  "data": {"id":"video_\\u0031"}, "id":"évt" }\r\n`
      expect(yield* send(ignore, post(yield* signed({ body: sent }), sent))).toMatchObject({ status: 204 })
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect("responds to every fault of a signature alike, so that an attacker learns nothing", () =>
    Effect.gen(function* () {
      const good = yield* signed({})
      const responses = yield* Effect.all([
        send(ignore, post({})),
        send(ignore, post({ ...good, "webhook-signature": "v2,abc" })),
        send(ignore, post({ ...good, "webhook-id": "msg_2" })),
        send(ignore, post({ ...good, "webhook-timestamp": `${now}junk` })),
        send(ignore, post(yield* signed({ timestamp: now - 301 }))),
        send(ignore, post(yield* signed({ timestamp: now + 301 }))),
        send(ignore, post(yield* signed({ secret: "another" }))),
        send(ignore, post(good, body.replace("video_1", "video_2")))
      ])
      expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 401))
      expect(new Set(responses.map(({ text }) => text))).toEqual(
        new Set(['{"error":{"code":"invalid_signature","message":"the webhook is not accepted"}}'])
      )
      expect(yield* send(ignore, post(good))).toMatchObject({ status: 204 })
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect("responds with 400 to a genuine message that is not an event, and to an empty body", () =>
    Effect.gen(function* () {
      for (const sent of ['{"type":42}', "video_1", "null"]) {
        const response = yield* send(ignore, post(yield* signed({ body: sent }), sent))
        expect([response.status, codeOf(response)]).toEqual([400, "invalid_body"])
      }
      expect(yield* send(ignore, post(yield* signed({ body: "" }), null))).toMatchObject({ status: 400 })
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect.each(["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])("responds 405 to %s, and says what it takes", (method) =>
    Effect.gen(function* () {
      const response = yield* send(ignore, new Request("http://127.0.0.1/webhooks", { method }))
      expect(response).toMatchObject({ status: 405, headers: { allow: "POST" } })
    }).pipe(Effect.provide(live))
  )

  it.effect("responds with 413 to a body beyond the limit, declared or not, and accepts one at the limit", () =>
    Effect.gen(function* () {
      const app = webhookHttpApp(() => Effect.void, { maxBodySize: 1000 })
      const sized = (length: number) =>
        JSON.stringify({ ...event, filler: "" }).replace(/""/, () => `"${"x".repeat(length)}"`)
      const at = sized(1000 - sized(0).length)
      const beyond = `${at} `
      expect(yield* send(app, post(yield* signed({ body: at, id: "at" }), at))).toMatchObject({ status: 204 })
      const headers = yield* signed({ body: beyond, id: "beyond" })
      expect(yield* send(app, post(headers, beyond))).toMatchObject({ status: 413 })
      expect(yield* send(app, post({ ...headers, "content-length": "1001" }, beyond))).toMatchObject({ status: 413 })
      // The sender lies.
      expect(yield* send(app, post({ ...headers, "content-length": "1" }, beyond))).toMatchObject({ status: 413 })
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect("stops reading a body that does not end", () =>
    Effect.gen(function* () {
      let sent = 0
      const endless = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          sent += 1000
          controller.enqueue(new Uint8Array(1000))
        }
      })
      const request = new Request("http://127.0.0.1/", { method: "POST", body: endless, duplex: "half" } as RequestInit)
      expect(
        yield* send(
          webhookHttpApp(() => Effect.void, { maxBodySize: 1000 }),
          request
        )
      ).toMatchObject({ status: 413 })
      expect(sent).toBeLessThan(100_000)
    }).pipe(Effect.provide(live))
  )

  it.effect("responds with 409 while the message is being handled", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      const app = webhookHttpApp(() => Effect.zipRight(Deferred.succeed(started, undefined), Deferred.await(end)))
      const headers = yield* signed({})
      const first = yield* Effect.fork(send(app, post(headers)))
      yield* Deferred.await(started)
      expect(yield* send(app, post(headers))).toMatchObject({ status: 409 })
      yield* Deferred.succeed(end, undefined)
      expect(yield* Fiber.join(first)).toMatchObject({ status: 204 })
      expect(yield* send(app, post(headers))).toMatchObject({ status: 204 })
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect("responds with 503 when the replay store fails", () =>
    Effect.gen(function* () {
      expect(yield* send(ignore, post(yield* signed({})))).toMatchObject({ status: 503 })
    }).pipe(
      atNow,
      Effect.provide(
        Webhooks.layer({
          secrets: Redacted.make(secret),
          replayStore: Effect.map(memoryReplayStore(), (store) => ({
            ...store,
            claim: () => new WebhookStoreError({ detail: "down" })
          }))
        })
      )
    )
  )
})

describe("a handler that fails", () => {
  class Broken extends Data.TaggedError("Broken")<{ readonly message: string }> {}

  const failures: ReadonlyArray<readonly [how: string, failure: Effect.Effect<never, Broken | WebhookReplayError>]> = [
    ["with an error of its own", Effect.fail(new Broken({ message: "the disk at /var is full" }))],
    ["with a defect", Effect.die(new Broken({ message: "the disk at /var is full" }))],
    [
      "with one of this module's errors",
      Effect.fail(new WebhookReplayError({ reason: "seen", messageId: "the disk at /var is full", eventId: "" }))
    ]
  ]
  it.effect.each(failures)("%s gets a 500, is logged, and runs again for the next delivery", ([, failure]) =>
    Effect.gen(function* () {
      const runs = yield* Ref.make(0)
      const logs: Array<string> = []
      const logger = Logger.make(({ annotations, cause, message }) => {
        logs.push(`${message} ${Cause.pretty(cause)} ${[...HashMap.entries(annotations)].join()}`)
      })
      const app = webhookHttpApp(() =>
        Effect.flatMap(
          Ref.updateAndGet(runs, (n) => n + 1),
          (n) => (n === 1 ? failure : Effect.void)
        )
      )
      const headers = yield* signed({})
      const response = yield* send(app, post(headers)).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      expect([response.status, codeOf(response)]).toEqual([500, "handler_failed"])
      expect(response.text).not.toContain("disk")
      expect(logs).toHaveLength(1)
      expect(logs[0]).toContain("the disk at /var is full")
      expect(logs[0]).toContain("webhook.id,msg_1")
      expect(logs[0]).not.toContain(secret.slice(6))
      expect(yield* send(app, post(headers))).toMatchObject({ status: 204 })
      expect(yield* Ref.get(runs)).toBe(2)
    }).pipe(atNow, Effect.provide(live))
  )

  it.effect("is interrupted by an interruption, and its message is accepted again", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const app = webhookHttpApp(() => Effect.zipRight(Deferred.succeed(started, undefined), Effect.never))
      const headers = yield* signed({})
      const fiber = yield* Effect.fork(send(app, post(headers)))
      yield* Deferred.await(started)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      expect(yield* send(ignore, post(headers))).toMatchObject({ status: 204 })
    }).pipe(atNow, Effect.provide(live))
  )
})

describe("the path of the endpoint", () => {
  it.scoped("a web handler, as workers have it, responds without a socket", () =>
    Effect.gen(function* () {
      const handler = HttpApp.toWebHandlerRuntime(yield* Effect.runtime<Webhooks>())(ignore)
      const headers = yield* signed({})
      const statusOf = (request: Request) =>
        Effect.map(
          Effect.promise(() => handler(request)),
          ({ status }) => status
        )
      expect(yield* statusOf(post(headers))).toBe(204)
      expect(yield* statusOf(post({}))).toBe(401)
    }).pipe(atNow, Effect.provide(live))
  )

  const server = NodeHttpServer.layer(() => createServer({ keepAliveTimeout: 1 }), { port: 0, host: "127.0.0.1" })

  it.scopedLive("a Node server accepts a delivery, and responds with 413 even before the end of the body", () =>
    Effect.gen(function* () {
      yield* HttpServer.serveEffect(ignore)
      const url = yield* HttpServer.addressFormattedWith(Effect.succeed)
      const send = (headers: { readonly [name: string]: string }, sent: BodyInit) =>
        Effect.promise(async () => {
          const init = { method: "POST", headers, body: sent, duplex: "half" }
          return (await fetch(url, init as RequestInit)).status
        })
      const timestamp = Math.floor(Date.now() / 1000)
      const headers = yield* signed({ timestamp })
      expect(yield* send(headers, body)).toBe(204)
      expect(yield* send(headers, body)).toBe(204)
      expect(yield* send({}, body)).toBe(401)
      expect(yield* send(headers, "x".repeat(300 * 1024))).toBe(413)
      const parts = Array.from({ length: 30 }, () => new Uint8Array(10 * 1024))
      const chunked = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          const part = parts.pop()
          if (part === undefined) controller.close()
          else controller.enqueue(part)
        }
      })
      expect(yield* send(headers, chunked)).toBe(413)
      expect(yield* send(yield* signed({ timestamp, body: "" }), "")).toBe(400)
    }).pipe(Effect.provide(Layer.mergeAll(live, server, Logger.minimumLogLevel(LogLevel.Error))))
  )
})
