/** Longer clips by the command, where the server extends nothing. */
import * as fs from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { framesFilm } from "../../../test/support/fakeFfmpeg.js"
import { folder } from "../../../test/support/films.js"
import { parseTracks } from "../../../test/support/mp4.js"
import { instant } from "../../server/test/support.js"
import { cli, jobs, serverLayer, withFakePrograms } from "./support.js"

const created = Effect.map(cli(["create", "-p", "x", "--seconds", "4", "--size", "64x64"]), ({ records }) =>
  String(records[0]?.id)
)

const more = ["-p", "y", "--seconds", "4"]

const another = serverLayer({ ...instant, dialect: "vllm-omni" }, { VIDEOS_DIALECT: "vllm-omni" })

describe("if the server extends nothing", () => {
  it.scoped("`extend --join` makes a segment, and joins it", () =>
    Effect.gen(function* () {
      const { setResult } = yield* withFakePrograms
      const at = yield* folder
      const id = yield* created
      const path = join(at, "longer.mp4")
      const { code, err, records } = yield* cli(["extend", id, ...more, "--join", "-o", path])
      assert.strictEqual(code, 0, err)
      const [, segment] = yield* jobs
      assert.deepInclude(records[0], { id: segment?.id, status: "completed", seconds: 4 })
      assert.deepInclude(records[0]?.file, { path: fs.realpathSync(path), bytes: framesFilm(191).byteLength })
      assert.deepStrictEqual(fs.readdirSync(at), ["longer.mp4"])

      // Into a directory, and with a film as the source.
      setResult(framesFilm(286))
      const again = yield* cli(["join", path, String(segment?.id), "-o", at])
      assert.strictEqual(again.code, 0, again.err)
      assert.strictEqual(fs.statSync(join(at, `${segment?.id}.mp4`)).size, framesFilm(286).byteLength)
      assert.strictEqual((yield* jobs).length, 2)
    }).pipe(Effect.provide(another))
  )

  it.scoped("`extend --join` of a film that cannot be read ends with 11 and submits nothing", () =>
    Effect.gen(function* () {
      yield* withFakePrograms
      const at = yield* folder
      const source = join(at, "bad.mp4")
      fs.writeFileSync(source, "no film at all")
      const { code, err, out } = yield* cli(["extend", source, ...more, "--join", "-o", join(at, "longer.mp4")])
      assert.deepStrictEqual([code, out], [11, ""], err)
      assert.include(err, "error: cannot read the source (exit code 1): ")
      assert.deepStrictEqual(yield* jobs, [])
      assert.deepStrictEqual(fs.readdirSync(at), ["bad.mp4"])
    }).pipe(Effect.provide(another))
  )
})

describe("if the server extends clips", () => {
  it.scoped("`extend --join` saves the extension", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "longer.mp4")
      const { code, err, records } = yield* cli(["extend", yield* created, ...more, "--join", "-o", path])
      assert.strictEqual(code, 0, err)
      assert.strictEqual(records[0]?.seconds, 8)
      assert.strictEqual(parseTracks(fs.readFileSync(path))[0]?.seconds, 8)
    }).pipe(Effect.provide(serverLayer(instant)))
  )
})

describe("an extension that is not served", () => {
  it.effect("exits with 12, and names the option that does it", () =>
    Effect.gen(function* () {
      const { code, err } = yield* cli(["extend", yield* created, ...more])
      assert.strictEqual(code, 12)
      assert.include(err, "`extend --join` does it by FFmpeg where the server does not.")
    }).pipe(Effect.provide(another))
  )
})
