/** The path of a clip, checked before a job is paid for: it can be written, and no other process writes to it. */
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { FileSystem } from "@effect/platform"
import { SystemError } from "@effect/platform/Error"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Either, Fiber, Layer, Stream } from "effect"
import { createAndWatch, VideosFetch } from "effect-videos"
import { type ContinueVideoOptions, continueVideo } from "effect-videos/continue"
import { type DownloadToFileOptions, downloadVideoToFile } from "effect-videos/Transfer"
import { folder } from "./support/films.js"
import { inTurn, json, type Reply, reset, serve, text } from "./support/server.js"
import { clip, makeFolder, other, ranged, reasonOf, savedOf, startOf, tagged } from "./support/transfer.js"
import { atOnce, videosOver } from "./support/videos.js"

const job = (status = "completed") => ({ id: "video_9", object: "video", status })

const isSubmission = ({ method }: { readonly method: string }) => method === "POST"

/** A server that extends; `content` is what it has of the extension. */
const extending = (content: Reply = ranged(clip), extension: Reply = json(200, job())) =>
  Effect.gen(function* () {
    const at = yield* folder
    const server = yield* serve((response, request, index) => {
      if (request.method === "POST") return extension(response, request, index)
      return (request.url.endsWith("/content") ? content : json(200, job()))(response, request, index)
    })
    const provided = Effect.provide([videosOver(server, {}, VideosFetch.layer), NodeContext.layer])
    return {
      at,
      server,
      provided,
      submissions: () => server.requests.filter(isSubmission).length,
      go: (path: string, options: ContinueVideoOptions = {}) =>
        provided(continueVideo({ video: "video_0", prompt: "a boat passes", seconds: 4 }, path, options)),
      save: (path: string, options: DownloadToFileOptions = {}) =>
        provided(downloadVideoToFile("video_9", path, { retry: atOnce(1), ...options }))
    }
  })

const left = (at: string) => fs.readdirSync(at).sort()

/** The longest file name, of characters of this number of bytes. */
const longest = (character: string) => {
  const count = Math.floor((255 - 4) / Buffer.byteLength(character))
  return `${character.repeat(count)}.mp4`
}

describe("a path that cannot be written", () => {
  const table: ReadonlyArray<readonly [string, string, (at: string) => void, (at: string) => string]> = [
    ["a name of 256 bytes", "write", () => {}, (at) => join(at, `${"n".repeat(252)}.mp4`)],
    ["128 letters of two bytes", "write", () => {}, (at) => join(at, `${"ü".repeat(126)}.mp4`)],
    ["a parent that is a file", "write", (at) => fs.writeFileSync(join(at, "f"), ""), (at) => join(at, "f/x.mp4")],
    ["a parent that is not there", "write", () => {}, (at) => join(at, "none/x.mp4")],
    ["a directory", "invalidPath", (at) => fs.mkdirSync(join(at, "d")), (at) => join(at, "d")],
    ["a link to itself", "write", (at) => fs.symlinkSync(join(at, "loop"), join(at, "loop")), (at) => join(at, "loop")],
    ["a part that is a directory", "write", (at) => fs.mkdirSync(join(at, "x.mp4.part")), (at) => join(at, "x.mp4")],
    ["a file system without files", "write", () => {}, () => "/proc/self/x.mp4"]
  ]
  for (const extension of ["auto", "never"] as const) {
    it.scopedLive.each(table)(
      `is refused before anything is sent (extension: ${extension}): %s`,
      ([, reason, make, pathIn]) =>
        Effect.gen(function* () {
          const { at, go, server } = yield* extending()
          make(at)
          const before = left(at)
          const error = yield* Effect.flip(go(pathIn(at), { extension }))
          assert.deepStrictEqual([reasonOf(error), "videoId" in error && error.videoId], [reason, null])
          assert.deepStrictEqual(server.requests, [])
          assert.deepStrictEqual(left(at), before)
        })
    )
  }

  it.scopedLive("is refused before anything is sent: one on a file system that is mounted to be read only", () =>
    Effect.gen(function* () {
      const { go, server } = yield* extending()
      // Not each system has one, or lets a test mount one.
      const readOnly = ["/sys/kernel", "/proc/sys"].find((path) => fs.existsSync(path))
      if (readOnly === undefined) return
      assert.deepInclude(yield* Effect.flip(go(join(readOnly, "x.mp4"))), { _tag: "FileError", reason: "write" })
      assert.deepStrictEqual(server.requests, [])
    })
  )

  it.scopedLive("is refused before anything is sent: a full disk", () =>
    Effect.gen(function* () {
      const { at, server } = yield* extending()
      const full = new SystemError({
        module: "FileSystem",
        method: "writeFile",
        reason: "Unknown",
        description: "ENOSPC"
      })
      const files = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (real) => ({
          ...real,
          writeFileString: (path: string) => Effect.zipRight(real.writeFileString(path, ""), Effect.fail(full))
        }))
      ).pipe(Layer.provide(NodeContext.layer))
      const error = yield* continueVideo({ video: "video_0", prompt: "x", seconds: 4 }, join(at, "x.mp4")).pipe(
        Effect.flip,
        Effect.provide([videosOver(server, {}, VideosFetch.layer), NodeContext.layer, files])
      )
      assert.deepInclude(error, { _tag: "FileError", reason: "write", cause: full })
      assert.deepStrictEqual(server.requests, [])
      assert.deepStrictEqual(left(at), [])
    })
  )

  it.scopedLive("leaves no file after a submission that is refused, or interrupted before its response", () =>
    Effect.gen(function* () {
      const refused = yield* extending(undefined, text(401, "no"))
      assert.strictEqual((yield* Effect.flip(refused.go(join(refused.at, "x.mp4"))))._tag, "AuthenticationError")
      assert.deepStrictEqual(left(refused.at), [])
      const arrived = yield* Deferred.make<void>()
      const silent = yield* extending(undefined, () => Deferred.unsafeDone(arrived, Effect.void))
      const fiber = yield* Effect.fork(silent.go(join(silent.at, "x.mp4")))
      yield* Deferred.await(arrived)
      assert.deepStrictEqual(left(silent.at), ["x.mp4.part", "x.mp4.part.lock"])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(left(silent.at), [])
    })
  )
})

/** A part of it, with a proper end. */
const beginning: Reply = (response) => {
  response.writeHead(206, { "content-range": "bytes 0-99999/300000", ...tagged }).end(clip.subarray(0, 100_000))
}

describe("a long name", () => {
  it.scopedLive.each(["n", "ü", "語", "🎬"])("of 255 bytes is saved, and its part is gone on with: %s", (character) =>
    Effect.gen(function* () {
      const { at, go, save, server } = yield* extending(inTurn(beginning, ranged(clip)))
      const path = join(at, longest(character))
      const error = yield* Effect.flip(save(path, { retry: atOnce(0) }))
      assert.strictEqual(error._tag, "IncompleteDownloadError")
      const names = left(at)
      assert.strictEqual(names.length, 2)
      for (const name of names) assert.isAtMost(Buffer.byteLength(name), 255)
      const file = yield* save(path, { retry: atOnce(3) })
      assert.deepInclude(file, { path: fs.realpathSync(path), resumedFrom: 100_000 })
      assert.isTrue(fs.readFileSync(path).equals(clip))
      assert.deepStrictEqual(left(at), [longest(character)])
      fs.rmSync(path)
      yield* go(path)
      assert.deepStrictEqual(left(at), [longest(character)])
      assert.strictEqual(server.requests.filter(isSubmission).length, 1)
    })
  )

  it.scopedLive("has a partial file of its own even if another name begins alike", () =>
    Effect.gen(function* () {
      const { at, save } = yield* extending(beginning)
      for (const end of ["a", "b"])
        yield* Effect.flip(save(join(at, `${"n".repeat(245)}${end}.mp4`), { retry: atOnce(0) }))
      assert.strictEqual(left(at).filter((name) => name.endsWith(".part")).length, 2)
    })
  )
})

describe("two calls for one path", () => {
  const spellings: ReadonlyArray<readonly [string, (at: string) => string]> = [
    ["the same", (at) => join(at, "x.mp4")],
    ["with dots", (at) => `${at}/./sub/../x.mp4`],
    ["through a linked directory", (at) => join(at, "linked/x.mp4")],
    ["by a link to a file that is not there", (at) => join(at, "link.mp4")],
    ["with a slash too many", (at) => `${at}//x.mp4`]
  ]
  it.scopedLive.each(spellings)("pay once on a server that extends: %s", ([, spelled]) =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* extending()
      fs.mkdirSync(join(at, "sub"))
      fs.symlinkSync(at, join(at, "linked"))
      fs.symlinkSync("x.mp4", join(at, "link.mp4"))
      const calls = [go(join(at, "x.mp4")), go(spelled(at))]
      const ends = yield* Effect.all(calls.map(Effect.either), { concurrency: "unbounded" })
      const tags = ends.map((end) => (Either.isLeft(end) ? reasonOf(end.left) : end.right.way))
      assert.sameMembers(tags, ["extended", "busy"])
      assert.strictEqual(submissions(), 1)
      assert.isTrue(fs.readFileSync(join(at, "x.mp4")).equals(clip))
    })
  )

  /** As another process would have left it. */
  const lock = (at: string, pid: number, videoId: string | null = null, started: string | null = null) =>
    fs.writeFileSync(join(at, "x.mp4.part.lock"), JSON.stringify({ pid, started, videoId }))

  const living = Effect.acquireRelease(
    Effect.sync(() => spawn("sleep", ["1000"], { stdio: "ignore" })),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

  const gone = Effect.sync(() => spawnSync("true").pid)

  it.scopedLive("are one call and an error that names the other process", () =>
    Effect.gen(function* () {
      const { at, go, save, server } = yield* extending()
      const { pid = 0 } = yield* living
      lock(at, pid, "video_7")
      for (const call of [Effect.asVoid(go(join(at, "x.mp4"))), Effect.asVoid(save(join(at, "x.mp4")))]) {
        const error = yield* Effect.flip(call)
        assert.deepInclude(error, { _tag: "FileError", reason: "busy", pid, videoId: "video_7" })
        assert.include(error.message, `process ${pid} is writing to ${join(at, "x.mp4")} (video video_7)`)
      }
      assert.deepStrictEqual(server.requests, [])
      assert.deepStrictEqual(left(at), ["x.mp4.part.lock"])
    })
  )

  it.scopedLive("succeed if the other process was killed before it had a job", () =>
    Effect.gen(function* () {
      const { at, go } = yield* extending()
      lock(at, yield* gone)
      fs.writeFileSync(join(at, "x.mp4.part"), "")
      yield* go(join(at, "x.mp4"))
      assert.deepStrictEqual(left(at), ["x.mp4"])
    })
  )

  it.scopedLive.skipIf(process.platform !== "linux")(
    "are no trouble where a later process has the number of the first",
    () =>
      Effect.gen(function* () {
        const { at, go } = yield* extending()
        lock(at, (yield* living).pid ?? 0, null, "1")
        yield* go(join(at, "x.mp4"))
        assert.deepStrictEqual(left(at), ["x.mp4"])
      })
  )

  it.scopedLive(
    "do not pay again for what a killed process has paid for: the error names the job, which can be saved",
    () =>
      Effect.gen(function* () {
        const { at, go, save, submissions } = yield* extending()
        lock(at, yield* gone, "video_9")
        const error = yield* Effect.flip(go(join(at, "x.mp4"), { overwrite: true }))
        assert.deepInclude(error, { _tag: "FileError", reason: "busy", pid: null, videoId: "video_9" })
        assert.include(error.message, "is reserved for video video_9")
        assert.strictEqual(submissions(), 0)
        yield* save(join(at, "x.mp4"))
        assert.deepStrictEqual(left(at), ["x.mp4"])
      })
  )

  it.scopedLive("find the job's id beside the path while it runs", () =>
    Effect.gen(function* () {
      const reading = yield* Deferred.make<void>()
      const { at, go } = yield* extending(() => Deferred.unsafeDone(reading, Effect.void))
      const fiber = yield* Effect.fork(go(join(at, "x.mp4")))
      yield* Deferred.await(reading)
      const found = JSON.parse(fs.readFileSync(join(at, "x.mp4.part.lock"), "utf8"))
      assert.deepInclude(found, { pid: process.pid, videoId: "video_9" })
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(left(at), [])
    })
  )
})

describe("a file that appears meanwhile", () => {
  const appearing = (at: string) => (response: Parameters<Reply>[0], request: Parameters<Reply>[1], index: number) => {
    fs.writeFileSync(join(at, "x.mp4"), "mine")
    ranged(clip)(response, request, index)
  }

  it.scopedLive("is not replaced, and the error names the job that was paid for", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const { go } = yield* extending(appearing(at))
      const error = yield* Effect.flip(go(join(at, "x.mp4")))
      assert.deepInclude(error, { _tag: "FileError", reason: "exists", videoId: "video_9" })
      assert.strictEqual(fs.readFileSync(join(at, "x.mp4"), "utf8"), "mine")
    })
  )

  /** It appears between the last check and the naming. */
  it.scopedLive.each(["hard links", "no hard links"])("at the last moment is not replaced: %s", (links) =>
    Effect.gen(function* () {
      const { at, server } = yield* extending()
      const none = new SystemError({ module: "FileSystem", method: "link", reason: "Unknown", description: "ENOTSUP" })
      const files = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (real) => ({
          ...real,
          link: (from: string, to: string) =>
            Effect.zipRight(
              real.writeFileString(to, "mine"),
              links === "hard links" ? real.link(from, to) : Effect.fail(none)
            )
        }))
      ).pipe(Layer.provide(NodeContext.layer))
      const error = yield* downloadVideoToFile("video_9", join(at, "x.mp4")).pipe(
        Effect.flip,
        Effect.provide([videosOver(server, {}, VideosFetch.layer), NodeContext.layer, files])
      )
      assert.deepInclude(error, { _tag: "FileError", reason: "exists" })
      assert.strictEqual(fs.readFileSync(join(at, "x.mp4"), "utf8"), "mine")
    })
  )

  it.scopedLive("is not needed: a file system without hard links has the whole file in the end", () =>
    Effect.gen(function* () {
      const { at, server } = yield* extending()
      const none = new SystemError({ module: "FileSystem", method: "link", reason: "Unknown", description: "EPERM" })
      const files = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (real) => ({ ...real, link: () => Effect.fail(none) }))
      ).pipe(Layer.provide(NodeContext.layer))
      yield* downloadVideoToFile("video_9", join(at, "x.mp4")).pipe(
        Effect.provide([videosOver(server, {}, VideosFetch.layer), NodeContext.layer, files])
      )
      assert.isTrue(fs.readFileSync(join(at, "x.mp4")).equals(clip))
      assert.deepStrictEqual(left(at), ["x.mp4"])
    })
  )
})

describe("an error after a submission", () => {
  it.scopedLive.each([
    ["a download that breaks", reset, "TransportError"],
    ["a key that is not accepted any more", text(401, "no"), "AuthenticationError"],
    ["too many requests", text(429, "no"), "RateLimitedError"],
    ["a server that fails", text(500, "no"), "ServerError"],
    ["a page", text(200, "<html>", { "content-type": "text/html" }), "ResponseDecodeError"],
    ["a redirect elsewhere", text(302, "", { location: "file:///x" }), "RedirectError"]
  ] as ReadonlyArray<readonly [string, Reply, string]>)("names the job: %s", ([, content, tag]) =>
    Effect.gen(function* () {
      const { at, go, submissions } = yield* extending(content)
      const error = yield* Effect.flip(go(join(at, "x.mp4"), { download: { retry: atOnce(0) } }))
      assert.deepStrictEqual([error._tag, "videoId" in error && error.videoId], [tag, "video_9"])
      assert.include(error.message, "video_9")
      assert.strictEqual(submissions(), 1)
      assert.deepStrictEqual(left(at), [])
    })
  )

  it.scopedLive("names the job if a watch fails", () =>
    Effect.gen(function* () {
      const server = yield* serve((response, request, index) =>
        (request.method === "POST" ? json(200, job("queued")) : text(401, "no"))(response, request, index)
      )
      const error = yield* Stream.runDrain(createAndWatch({ prompt: "x" })).pipe(
        Effect.flip,
        Effect.provide(videosOver(server, {}, VideosFetch.layer))
      )
      assert.deepInclude(error, { _tag: "AuthenticationError", videoId: "video_9" })
      assert.match(error.message, /; the job is video_9$/)
    })
  )
})

describe("a link as the target", () => {
  it.scopedLive.each([true, false])("is followed and stays a link (its file is there: %s)", (isThere) =>
    Effect.gen(function* () {
      const { at, save } = yield* extending()
      fs.mkdirSync(join(at, "sub"))
      fs.symlinkSync("sub/real.mp4", join(at, "link.mp4"))
      if (isThere) {
        fs.writeFileSync(join(at, "sub/real.mp4"), "old")
        assert.strictEqual(reasonOf(yield* Effect.flip(save(join(at, "link.mp4")))), "exists")
      }
      yield* save(join(at, "link.mp4"), { overwrite: isThere })
      assert.strictEqual(fs.readlinkSync(join(at, "link.mp4")), "sub/real.mp4")
      assert.isTrue(fs.readFileSync(join(at, "sub/real.mp4")).equals(clip))
      assert.deepStrictEqual(left(join(at, "sub")), ["real.mp4"])
    })
  )

  it.scopedLive("does not lead out of a directory that was given", () =>
    Effect.gen(function* () {
      const { at, save, server } = yield* extending()
      fs.mkdirSync(join(at, "in"))
      fs.symlinkSync("../out.mp4", join(at, "in/link.mp4"))
      fs.symlinkSync("/dev/null", join(at, "in/null"))
      for (const name of ["link.mp4", "null"]) {
        const error = yield* Effect.flip(save(name, { directory: join(at, "in"), overwrite: true }))
        assert.deepInclude(error, { _tag: "FileError", reason: "invalidPath", problem: "outside" })
      }
      assert.deepStrictEqual(server.requests, [])
    })
  )
})

describe.skipIf(process.platform === "win32")("a path that is not a regular file", () => {
  it.scopedLive("is written to and stays what it is: a device", () =>
    Effect.gen(function* () {
      const { go, save } = yield* extending()
      for (const overwrite of [true, false]) {
        assert.deepInclude(yield* save("/dev/null", { overwrite }), { path: "/dev/null", bytes: clip.byteLength })
      }
      assert.deepInclude(yield* go("/dev/null"), { path: "/dev/null", way: "extended" })
      assert.isTrue(fs.statSync("/dev/null").isCharacterDevice())
      assert.isEmpty(fs.readdirSync("/dev").filter((name) => name.startsWith("null.")))
    })
  )

  it.scopedLive("is written to and stays what it is: a named pipe", () =>
    Effect.gen(function* () {
      const { at, save } = yield* extending()
      const path = join(at, "pipe")
      spawnSync("mkfifo", [path])
      const [bytes, file] = yield* Effect.all(
        [Effect.promise(() => fs.promises.readFile(path)), save(path, { overwrite: true })],
        { concurrency: "unbounded" }
      )
      assert.isTrue(bytes.equals(clip))
      assert.deepInclude(file, { path, bytes: clip.byteLength })
      assert.isTrue(fs.statSync(path).isFIFO())
      assert.deepStrictEqual(left(at), ["pipe"])
    })
  )

  it.scopedLive("does not hold up an interruption: a named pipe without a reader", () =>
    Effect.gen(function* () {
      const { at, server } = yield* extending()
      const path = join(at, "pipe")
      spawnSync("mkfifo", [path])
      const opening = yield* Deferred.make<void>()
      const files = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (real) => ({
          ...real,
          open: (name: string, options?: FileSystem.OpenFileOptions) =>
            Effect.zipRight(Deferred.succeed(opening, void 0), real.open(name, options))
        }))
      ).pipe(Layer.provide(NodeContext.layer))
      const fiber = yield* downloadVideoToFile("video_9", path).pipe(
        Effect.provide([videosOver(server, {}, VideosFetch.layer), NodeContext.layer, files]),
        Effect.fork
      )
      yield* Deferred.await(opening)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(server.requests, [])
      assert.isTrue(fs.statSync(path).isFIFO())
    })
  )

  it.scopedLive.skipIf(!fs.existsSync("/dev/full"))(
    "fails with an error that names the job if it accepts no more bytes",
    () =>
      Effect.gen(function* () {
        const { go } = yield* extending()
        assert.deepInclude(yield* Effect.flip(go("/dev/full")), {
          _tag: "FileError",
          reason: "write",
          videoId: "video_9"
        })
      })
  )

  it.scopedLive("is refused if it cannot be opened: a socket", () =>
    Effect.gen(function* () {
      const { at, go, server } = yield* extending()
      const path = join(at, "socket")
      const net = yield* Effect.promise(() => import("node:net"))
      yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof net.createServer>>((resume) => {
          const listening = net.createServer().listen(path, () => resume(Effect.succeed(listening)))
        }),
        (listening) => Effect.sync(() => listening.close())
      )
      const error = yield* Effect.flip(go(path, { overwrite: true }))
      assert.deepInclude(error, { _tag: "FileError", reason: "invalidPath", problem: "socket" })
      assert.deepStrictEqual(server.requests, [])
    })
  )
})

describe("a part after a power cut", () => {
  const big = Buffer.concat(Array.from({ length: 6 }, (_, index) => (index % 2 === 0 ? clip : other)))
  const note = { videoId: "video_9", variant: "", validator: '"v1"', etag: '"v1"', total: big.byteLength }
  const mebi = 1024 * 1024
  const ending = (part: Buffer, filler: number | string, length: number) => part.fill(filler, part.byteLength - length)
  const table: ReadonlyArray<
    readonly [string, number, (part: Buffer) => Buffer, { readonly saved?: number }, Reply, number | null]
  > = [
    ["whose last page is zeros", 1_500_000, (part) => ending(part, 0, 4096), {}, ranged(big), 1_500_000 - mebi],
    [
      "whose last 700 kB are garbage",
      1_500_000,
      (part) => ending(part, "?", 700_000),
      {},
      ranged(big),
      1_500_000 - mebi
    ],
    ["that is shorter than a MiB", 1000, (part) => ending(part, 0, 100), {}, ranged(big), null],
    ["that has its whole length", big.byteLength, (part) => ending(part, 0, 9), {}, ranged(big), big.byteLength - mebi],
    [
      "that is not what was noted",
      1_500_000,
      (part) => ending(part, 0, 9),
      { saved: 1_500_000 },
      ranged(big),
      1_500_000 - mebi
    ],
    ["that has grown since", 1_500_000, (part) => part, { saved: 1_200_000 }, ranged(big), 1_500_000 - mebi],
    [
      "of a server that ignores ranges",
      1_500_000,
      (part) => ending(part, 0, 9),
      {},
      (response) => {
        response.writeHead(200, { "content-length": String(big.byteLength), ...tagged }).end(big)
      },
      1_500_000 - mebi
    ],
    [
      "of a version that is gone",
      1_500_000,
      (part) => ending(part, 0, 9),
      {},
      ranged(big, { etag: '"v2"' }),
      1_500_000 - mebi
    ],
    ["that is as it was noted", 1_500_000, (part) => part, { saved: 1_500_000 }, ranged(big), 1_500_000]
  ]
  it.scopedLive.each(table)("%s makes the right file", ([, length, spoil, { saved }, content, start]) =>
    Effect.gen(function* () {
      const { folder, list, read } = yield* makeFolder
      const { save, server } = yield* extending(content)
      const whole = Buffer.from(big.subarray(0, length))
      const noted = saved === undefined ? note : { ...note, saved: savedOf(whole.subarray(0, saved)) }
      fs.writeFileSync(`${folder}/x.mp4.part.json`, JSON.stringify(noted))
      fs.writeFileSync(`${folder}/x.mp4.part`, spoil(Buffer.from(whole)))
      yield* save(`${folder}/x.mp4`)
      assert.isTrue((yield* read("x.mp4")).equals(big))
      assert.deepStrictEqual(yield* list, ["x.mp4"])
      assert.strictEqual(startOf(server.requests[0]?.headers.range), start)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("is not overwritten if it is another name of a file", () =>
    Effect.gen(function* () {
      const { at, save } = yield* extending()
      fs.writeFileSync(join(at, "x.mp4.part"), "mine, whole")
      fs.linkSync(join(at, "x.mp4.part"), join(at, "mine.mp4"))
      fs.writeFileSync(join(at, "x.mp4.part.json"), JSON.stringify({ ...note, total: null }))
      yield* save(join(at, "x.mp4"))
      assert.strictEqual(fs.readFileSync(join(at, "mine.mp4"), "utf8"), "mine, whole")
      assert.isTrue(fs.readFileSync(join(at, "x.mp4")).equals(clip))
    })
  )
})
