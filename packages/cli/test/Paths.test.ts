/** Where the command saves a clip: checked before anything is paid for, and not repeated when it turns out to be bad. */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { folder } from "../../../test/support/films.js"
import { instant } from "../../server/test/support.js"
import { fileNameOf } from "../src/output.js"
import { cli, jobs, serverLayer, terminal } from "./support.js"

const create = ["create", "-p", "x", "--size", "64x64", "--seconds", "4"]

const made = Effect.map(cli(create), ({ records }) => String(records[0]?.id))

/** What the commands that pay are called with. */
const paying = (id: string): ReadonlyArray<ReadonlyArray<string>> => [
  create,
  ["extend", id, "-p", "y", "--seconds", "4"],
  ["edit", id, "-p", "y"],
  ["remix", id, "-p", "y"],
  ["extend", id, "-p", "y", "--seconds", "4", "--join"]
]

const left = (at: string) => fs.readdirSync(at).sort()

describe("a path that cannot be written", () => {
  it.scoped.each([
    ["a name of 256 bytes", (at) => join(at, `${"n".repeat(252)}.mp4`), 11],
    ["a name of 258 bytes in 86 letters", (at) => join(at, "語".repeat(86)), 11],
    ["a file system without files", () => "/proc/self/x.mp4", 11],
    ["a directory without files", () => "/proc/self", 11],
    ["a parent that is a file", (at) => join(at, "file/x.mp4"), 2],
    ["a link to itself", (at) => join(at, "loop"), 11],
    ["a part that is a directory", (at) => join(at, "part.mp4"), 11]
  ] as ReadonlyArray<readonly [string, (at: string) => string, number]>)(
    "costs nothing, with any command that pays: %s",
    ([, pathIn, code]) =>
      Effect.gen(function* () {
        const at = yield* folder
        fs.writeFileSync(join(at, "file"), "")
        fs.symlinkSync("loop", join(at, "loop"))
        fs.mkdirSync(join(at, "part.mp4.part"))
        const before = left(at)
        const id = yield* made
        for (const line of [...paying(id), ["watch", id], ["join", id, id]]) {
          const ran = yield* cli([...line, "-o", pathIn(at), "--overwrite"])
          assert.strictEqual(ran.code, code, ran.err)
          assert.notInclude(ran.err, "To go on")
          assert.notInclude(ran.err, "To resume")
        }
        assert.strictEqual((yield* jobs).length, 1)
        assert.deepStrictEqual(left(at), before)
      }).pipe(Effect.provide(serverLayer(instant)))
  )

  it.scoped.skipIf(!fs.existsSync("/dev/full"))("is not repeated by the command line that resumes", () =>
    Effect.gen(function* () {
      const { code, err } = yield* cli([...create, "-o", "/dev/full"])
      assert.strictEqual(code, 11, err)
      const [job] = yield* jobs
      assert.include(err, `To go on:\n  effect-videos watch ${job?.id} -o ${job?.id}.mp4\n`)
      assert.notInclude(err, "-o /dev/full")
    }).pipe(Effect.provide(serverLayer(instant)))
  )
})

describe("the file of an id", () => {
  it("is its own: the ids of a gateway begin alike for more than 100 characters", () => {
    const id = (job: string) =>
      `video_${Buffer.from(`litellm:custom_llm_provider:azure;model_id:${"0".repeat(36)};video_id:${job}`).toString("base64")}`
    const names = ["video_1a", "video_1b"].map((job) => fileNameOf(id(job)))
    assert.strictEqual(new Set(names).size, 2)
    for (const name of names) assert.isAtMost(name.length, 104)
  })
})

describe("a path that another process has", () => {
  it.scoped("costs nothing, and the job of one that was killed is named, with the command that saves it", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const path = join(at, "x.mp4")
      const id = yield* made
      const { pid } = spawnSync(process.execPath, ["-e", ""])
      fs.writeFileSync(`${path}.part.lock`, JSON.stringify({ pid, started: null, videoId: id }))
      for (const line of paying(id)) {
        const { code, err } = yield* cli([...line, "-o", path])
        assert.strictEqual(code, 11)
        assert.include(err, `effect-videos watch ${id} -o ${path}`)
      }
      assert.strictEqual((yield* jobs).length, 1)
      const saved = yield* cli(["watch", id, "-o", path])
      assert.strictEqual(saved.code, 0, saved.err)
      assert.deepStrictEqual(left(at), ["x.mp4"])
    }).pipe(Effect.provide(serverLayer(instant)))
  )
})

describe("a path that is not a regular file", () => {
  it.scoped("is written to and stays what it is", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const pipe = join(at, "pipe")
      spawnSync("mkfifo", [pipe])
      const id = yield* made
      for (const line of [...paying(id), ["download", id], ["watch", id]]) {
        const ran = yield* cli([...line, "-o", "/dev/null", "--overwrite"])
        assert.strictEqual(ran.code, 0, ran.err)
      }
      assert.isTrue(fs.statSync("/dev/null").isCharacterDevice())
      const [ran, bytes] = yield* Effect.all(
        [cli(["download", id, "-o", pipe, "--overwrite"]), Effect.promise(() => fs.promises.readFile(pipe))],
        { concurrency: "unbounded" }
      )
      assert.strictEqual(ran.code, 0, ran.err)
      assert.strictEqual(ran.records[0]?.bytes, bytes.byteLength)
      assert.isTrue(fs.statSync(pipe).isFIFO())
      assert.deepStrictEqual(left(at), ["pipe"])
    }).pipe(Effect.provide(serverLayer(instant)))
  )

  it.scoped("is standard output by any of its names: the clip and no record; and no terminal", () =>
    Effect.gen(function* () {
      const id = yield* made
      const piped = yield* cli(["download", id, "-o", "-"])
      assert.include(piped.out.slice(0, 12), "ftyp")
      for (const line of [
        ["download", id],
        ["watch", id]
      ]) {
        for (const name of ["/dev/stdout", "/dev/fd/1"]) {
          const ran = yield* cli([...line, "-o", name, "--overwrite"])
          assert.deepStrictEqual([ran.code, ran.out === piped.out], [0, true], ran.err)
          assert.strictEqual((yield* cli([...line, "-o", name], terminal)).code, 2)
        }
      }
      const created = yield* cli([...create, "-o", "/dev/stdout"])
      assert.include(created.out.slice(0, 12), "ftyp")
      assert.notInclude(created.out, '"status"')
    }).pipe(Effect.provide(serverLayer(instant)))
  )
})
