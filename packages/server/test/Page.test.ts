/** Routes and events of the live page; PageBrowser.test.ts tests its appearance. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Fault, type InProcessOptions, VideosServer } from "@effect-videos/server"
import { Clock, Effect, Exit, Fiber, Layer, Redacted, Scope, Supervisor, TestClock } from "effect"
import type { Frames, JobView } from "../src/page/frames.js"
import { errorOf, idOf, instant, make, post, postForm, remove, segment, send } from "./support.js"

const page = (options: InProcessOptions = {}) => VideosServer.layerInProcess({ page: true, ...options })

const originOf = Effect.map(VideosServer, ({ baseUrl }) => new URL(baseUrl).origin)

/** Sends a request to a path of the origin, without a socket. */
const ask = (path: string, init?: RequestInit) => Effect.flatMap(originOf, (origin) => send(origin + path, init))

interface EventReader {
  /** Returns all text received so far. */
  readonly text: () => string
  readonly frames: <Name extends keyof Frames>(name: Name) => ReadonlyArray<Frames[Name]>
  /** Reads until the predicate is true. */
  readonly until: (isEnough: () => boolean) => Effect.Effect<void>
  /** Reads to the end, and returns whether the stream ended without an error. */
  readonly ended: Effect.Effect<boolean>
  readonly leave: Effect.Effect<void>
}

/** Reads the events as the page does. */
const listen = (fetch: typeof globalThis.fetch, origin: string, init: RequestInit = {}): Effect.Effect<EventReader> =>
  Effect.promise(async () => {
    const connection = new AbortController()
    const response = await fetch(`${origin}/_events`, { ...init, signal: connection.signal })
    assert.strictEqual(response.status, 200)
    assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
    if (response.body === null) throw new Error("no body")
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ""
    const more = async (): Promise<boolean> => {
      const { done, value = "" } = await reader.read()
      text += value
      return !done
    }
    const until = async (isEnough: () => boolean): Promise<void> => {
      while (!isEnough()) if (!(await more())) throw new Error(`the events ended: ${text}`)
    }
    const toEnd = async (): Promise<boolean> => {
      try {
        while (await more());
        return true
      } catch {
        return false
      }
    }
    const frames = <Name extends keyof Frames>(name: Name): ReadonlyArray<Frames[Name]> =>
      [...text.matchAll(/^event: (\w+)\ndata: (.*)\n\n/gm)].flatMap(([, event, data = ""]) =>
        event === name ? [JSON.parse(data) as Frames[Name]] : []
      )
    return {
      text: () => text,
      frames,
      until: (isEnough) => Effect.promise(() => until(isEnough)),
      ended: Effect.promise(toEnd),
      leave: Effect.sync(() => connection.abort())
    }
  })

const events = (init?: RequestInit) =>
  Effect.flatMap(VideosServer, ({ baseUrl, fetch }) => listen(fetch, new URL(baseUrl).origin, init))

/** Returns the last view of each job. */
const jobsIn = ({ frames }: EventReader): ReadonlyArray<JobView> => [
  ...new Map(frames("jobs").flatMap(({ changed }) => changed.map((view) => [view.id, view] as const))).values()
]

const phasesIn = (reader: EventReader) =>
  reader.frames("jobs").flatMap(({ changed }) => changed.map(({ phase, progress }) => `${phase} ${progress}`))

/** Waits for one turn of the event loop. */
const turn = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Reads while the clock of the server advances. */
const untilLater = (reader: EventReader, isEnough: () => boolean) =>
  Effect.gen(function* () {
    const reading = yield* Effect.fork(reader.until(isEnough))
    // The reader waits for real promises, which the test clock does not drive.
    while (!isEnough()) {
      yield* TestClock.adjust("100 millis")
      yield* turn
    }
    yield* Fiber.join(reading)
  })

describe("the page", { timeout: 60_000 }, () => {
  it.live("is at the root, and loads everything from its origin", () =>
    Effect.gen(function* () {
      const origin = yield* originOf
      yield* Effect.promise(async () => {
        const response = await fetch(origin)
        assert.strictEqual(response.status, 200)
        assert.strictEqual(response.headers.get("content-type"), "text/html; charset=utf-8")
        const policy = response.headers.get("content-security-policy") ?? ""
        assert.match(policy, /^default-src 'self';/)
        assert.notMatch(policy, /unsafe|https?:|\*|data:/)
        const html = await response.text()
        // A content security policy would block these silently.
        assert.notMatch(html, /\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)|javascript:/i)
        const addresses = [...html.matchAll(/\s(?:src|href)="([^"#][^"]*)"/g)].map(([, address = ""]) => address)
        assert.deepStrictEqual(addresses.sort(), ["/_page/icon.svg", "/_page/script.js", "/_page/style.css"])
        const types = ["image/svg+xml", "text/javascript; charset=utf-8", "text/css; charset=utf-8"]
        for (const [index, address] of addresses.entries()) {
          const part = await fetch(origin + address)
          assert.deepStrictEqual([part.status, part.headers.get("content-type")], [200, types[index]])
          assert.notMatch(await part.text(), /(?:url\(|@import|import |fetch\(")\s*["']?https?:/)
        }
      })
    }).pipe(Effect.provide(VideosServer.layer({ page: true })))
  )

  it.live("matches its source files", () =>
    Effect.promise(
      () =>
        new Promise<void>((resolve, reject) => {
          const script = fileURLToPath(new URL("../../../scripts/page.mjs", import.meta.url))
          execFile(process.execPath, [script, "--check"], (error, _, stderr) =>
            error === null ? resolve() : reject(new Error(stderr))
          )
        })
    )
  )

  it.effect.each(["/", "/_events", "/_page/script.js", "/_faults"])("is 404 by default: %s", (path) =>
    Effect.map(ask(path), ({ status }) => assert.strictEqual(status, 404)).pipe(
      Effect.provide(VideosServer.layerInProcess())
    )
  )

  it.effect("has only its own paths, and only GET and HEAD", () =>
    Effect.gen(function* () {
      for (const path of ["/_page/", "/_page/constructor", "/_page/videos/x/spritesheet", "/_page/videos/%zz/video"]) {
        assert.strictEqual((yield* ask(path)).status, 404, path)
      }
      assert.deepInclude(errorOf(yield* ask("/_page/videos/video_1/video")), { code: "video_not_found" })
      for (const path of ["/", "/_events"]) {
        const { headers, status } = yield* ask(path, { method: "POST" })
        assert.deepStrictEqual([status, headers.get("allow")], [405, "GET, HEAD"])
        assert.deepInclude(yield* ask(path, { method: "HEAD" }), { status: 200, bytes: new Uint8Array(0) })
      }
    }).pipe(Effect.provide(page()))
  )

  it.effect("cannot be read by other origins", () =>
    Effect.gen(function* () {
      const init = { headers: { origin: "https://elsewhere.invalid" } }
      const { headers } = yield* ask("/", init)
      assert.isNull(headers.get("access-control-allow-origin"))
      assert.isNull((yield* ask("/_page/script.js", init)).headers.get("access-control-allow-origin"))
      assert.strictEqual((yield* send("/videos", init)).headers.get("access-control-allow-origin"), "*")
    }).pipe(Effect.provide(page()))
  )

  it.effect("serves files for every dialect, without faults or log entries", () =>
    Effect.gen(function* () {
      const id = yield* make()
      assert.match(id, /[+/=]/)
      const { faults } = yield* VideosServer
      yield* faults.set([{ fault: Fault.status({ status: 500 }) }])
      const before = yield* faults.log
      const picture = yield* ask(`/_page/videos/${segment(id)}/poster`)
      assert.deepStrictEqual([picture.status, picture.headers.get("content-type")], [200, "image/png"])
      const film = yield* ask(`/_page/videos/${segment(id)}/video`, { headers: { range: "bytes=0-9" } })
      assert.deepStrictEqual([film.status, film.headers.get("content-type"), film.bytes.length], [206, "video/mp4", 10])
      assert.deepStrictEqual(yield* faults.log, before)
    }).pipe(Effect.provide(page({ ...instant, dialect: "litellm" })))
  )

  it.effect("shows no data without a key if the server has keys", () =>
    Effect.gen(function* () {
      const bearer = { headers: { authorization: "Bearer sk-page" } }
      const id = idOf(
        yield* send("/videos", {
          method: "POST",
          headers: { ...bearer.headers, "content-type": "application/json" },
          body: JSON.stringify({ prompt: "a lighthouse", size: "64x64" })
        })
      )
      for (const path of ["/_events", `/_page/videos/${id}/video`, `/_page/videos/${id}/poster`, "/_faults"]) {
        assert.strictEqual((yield* ask(path)).status, 401, path)
        assert.strictEqual((yield* ask(path, { headers: { authorization: "Bearer sk-other" } })).status, 401, path)
      }
      for (const path of ["/", "/_page/script.js", "/_page/style.css"]) {
        const { bytes, status } = yield* ask(path)
        assert.strictEqual(status, 200)
        assert.notInclude(new TextDecoder().decode(bytes), "sk-page")
      }
      assert.strictEqual((yield* ask(`/_page/videos/${id}/poster`, bearer)).status, 200)
      const reader = yield* events(bearer)
      yield* reader.until(() => jobsIn(reader).length > 0)
      assert.strictEqual(jobsIn(reader)[0]?.id, id)
      yield* reader.leave
    }).pipe(Effect.provide(page({ ...instant, apiKeys: [Redacted.make("sk-page")] })))
  )
})

describe("the events", { timeout: 60_000 }, () => {
  it.effect("begin with the current state, and follow a job as the clock advances", () =>
    Effect.gen(function* () {
      const reader = yield* events()
      yield* reader.until(() => reader.frames("requests").length > 0)
      assert.deepStrictEqual(reader.frames("jobs"), [{ total: 0, changed: [], gone: [] }])
      assert.deepStrictEqual([reader.frames("faults"), reader.frames("requests")], [[[]], [[]]])
      const [server] = reader.frames("server")
      assert.deepInclude(server, { dialect: "openai", basePath: "/v1", forms: false })
      assert.includeMembers([...(server?.operations ?? [])], ["create", "extend"])

      const id = yield* make({ prompt: "first\nsecond", size: "64x48" })
      yield* untilLater(reader, () => jobsIn(reader).length > 0)
      const { progress: _, ...view } = jobsIn(reader)[0] ?? ({} as JobView)
      assert.deepStrictEqual(view, {
        id,
        operation: "create",
        model: "sora-2",
        prompt: "first\nsecond",
        isPromptTruncated: false,
        size: "64x48",
        seconds: 4,
        phase: "queued",
        secondsLeft: 5,
        createdAt: 0,
        elapsedMillis: 0,
        bytes: null,
        error: null,
        source: null,
        steps: [],
        hasUpload: false,
        descendants: []
      })
      yield* untilLater(reader, () => jobsIn(reader)[0]?.phase === "completed")
      const phases = phasesIn(reader)
      assert.strictEqual(phases[0], "queued 0")
      assert.strictEqual(phases.at(-1), "completed 100")
      const running = phases.flatMap((phase) => (phase.startsWith("in_progress") ? [Number(phase.slice(12))] : []))
      assert.isAtLeast(new Set(running).size, 10)
      assert.deepStrictEqual(
        running,
        [...running].sort((a, b) => a - b)
      )
      yield* reader.leave
    }).pipe(Effect.provide(page({ queueTime: "1 second", runTime: "4 seconds" })))
  )

  it.effect("repeat nothing, except a heartbeat", () =>
    Effect.gen(function* () {
      yield* make()
      const reader = yield* events()
      yield* reader.until(() => reader.frames("requests").length > 0)
      const before = reader.text()
      yield* untilLater(reader, () => reader.text() !== before)
      assert.strictEqual(reader.text().slice(before.length), ": still here\n\n")
      yield* reader.leave
    }).pipe(Effect.provide(page(instant)))
  )

  it.effect("report each change of the server at once", () =>
    Effect.gen(function* () {
      const { faults } = yield* VideosServer
      const reader = yield* events()
      yield* reader.until(() => reader.frames("requests").length > 0)
      const rules = () => reader.frames("faults").at(-1)?.length ?? 0
      const requests = () => reader.frames("requests").flat().length
      const soon = <A>(change: Effect.Effect<A, never, VideosServer>, isReported: () => boolean) =>
        Effect.gen(function* () {
          // All earlier changes are reported.
          yield* TestClock.adjust("300 millis")
          yield* turn
          const before = yield* Clock.currentTimeMillis
          const value = yield* change
          yield* untilLater(reader, isReported)
          assert.isAtMost((yield* Clock.currentTimeMillis) - before, 300)
          return value
        })
      yield* soon(faults.set([{ fault: Fault.hang(), times: 0 }]), () => rules() === 1)
      yield* soon(faults.add({ on: ["list"], fault: Fault.status({ status: 500 }) }), () => rules() === 2)
      yield* soon(send("/videos"), () => requests() === 1 && reader.frames("faults").at(-1)?.[1]?.injected === 1)
      yield* soon(faults.clear, () => rules() === 0)
      const id = yield* soon(make(), () => jobsIn(reader).length === 1)
      yield* soon(remove(`/videos/${id}`), () => reader.frames("jobs").at(-1)?.total === 0)
      assert.deepStrictEqual(reader.frames("jobs").at(-1)?.gone, [id])
      yield* reader.leave
    }).pipe(Effect.provide(page(instant)))
  )

  it.effect("combine many changes into few events", () =>
    Effect.gen(function* () {
      const reader = yield* events()
      yield* reader.until(() => reader.frames("requests").length > 0)
      for (let made = 0; made < 30; made++) yield* Effect.zipRight(send("/videos"), turn)
      yield* untilLater(reader, () => reader.frames("requests").flat().length === 30)
      // The empty state, the first request, and the rest.
      assert.isAtMost(reader.frames("requests").length, 3)
      yield* reader.leave
    }).pipe(Effect.provide(page(instant)))
  )

  it.effect("report expired files at once, not with the next heartbeat", () =>
    Effect.gen(function* () {
      yield* make()
      const reader = yield* events()
      yield* untilLater(reader, () => jobsIn(reader)[0]?.phase === "expired")
      assert.isAtMost(yield* Clock.currentTimeMillis, 5500)
      yield* reader.leave
    }).pipe(Effect.provide(page({ ...instant, expiresAfter: "5 seconds" })))
  )

  it.effect("link derived jobs to their source, also if it is a file or deleted", () =>
    Effect.gen(function* () {
      const root = yield* make()
      const { bytes } = yield* send(`/videos/${root}/content`)
      const extended = idOf(yield* post("/videos/extensions", { video: { id: root }, prompt: "on", seconds: "8" }))
      const remixed = idOf(yield* post(`/videos/${extended}/remix`, { prompt: "at night" }))
      const video = new File([Uint8Array.from(bytes)], "clip.mp4", { type: "video/mp4" })
      const uploaded = idOf(yield* postForm("/videos/extensions", { video, prompt: "on", seconds: "4" }))
      const reader = yield* events()
      yield* reader.until(() => jobsIn(reader).length === 4)
      const ties = () =>
        Object.fromEntries(jobsIn(reader).map(({ descendants, id, source }) => [id, [source, descendants]]))
      assert.deepStrictEqual(ties(), {
        [root]: [null, [extended]],
        [extended]: [{ _tag: "Job", id: root }, [remixed]],
        [remixed]: [{ _tag: "Job", id: extended }, []],
        [uploaded]: [{ _tag: "Upload" }, []]
      })
      yield* remove(`/videos/${root}`)
      yield* untilLater(reader, () => reader.frames("jobs").some(({ gone }) => gone.includes(root)))
      assert.deepStrictEqual(ties()[extended], [{ _tag: "Deleted" }, [remixed]])
      assert.strictEqual(reader.frames("jobs").at(-1)?.total, 3)
      yield* reader.leave
    }).pipe(Effect.provide(page(instant)))
  )

  it.effect("contain the newest jobs, with shortened prompts", () =>
    Effect.gen(function* () {
      const long = "word ".repeat(6000)
      for (let made = 0; made < 120; made++) yield* make({ prompt: made === 119 ? long : `job ${made}` })
      const reader = yield* events()
      yield* reader.until(() => reader.frames("requests").length > 0)
      const [first] = reader.frames("jobs")
      assert.deepStrictEqual([first?.total, first?.changed.length, first?.changed[0]?.prompt], [120, 100, "job 20"])
      assert.isBelow(first?.changed.at(-1)?.prompt.length ?? Infinity, 500)
      yield* reader.leave
    }).pipe(Effect.provide(page(instant)))
  )

  it.live("contain the rules, their injections and the requests", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* VideosServer
      const origin = yield* originOf
      const reader = yield* listen(fetch, origin)
      const rule: Fault.Rule = { on: ["list"], fault: Fault.status({ status: 500 }), times: 1 }
      const set = yield* Effect.promise(() =>
        fetch(`${origin}/_faults`, {
          method: "PUT",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ rules: [rule] })
        })
      )
      assert.strictEqual(set.status, 200)
      yield* reader.until(() => reader.frames("faults").at(-1)?.length === 1)
      assert.deepStrictEqual(reader.frames("faults").at(-1), [{ rule, injected: 0 }])
      const [bad, good] = yield* Effect.promise(async () => [
        await fetch(`${baseUrl}/videos`),
        await fetch(`${baseUrl}/videos`)
      ])
      assert.deepStrictEqual([bad?.status, good?.status], [500, 200])
      const requests = () => reader.frames("requests").flat()
      yield* reader.until(() => requests().length === 2 && reader.frames("faults").at(-1)?.[0]?.injected === 1)
      assert.deepStrictEqual(
        requests().map(({ fault, operation, path }) => [operation, path, fault?._tag ?? null]),
        [
          ["list", "/v1/videos", "Status"],
          ["list", "/v1/videos", null]
        ]
      )
      yield* reader.leave
    }).pipe(Effect.provide(VideosServer.layer({ page: true })))
  )

  it.live("leave no fiber running when the page is closed", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.track
      const server = VideosServer.layer({ page: true }).pipe(Layer.provide(Supervisor.addSupervisor(supervisor)))
      yield* Effect.gen(function* () {
        const origin = yield* originOf
        const running = Effect.map(supervisor.value, (fibers) => fibers.length)
        const before = yield* running
        const pages = yield* Effect.all(Array.from({ length: 5 }, () => listen(fetch, origin)))
        yield* Effect.forEach(pages, (reader) => reader.until(() => reader.frames("requests").length > 0))
        assert.isAtLeast((yield* running) - before, 5)
        yield* Effect.forEach(pages, ({ leave }) => leave)
        yield* Effect.repeat(Effect.delay(running, "20 millis"), { until: (count) => count === before })
      }).pipe(Effect.provide(server))
    })
  )

  it.live("end with the server", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(VideosServer.layer({ page: true }), scope)
      const reader = yield* Effect.provide(
        Effect.flatMap(originOf, (origin) => listen(fetch, origin)),
        context
      )
      yield* reader.until(() => reader.frames("requests").length > 0)
      const ended = yield* Effect.fork(reader.ended)
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(ended)
    })
  )
})
