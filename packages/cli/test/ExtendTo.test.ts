/** `extend --to`: a row for each segment, and a command line that goes on. */
import * as fs from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { Effect, Fiber } from "effect"
import { folder } from "../../../test/support/films.js"
import { parseTracks } from "../../../test/support/mp4.js"
import { instant } from "../../server/test/support.js"
import { cli, cliOverTime, jobs, nothing, passTimeUntil, running, serverLayer } from "./support.js"

const created = Effect.map(cli(["create", "-p", "x", "--seconds", "4", "--size", "64x64"]), ({ records }) =>
  String(records[0]?.id)
)

describe("extend --to", () => {
  it.scoped("extends until the video is as long, and writes a line for each segment", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "long.mp4")
      const args = ["extend", yield* created, "it rains", "--then", "the sun", "--to", "20s", "-o", path]
      const { code, err, records } = yield* cli(args)
      assert.strictEqual(code, 0, err)
      assert.match(err, /^video_\w+ {2}completed .* 12 s of 20 s$/m)
      assert.match(err, /^video_\w+ {2}completed .* 20 s of 20 s$/m)
      assert.match(err, /^file {2}done .* saved .*long\.mp4/m)
      const made = yield* jobs
      assert.deepStrictEqual(
        made.map(({ prompt }) => prompt),
        ["x", "it rains", "the sun"]
      )
      assert.deepInclude(records[0], { id: made[2]?.id, seconds: 20 })
      assert.strictEqual(parseTracks(fs.readFileSync(path))[0]?.seconds, 20)
    }).pipe(Effect.provide(serverLayer(instant)))
  )

  it.scoped("ends with 5 at `--max-segments`, and goes on with a higher one", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "long.mp4")
      const args = ["extend", yield* created, "it rains", "--to", "20s", "-o", path]
      const stopped = yield* cli([...args, "--max-segments", "1"])
      assert.strictEqual(stopped.code, 5)
      assert.match(stopped.err, /stopped at 12\.0 s by `maxSegments`: 1 job was submitted\.\nThe same command/)
      const { code, err } = yield* cli([...args, "--max-segments", "2"])
      assert.strictEqual(code, 0, err)
      assert.match(err, /^source {2}done .* 12 s, segments of earlier runs: 1$/m)
      assert.strictEqual((yield* jobs).length, 3)
    }).pipe(Effect.provide(serverLayer(instant)))
  )

  it.scoped("prints at Ctrl-C the command line that goes on, which pays for nothing again", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "long.mp4")
      const { jobs } = yield* VideosServer
      const source = yield* created
      const written = nothing()
      const args = ["extend", source, "it rains", "--to", "12s", "--set", 'style="7"', "-o", path]
      const fiber = yield* Effect.fork(running(written, args))
      yield* passTimeUntil(
        Effect.sync(() => /queued/.test(written.err)),
        fiber
      )
      yield* Fiber.interrupt(fiber)
      const [, line = ""] = /To resume:\n {2}effect-videos (.*)\n/.exec(written.err) ?? []
      assert.strictEqual(line, `extend ${source} -p 'it rains' --to 12s --set 'style="7"' -o ${path}`)
      const { code, err } = yield* cliOverTime(args)
      assert.strictEqual(code, 0, err)
      assert.strictEqual((yield* jobs).length, 2)
    }).pipe(Effect.provide(serverLayer({ queueTime: "1 second", runTime: 0 })))
  )

  it.scoped("ends with 10 if a segment may have been made, and `--unsettled` takes its video", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "long.mp4")
      const { faults, jobs } = yield* VideosServer
      const create = ["create", "-p", "x", "--seconds", "2", "--size", "480x480", "--model", "grok-imagine-video"]
      const source = String((yield* cli(create)).records[0]?.id)
      const args = ["extend", source, "it rains", "--to", "4s", "-o", path]
      yield* faults.set([{ on: ["extend"], fault: Fault.reset("after-commit") }])
      const lost = yield* cli(args)
      assert.strictEqual(lost.code, 10)
      assert.include(lost.err, "`--unsettled ID` takes that video for the segment")
      yield* faults.set([])
      const id = (yield* jobs)[1]?.id ?? ""
      const { code, err } = yield* cli([...args, "--unsettled", id])
      assert.strictEqual(code, 0, err)
      assert.strictEqual((yield* jobs).length, 2)
    }).pipe(Effect.provide(serverLayer({ ...instant, dialect: "xai" }, { VIDEOS_DIALECT: "xai" })))
  )
})
