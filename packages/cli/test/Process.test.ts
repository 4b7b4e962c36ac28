/** The command as a process of its own. */
import * as fs from "node:fs"
import { FetchHttpClient } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { type ServerOptions, VideosServer } from "@effect-videos/server"
import { inspect } from "@effect-videos/server/Media"
import { ConfigProvider, Effect, Redacted } from "effect"
import { framesFilm } from "../../../test/support/fakeFfmpeg.js"
import { make } from "../../server/test/support.js"
import { finished, saying, useCommand } from "./process.js"
import { cli, withFakePrograms } from "./support.js"

const { command, inFolder } = useCommand()

const withServer = <A, E, R>(
  options: ServerOptions,
  use: (env: { readonly OPENAI_BASE_URL: string }) => Effect.Effect<A, E, R>
) =>
  Effect.flatMap(VideosServer, ({ baseUrl }) => use({ OPENAI_BASE_URL: baseUrl })).pipe(
    Effect.provide([VideosServer.layer(options), NodeContext.layer, FetchHttpClient.layer])
  )

/** The command in this process, with an environment of its own. */
const cliWith = (env: { readonly [name: string]: string }, args: ReadonlyArray<string>) =>
  Effect.withConfigProvider(cli(args), ConfigProvider.fromMap(new Map(Object.entries(env))))

describe("the process", () => {
  it.scopedLive("serves, makes a video, shows it on the page and saves it", () =>
    Effect.gen(function* () {
      const server = yield* command(["serve", "--port", "0", "--queue-time", "1ms", "--run-time", "1ms"], {})
      yield* saying(server, "out", /\n/)
      const { base_url } = JSON.parse(server.written.out)
      const env = { OPENAI_BASE_URL: base_url }
      const made = yield* finished(
        yield* command(["create", "-p", "a lighthouse", "--seconds", "4", "--size", "64x64", "-o", "made.mp4"], env)
      )
      assert.strictEqual(made.code, 0, made.err)
      // One line of JSON and no more, whatever stderr has.
      const record = JSON.parse(made.out)
      assert.deepInclude(record.file, { path: fs.realpathSync(inFolder("made.mp4")) })
      const film = yield* Effect.provide(inspect(inFolder("made.mp4")), NodeContext.layer)
      assert.deepInclude(film, { durationSeconds: 4, width: 64, height: 64 })
      const { origin } = new URL(base_url)
      const [page, shown] = yield* Effect.promise(() =>
        Promise.all([fetch(origin), fetch(`${origin}/_page/videos/${record.id}/video`)])
      )
      assert.deepStrictEqual([page.status, page.headers.get("content-type")], [200, "text/html; charset=utf-8"])
      const bytes = yield* Effect.promise(() => shown.arrayBuffer())
      assert.isTrue(fs.readFileSync(inFolder("made.mp4")).equals(Buffer.from(bytes)))
      server.child.kill("SIGINT")
      assert.strictEqual((yield* finished(server)).code, 130)
    })
  )

  it.scopedLive("exits at Ctrl-C with 130 and without a file, and prints the command that resumes, which works", () =>
    withServer({ runTime: "2 seconds" }, (env) =>
      Effect.gen(function* () {
        const args = ["create", "-p", "x", "--size", "64x64", "-o", inFolder("resumed.mp4")]
        const stopped = yield* command(args, env)
        yield* saying(stopped, "err", /queued/)
        stopped.child.kill("SIGINT")
        const { code, err, out } = yield* finished(stopped)
        assert.strictEqual(code, 130)
        assert.strictEqual(out, "")
        assert.isFalse(fs.existsSync(inFolder("resumed.mp4")))
        const [, line = ""] = /^ {2}effect-videos (watch \S+ -o \S+\/resumed\.mp4)$/m.exec(err) ?? []
        assert.notStrictEqual(line, "", err)
        const resumed = yield* cli([...line.split(" "), "--base-url", env.OPENAI_BASE_URL])
        assert.strictEqual(resumed.code, 0, resumed.err)
        assert.isAbove(fs.statSync(inFolder("resumed.mp4")).size, 0)
      })
    )
  )

  it.scopedLive("prints at Ctrl-C the command that joins a paid segment, which works", () =>
    withServer({ dialect: "vllm-omni", queueTime: 0, runTime: "2 seconds" }, ({ OPENAI_BASE_URL }) =>
      Effect.gen(function* () {
        yield* withFakePrograms
        const env = { OPENAI_BASE_URL, VIDEOS_DIALECT: "vllm-omni" }
        const [source, joined] = [inFolder("source.mp4"), inFolder("joined.mp4")]
        fs.writeFileSync(source, framesFilm(96))
        const args = ["extend", source, "-p", "y", "--seconds", "4", "--join", "-o", joined]
        const stopped = yield* command(args, env)
        yield* saying(stopped, "err", /in_progress/)
        stopped.child.kill("SIGINT")
        const { code, err } = yield* finished(stopped)
        assert.strictEqual(code, 130)
        const [, line = ""] = /^ {2}effect-videos (join \S+source\.mp4 \S+ -o \S+joined\.mp4)$/m.exec(err) ?? []
        assert.notStrictEqual(line, "", err)
        const resumed = yield* cliWith(env, line.split(" "))
        assert.strictEqual(resumed.code, 0, resumed.err)
        assert.isTrue(fs.readFileSync(joined).equals(framesFilm(191)))
        assert.isEmpty(fs.readdirSync(inFolder(".")).filter((name) => name.startsWith(".continue-")))
      })
    )
  )

  it.scopedLive("pays once if two write to one path, and keeps the job of one that is killed", () =>
    withServer({ runTime: "1 hour" }, (env) =>
      Effect.gen(function* () {
        const args = ["create", "-p", "x", "--size", "64x64", "--base-url", env.OPENAI_BASE_URL, "-o"]
        const first = yield* command([...args, "mine.mp4"], env)
        yield* saying(first, "err", /queued/)
        const second = yield* cli([...args, `${inFolder(".")}/./mine.mp4`])
        assert.strictEqual(second.code, 11)
        assert.include(second.err, `process ${first.child.pid} is writing to ${inFolder("mine.mp4")} (video `)
        first.child.kill("SIGKILL")
        yield* finished(first)
        const third = yield* cli([...args, inFolder("mine.mp4")])
        const [job, ...more] = yield* Effect.flatMap(VideosServer, (server) => server.jobs)
        assert.deepStrictEqual([third.code, more], [11, []])
        assert.include(third.err, `effect-videos watch ${job?.id} -o ${inFolder("mine.mp4")}`)
      })
    )
  )

  it.scopedLive("takes the key from the environment or a descriptor, and shows it nowhere", () =>
    withServer({ apiKeys: [Redacted.make("sk-the-right-key")] }, (env) =>
      Effect.gen(function* () {
        const wrong = yield* cliWith({ ...env, OPENAI_API_KEY: "sk-the-wrong-key" }, ["list"])
        assert.strictEqual(wrong.code, 3)
        assert.notInclude(wrong.err + wrong.out, "sk-the-wrong-key")
        const input = { fd: 3, text: "sk-the-right-key\n" }
        const right = yield* finished(yield* command(["list", "--api-key-fd", "3"], env, input))
        assert.deepStrictEqual([right.code, right.out], [0, ""], right.err)
      })
    )
  )

  it.scopedLive.skipIf(!fs.existsSync("/dev/full"))(
    "reports that its output cannot be written, and exits with 11",
    () =>
      Effect.gen(function* () {
        const full = yield* Effect.acquireRelease(
          Effect.sync(() => fs.openSync("/dev/full", "w")),
          (fd) => Effect.sync(() => fs.closeSync(fd))
        )
        const { code, err } = yield* finished(yield* command(["--help"], {}, undefined, full))
        assert.strictEqual(code, 11, err)
        assert.match(err, /^error: standard output cannot be written: ENOSPC/)
      })
  )

  it.scopedLive("exits with 0 when the reader of its output is closed", () =>
    withServer({ queueTime: 0, runTime: 0 }, (env) =>
      Effect.gen(function* () {
        const get = yield* command(["get", yield* make()], env)
        get.child.stdout?.destroy()
        const { code, err } = yield* finished(get)
        assert.deepStrictEqual([code, err], [0, ""])
      })
    )
  )
})
