/** A path that is reserved before a job is submitted. */
import * as fs from "node:fs"
import { join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { downloadVideoToFile, reserveFile, VideosFetch } from "effect-videos"
import { folder } from "./support/films.js"
import { serve } from "./support/server.js"
import { clip, ranged } from "./support/transfer.js"
import { videosOver } from "./support/videos.js"

describe("reserveFile", () => {
  it.scopedLive("keeps a path for a download inside of it, and from any other call", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "clip.mp4")
      const server = yield* serve(ranged(clip))
      const started = yield* Effect.makeLatch()
      // In a fiber that has not reserved it.
      const other = Effect.flip(
        Effect.zipRight(
          started.await,
          reserveFile(path, () => Effect.void)
        )
      )
      const refused = yield* Effect.fork(Effect.provide(other, NodeContext.layer))
      const saved = reserveFile(path, ({ submitted }) =>
        Effect.gen(function* () {
          yield* submitted("video_9")
          yield* submitted("video_10")
          assert.strictEqual(JSON.parse(fs.readFileSync(`${path}.part.lock`, "utf8")).videoId, "video_9")
          yield* started.open
          const { _tag, reason } = yield* refused
          assert.deepStrictEqual([_tag, reason], ["FileError", "busy"])
          return yield* downloadVideoToFile("video_9", path)
        })
      )
      const { bytes } = yield* Effect.provide(saved, [videosOver(server, {}, VideosFetch.layer), NodeContext.layer])
      assert.strictEqual(bytes, fs.statSync(path).size)
      assert.deepStrictEqual(fs.readdirSync(join(path, "..")), ["clip.mp4"])

      const again = Effect.flip(reserveFile(path, () => Effect.die("it runs")))
      assert.strictEqual((yield* Effect.provide(again, NodeContext.layer)).reason, "exists")
    })
  )
})
