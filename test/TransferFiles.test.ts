import * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schema, Stream, TestClock } from "effect"
import { TransportError, Videos } from "effect-videos"
import { type DownloadToFileOptions, downloadVideoToFile, FileError } from "effect-videos/Transfer"
import { hang, type Reply, serve, type TestServer } from "./support/server.js"
import { clip, makeFolder, other, ranged, savedOf, startOf, tagged } from "./support/transfer.js"
import { atOnce, videosOver } from "./support/videos.js"

addEqualityTesters()

const over = (server: { readonly baseUrl: string }) =>
  Layer.merge(videosOver(server, {}, NodeHttpClient.layerUndici), NodeContext.layer)

const download = (server: TestServer, path: string, options?: DownloadToFileOptions) =>
  Effect.provide(downloadVideoToFile("video_1", path, { retry: atOnce(1), ...options }), over(server))

const systemError = (fields: { readonly reason: PlatformError.SystemErrorReason; readonly description: string }) =>
  new PlatformError.SystemError({ module: "FileSystem", method: "write", ...fields })

const full = systemError({ reason: "Unknown", description: "ENOSPC: no space left on device, write" })

/** This machine's files, but for what a test changes. */
const filesWith = (change: (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({ ...fs, ...change(fs) }))
  ).pipe(Layer.provide(NodeContext.layer))

/** An open file, but for what a test changes. */
const fileWith = (file: FileSystem.File, change: PropertyDescriptorMap): FileSystem.File => Object.create(file, change)

describe("a path", () => {
  const sub = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const home = yield* makeFolder
    yield* fs.makeDirectory(`${home.folder}/in/sub`, { recursive: true })
    yield* fs.symlink(home.folder, `${home.folder}/in/out`)
    return home
  })

  const table: ReadonlyArray<readonly [string, string]> = [
    ["../a.mp4", "outside"],
    ["..", "outside"],
    ["sub/../../a.mp4", "outside"],
    ["out/a.mp4", "outside"],
    ["/tmp/a.mp4", "absolute"],
    ["a\u0000.mp4", "characters"],
    ["", "characters"],
    [".", "directory"],
    ["sub/", "directory"],
    ["sub", "directory"],
    ["sub/..", "directory"]
  ]
  it.scopedLive.each(table)("%j is not written to inside a directory: %s", ([path, problem]) =>
    Effect.gen(function* () {
      const { folder, list } = yield* sub
      const server = yield* serve(ranged(clip))
      const error = yield* Effect.flip(download(server, path, { directory: `${folder}/in`, overwrite: true }))
      expect(error).toMatchObject({
        _tag: "FileError",
        reason: "invalidPath",
        operation: "downloadVideo",
        path: expect.any(String),
        problem
      })
      expect(error.message).toMatch(/^downloadVideo: no file is written to /)
      expect(yield* list).toEqual(["in"])
      expect(server.requests).toHaveLength(0)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive.each(["a.mp4", "sub/a.mp4", "sub/../a.mp4", "..a.mp4", "a b%2f.mp4"])("%j stays inside", (path) =>
    Effect.gen(function* () {
      const { folder } = yield* sub
      const server = yield* serve(ranged(clip))
      const file = yield* download(server, path, { directory: `${folder}/in` })
      expect(file.path.startsWith(`${folder}/in/`)).toBe(true)
      expect((yield* (yield* FileSystem.FileSystem).stat(file.path)).size).toBe(300_000n)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("is a FileError before any request if its directory is missing or is a file", () =>
    Effect.gen(function* () {
      const { folder } = yield* makeFolder
      yield* (yield* FileSystem.FileSystem).writeFileString(`${folder}/file`, "")
      const server = yield* serve(ranged(clip))
      const missing = yield* Effect.flip(download(server, `${folder}/none/a.mp4`))
      expect(missing).toMatchObject({
        _tag: "FileError",
        reason: "write",
        cause: { _tag: "SystemError", reason: "NotFound" }
      })
      const file = yield* Effect.flip(download(server, `${folder}/file/a.mp4`))
      expect(file).toMatchObject({ _tag: "FileError", reason: "write", cause: { reason: "BadResource" } })
      expect(server.requests).toHaveLength(0)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive.each(["a.mp4.part", "a.mp4.part.json"])("is not written to through a link planted as %s", (name) =>
    Effect.gen(function* () {
      const { folder, read } = yield* makeFolder
      const fs = yield* FileSystem.FileSystem
      yield* fs.writeFileString(`${folder}/precious`, "mine")
      yield* fs.symlink(`${folder}/precious`, `${folder}/${name}`)
      const server = yield* serve(ranged(clip))
      const error = yield* Effect.flip(download(server, `${folder}/a.mp4`))
      expect(error).toMatchObject({
        _tag: "FileError",
        reason: "invalidPath",
        problem: "symlink",
        path: `${folder}/${name}`
      })
      expect((yield* read("precious")).toString()).toBe("mine")
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("a file that is there", () => {
  it.scopedLive("is not touched, and no request is sent; overwrite replaces it", () =>
    Effect.gen(function* () {
      const { folder, list, read } = yield* makeFolder
      yield* (yield* FileSystem.FileSystem).writeFileString(`${folder}/a.mp4`, "mine")
      const server = yield* serve(ranged(clip))
      const error = yield* Effect.flip(download(server, `${folder}/a.mp4`))
      expect(error).toMatchObject({ _tag: "FileError", reason: "exists", path: `${folder}/a.mp4` })
      expect(error.message).toMatch(/exists; `overwrite: true` replaces it; the job is video_1$/)
      expect(server.requests).toHaveLength(0)
      expect((yield* read("a.mp4")).toString()).toBe("mine")
      yield* download(server, `${folder}/a.mp4`, { overwrite: true })
      expect((yield* read("a.mp4")).equals(clip)).toBe(true)
      expect(yield* list).toEqual(["a.mp4"])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("stays what it was while another takes its place, and if that fails", () =>
    Effect.gen(function* () {
      const { folder, read } = yield* makeFolder
      yield* (yield* FileSystem.FileSystem).writeFileString(`${folder}/a.mp4`, "mine")
      const server = yield* serve((response) => {
        response.writeHead(200, { "content-length": "300000" })
        response.write(clip.subarray(0, 1000), () => response.socket?.destroy())
      })
      yield* Effect.flip(download(server, `${folder}/a.mp4`, { overwrite: true }))
      expect((yield* read("a.mp4")).toString()).toBe("mine")
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive(
    "is not touched if it appeared meanwhile, and the complete partial file is used without a request",
    () =>
      Effect.gen(function* () {
        const { folder, list, read } = yield* makeFolder
        const fs = yield* FileSystem.FileSystem
        const server = yield* serve(ranged(clip))
        const appear = fs.writeFileString(`${folder}/a.mp4`, "mine").pipe(Effect.orDie)
        const error = yield* Effect.flip(download(server, `${folder}/a.mp4`, { onResponse: () => appear }))
        expect(error).toMatchObject({ _tag: "FileError", reason: "exists" })
        expect((yield* read("a.mp4")).toString()).toBe("mine")
        const file = yield* download(server, `${folder}/a.mp4`, { overwrite: true })
        expect(file).toMatchObject({ bytes: 300_000, resumedFrom: 300_000, etag: '"v1"' })
        expect((yield* read("a.mp4")).equals(clip)).toBe(true)
        expect(yield* list).toEqual(["a.mp4"])
        expect(server.requests).toHaveLength(1)
      }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("is refused if it is a directory, with overwrite as well", () =>
    Effect.gen(function* () {
      const { folder } = yield* makeFolder
      yield* (yield* FileSystem.FileSystem).makeDirectory(`${folder}/a.mp4`)
      const server = yield* serve(hang)
      for (const overwrite of [true, false]) {
        const error = yield* Effect.flip(download(server, `${folder}/a.mp4`, { overwrite }))
        expect(error).toMatchObject({ _tag: "FileError", reason: "invalidPath", problem: "directory" })
      }
      expect(server.requests).toHaveLength(0)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("a disk", () => {
  it.scopedLive("causes one FileError if it is full; when there is space, the next call resumes", () =>
    Effect.gen(function* () {
      const { folder, list, read } = yield* makeFolder
      const size = 3 * 1024 * 1024
      const big = Buffer.concat([clip, Buffer.alloc(size - clip.byteLength, 7)])
      const server = yield* serve(ranged(big))
      let room = 1024 * 1024
      const small = filesWith((fs) => ({
        open: (path, options) =>
          Effect.map(fs.open(path, options), (file) =>
            fileWith(file, {
              writeAll: {
                value: (bytes: Uint8Array) => {
                  room -= bytes.byteLength
                  return room < 0 ? Effect.fail(full) : file.writeAll(bytes)
                }
              },
              truncate: { value: (length: number) => file.truncate(length) },
              seek: { value: (offset: number, from: FileSystem.SeekMode) => file.seek(offset, from) }
            })
          )
      }))
      const error = yield* Effect.flip(
        downloadVideoToFile("video_1", `${folder}/a.mp4`, { retry: atOnce(3) }).pipe(
          Effect.provide(Layer.merge(over(server), small))
        )
      )
      expect(error).toMatchObject({ _tag: "FileError", reason: "write", path: `${folder}/a.mp4.part`, cause: full })
      expect(error.message).toBe(
        `downloadVideo: cannot write ${folder}/a.mp4.part: ENOSPC: no space left on device, write; the job is video_1`
      )
      const sent = JSON.parse(JSON.stringify(yield* Schema.encodeUnknown(FileError)(error)))
      expect(yield* Schema.decodeUnknown(FileError)(sent)).toMatchObject({ message: error.message })
      expect(yield* list).toEqual(["a.mp4.part", "a.mp4.part.json"])
      expect(server.requests).toHaveLength(1)
      const file = yield* download(server, `${folder}/a.mp4`)
      expect(file.bytes).toBe(size)
      expect(file.resumedFrom).toBeGreaterThan(0)
      expect(file.resumedFrom).toBeLessThanOrEqual(1024 * 1024)
      expect((yield* read("a.mp4")).equals(big)).toBe(true)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  const denied = systemError({ reason: "PermissionDenied", description: "EACCES: permission denied" })
  const table: ReadonlyArray<readonly [string, (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>]> = [
    ["opened", () => ({ open: () => Effect.fail(denied) })],
    ["noted", () => ({ writeFileString: () => Effect.fail(denied) })],
    ["named", () => ({ link: () => Effect.fail(denied), rename: () => Effect.fail(denied) })],
    [
      "synced",
      (fs) => ({
        open: (path, options) =>
          Effect.map(fs.open(path, options), (file) => fileWith(file, { sync: { value: Effect.fail(denied) } }))
      })
    ]
  ]
  it.scopedLive.each(table)("causes a FileError, and no file, if nothing can be %s on it", ([, change]) =>
    Effect.gen(function* () {
      const { folder, list } = yield* makeFolder
      const server = yield* serve(ranged(clip))
      const error = yield* Effect.flip(
        downloadVideoToFile("video_1", `${folder}/a.mp4`).pipe(
          Effect.provide(Layer.merge(over(server), filesWith(change)))
        )
      )
      expect(error).toMatchObject({ _tag: "FileError", reason: "write", cause: denied })
      expect(yield* list).not.toContain("a.mp4")
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("has the bytes before they get their name", () =>
    Effect.gen(function* () {
      const { folder } = yield* makeFolder
      const server = yield* serve(ranged(clip))
      const done: Array<string> = []
      const note = <A, E>(what: string, self: Effect.Effect<A, E>) => Effect.tap(self, () => done.push(what))
      const watched = filesWith((fs) => ({
        open: (path, options) =>
          Effect.map(fs.open(path, options), (file) =>
            fileWith(file, { sync: { value: note(path === folder ? "directory" : "sync", file.sync) } })
          ),
        link: (from, to) => note("link", fs.link(from, to)),
        remove: (path, options) => note(`remove ${path.slice(folder.length + 1)}`, fs.remove(path, options))
      }))
      yield* downloadVideoToFile("video_1", `${folder}/a.mp4`).pipe(Effect.provide(Layer.merge(over(server), watched)))
      expect(done.slice(-6)).toEqual([
        "sync",
        "link",
        "remove a.mp4.part",
        "directory",
        "remove a.mp4.part.json",
        "remove a.mp4.part.lock"
      ])
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("a part that is there", () => {
  const note = { videoId: "video_1", variant: "", validator: '"v1"', etag: '"v1"', total: 300_000 }
  const table: ReadonlyArray<readonly [string, Buffer, string | null, DownloadToFileOptions, number | null]> = [
    [
      "with its note is gone on with",
      clip.subarray(0, 1000),
      JSON.stringify({ ...note, saved: savedOf(clip.subarray(0, 1000)) }),
      {},
      1000
    ],
    [
      "of a process that was killed is fetched again to its last MiB",
      clip.subarray(0, 1000),
      JSON.stringify(note),
      {},
      null
    ],
    [
      "with another end than was noted is fetched again",
      Buffer.concat([clip.subarray(0, 500), Buffer.alloc(500)]),
      JSON.stringify({ ...note, saved: savedOf(clip.subarray(0, 1000)) }),
      {},
      null
    ],
    ["is not, if that is not wanted", clip.subarray(0, 1000), JSON.stringify(note), { resume: false }, null],
    [
      "of another video is not gone on with",
      other.subarray(0, 9),
      JSON.stringify({ ...note, videoId: "video_2" }),
      {},
      null
    ],
    [
      "of another variant is not gone on with",
      other.subarray(0, 9),
      JSON.stringify({ ...note, variant: "thumbnail" }),
      {},
      null
    ],
    ["without a note is not gone on with", other.subarray(0, 9), null, {}, null],
    ["with a broken note is not gone on with", other.subarray(0, 9), `{"videoId":"vid`, {}, null],
    ["that is empty is not gone on with", Buffer.alloc(0), JSON.stringify(note), {}, null],
    ["longer than the whole is not gone on with", Buffer.alloc(300_001), JSON.stringify(note), {}, null]
  ]
  it.scopedLive.each(table)("%s", ([, part, content, options, start]) =>
    Effect.gen(function* () {
      const { folder, list, read } = yield* makeFolder
      const fs = yield* FileSystem.FileSystem
      yield* fs.writeFile(`${folder}/a.mp4.part`, part)
      if (content !== null) yield* fs.writeFileString(`${folder}/a.mp4.part.json`, content)
      const server = yield* serve(ranged(clip))
      const file = yield* download(server, `${folder}/a.mp4`, options)
      expect(file.resumedFrom).toBe(start ?? 0)
      expect(startOf(server.requests[0]?.headers.range)).toBe(start)
      expect((yield* read("a.mp4")).equals(clip)).toBe(true)
      expect(yield* list).toEqual(["a.mp4"])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scopedLive("is complete after a 416 if its length was unknown", () =>
    Effect.gen(function* () {
      const { folder, read } = yield* makeFolder
      const fs = yield* FileSystem.FileSystem
      yield* fs.writeFile(`${folder}/a.mp4.part`, clip)
      yield* fs.writeFileString(
        `${folder}/a.mp4.part.json`,
        JSON.stringify({ ...note, total: null, saved: savedOf(clip) })
      )
      const beyond: Reply = (response) =>
        response.writeHead(416, { "content-range": "bytes */300000", ...tagged }).end()
      const server = yield* serve(beyond)
      expect(yield* download(server, `${folder}/a.mp4`)).toMatchObject({ bytes: 300_000, resumedFrom: 300_000 })
      expect((yield* read("a.mp4")).equals(clip)).toBe(true)
      expect(server.requests).toHaveLength(1)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("two downloads to one path", () => {
  it.scopedLive("are one download and one FileError, however the path is spelled", () =>
    Effect.gen(function* () {
      const { folder, read } = yield* makeFolder
      const begun = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const server = yield* serve(ranged(clip))
      const first = yield* download(server, `${folder}/a.mp4`, {
        onResponse: () => Effect.zipRight(Deferred.succeed(begun, void 0), Deferred.await(go))
      }).pipe(Effect.fork)
      yield* Deferred.await(begun)
      const error = yield* Effect.flip(download(server, `${folder}/./a.mp4`, { overwrite: true }))
      expect(error).toMatchObject({ _tag: "FileError", reason: "busy", path: `${folder}/a.mp4` })
      yield* download(server, `${folder}/b.mp4`)
      yield* Deferred.succeed(go, void 0)
      yield* Fiber.join(first)
      yield* download(server, `${folder}/a.mp4`, { overwrite: true })
      expect((yield* read("a.mp4")).equals(clip)).toBe(true)
      expect(server.requests).toHaveLength(3)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})

describe("the default schedule", () => {
  it.scoped("gives up after nine tries that get no further, with the error of the last", () =>
    Effect.gen(function* () {
      const { folder, list } = yield* makeFolder
      let tries = 0
      const broken = new TransportError({ operation: "downloadVideo", reason: "connect", origin: "", detail: "" })
      const content = () =>
        Stream.suspend(() => {
          tries++
          return Stream.fail(broken)
        })
      const fiber = yield* Effect.flip(downloadVideoToFile("video_1", `${folder}/a.mp4`)).pipe(
        Effect.provide(Layer.mock(Videos, { content })),
        Effect.fork
      )
      // Files take real time, waits do not.
      while ((yield* Fiber.poll(fiber))._tag === "None") {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* TestClock.adjust("1 second")
      }
      expect(yield* Fiber.join(fiber)).toEqual(broken)
      expect(tries).toBe(9)
      expect(yield* list).toEqual([])
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
