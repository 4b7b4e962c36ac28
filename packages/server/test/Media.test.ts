import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Scope } from "effect"
import { parseMp4 } from "../../../test/support/mp4.js"
import { mergeAvcConfigs, parseAvcConfig, renumberSample, serializeAvcConfig } from "../src/media/avc.js"
import { encodeClip } from "../src/media/encode.js"
import { makePainter } from "../src/media/frames.js"
import { glyphOf, glyphsOf, spellable, widthOf } from "../src/media/glyphs.js"
import { type ClipSpec, extendClip, inspect, renderClip } from "../src/media/Media.js"

const fixture = (name: string) => fileURLToPath(new URL(`../../../test/fixtures/media/${name}`, import.meta.url))

const folder: Effect.Effect<(name: string) => string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(join(tmpdir(), "effect-videos-media-"))),
  (path) => Effect.promise(() => fs.rm(path, { recursive: true, force: true }))
).pipe(Effect.map((path) => (name) => join(path, name)))

const small: ClipSpec = { width: 64, height: 48, seconds: 1, prompt: "A cat on a roof", id: "video_1" }
const rain = { seconds: 0.5, prompt: "and then it rains", id: "video_2" }

const parse = (path: string) => Effect.promise(async () => parseMp4(await fs.readFile(path)))

describe("glyphs", () => {
  it("has a different picture for every printable ASCII character", () => {
    const drawn = new Set<string>()
    for (let code = 0x20; code <= 0x7e; code++) {
      const glyph = glyphOf(code)
      assert.strictEqual(glyph.width, 5)
      assert.strictEqual(glyph.rows.length, 8)
      assert.isTrue(glyph.rows.every((row) => row >= 0 && row < 32))
      drawn.add(glyph.rows.join())
    }
    assert.strictEqual(drawn.size, 95)
  })

  it("spells a character in ASCII, or shows its code point in a box", () => {
    assert.strictEqual(spellable("Ünïcödé — “Straße”\n\tœuvre\u200d"), 'Unicode - "Strasse" oeuvre')
    assert.deepStrictEqual(glyphsOf("é"), glyphsOf("e"))
    const box = glyphOf(0x1f408)
    assert.strictEqual(box.width, 5 * 4 + 1)
    assert.strictEqual(box.rows[0], 2 ** box.width - 1)
    assert.strictEqual(widthOf("ab"), 11)
    assert.strictEqual(widthOf(""), 0)
  })
})

describe("frames", () => {
  it("move at any even size, and are equal for equal scenes", () => {
    for (const [width, height] of [
      [16, 16],
      [64, 64],
      [320, 32],
      [34, 400],
      [720, 1280]
    ] as const) {
      const scene = { ...small, width, height, fps: 24, startSecond: 4, totalSeconds: 12, label: "uploaded clip" }
      const painter = makePainter(scene)
      const first = painter.paint(0).slice()
      assert.strictEqual(first.length, (width * height * 3) / 2)
      assert.notDeepEqual(painter.paint(12), first)
      assert.deepStrictEqual(makePainter(scene).paint(0), first)
      assert.notDeepEqual(makePainter({ ...scene, prompt: "A dog" }).paint(0), first)
      assert.notDeepEqual(makePainter({ ...scene, id: "video_9" }).paint(0), first)
    }
  })

  it("accept any prompt", () => {
    for (const prompt of ["", " ", "x".repeat(5000), "雨の中の猫 🐈‍⬛", "\u0000\ud800"]) {
      makePainter({ ...small, prompt, fps: 24, startSecond: 0, totalSeconds: 0.5 }).paint(3)
    }
  })
})

describe("avc", () => {
  it.live("gives a second stream unused numbers, unless its sets exist already", () =>
    Effect.gen(function* () {
      const scene = { ...small, fps: 24, startSecond: 0, totalSeconds: 1 }
      const clip = yield* encodeClip({ scene, frames: 3 })
      const bytes = serializeAvcConfig(clip.config)
      assert.deepStrictEqual(parseAvcConfig(bytes), clip.config)
      assert.isUndefined(parseAvcConfig(bytes.subarray(0, 12)))
      const same = mergeAvcConfigs(clip.config, clip.config)
      assert.deepStrictEqual(same?.ids, { sps: 0, pps: 0 })

      const other = yield* encodeClip({ scene: { ...scene, width: 128 }, frames: 1 })
      const merged = mergeAvcConfigs(clip.config, other.config)
      assert.deepStrictEqual(merged?.ids, { sps: 1, pps: 1 })
      assert.strictEqual(merged?.config.sps.length, 2)
      const again = merged === undefined ? undefined : mergeAvcConfigs(merged.config, other.config)
      assert.deepStrictEqual(again, merged)
      for (const { data } of clip.samples) {
        const moved = renumberSample(data, { sps: 1, pps: 200 })
        assert.notDeepEqual(moved, data)
        assert.deepStrictEqual(renumberSample(moved, { sps: 0, pps: 0 }), data)
      }
    })
  )
})

describe("renderClip", () => {
  it.scopedLive("makes an H.264 MP4 of the exact length that plays while it loads", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const progress: Array<number> = []
      const facts = yield* renderClip(
        { ...small, seconds: 4, onProgress: (fraction) => Effect.sync(() => void progress.push(fraction)) },
        path("clip.mp4")
      )
      const read = yield* parse(path("clip.mp4"))
      assert.deepStrictEqual(facts, {
        durationSeconds: 4,
        width: 64,
        height: 48,
        fps: 24,
        frames: 96,
        bytes: read.bytes.length,
        videoCodec: "avc",
        hasAudio: false
      })
      assert.strictEqual(read.movieSeconds, 4)
      assert.strictEqual(read.headerSeconds, 4)
      assert.strictEqual(read.mediaSeconds, 4)
      assert.strictEqual(read.samplesSeconds, 4)
      assert.strictEqual(read.samples.length, 96)
      assert.strictEqual(read.handler, "vide")
      assert.match(read.codec, /^avc1\.42c0/i)
      assert.deepStrictEqual([read.width, read.height], [64, 48])
      assert.isBelow(read.boxes.indexOf("moov"), read.boxes.indexOf("mdat"))
      assert.deepStrictEqual(
        read.samples.flatMap((sample) => (sample.key ? [sample.at] : [])),
        [0, 1, 2, 3]
      )
      assert.strictEqual(progress.length, 96)
      assert.strictEqual(progress.at(-1), 1)
    })
  )

  it.scopedLive("writes equal bytes for equal specifications, also concurrently", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* renderClip(small, path("a.mp4"))
      yield* Effect.all([renderClip(small, path("b.mp4")), renderClip({ ...small, prompt: "A dog" }, path("c.mp4"))], {
        concurrency: 2
      })
      const read = (name: string) => Effect.promise(() => fs.readFile(path(name)))
      const [a, b, c] = [yield* read("a.mp4"), yield* read("b.mp4"), yield* read("c.mp4")]
      assert.deepStrictEqual(a, b)
      assert.notDeepEqual(a, c)
    })
  )

  it.scopedLive("does not change the error handling of the process", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const events = ["uncaughtException", "unhandledRejection"] as const
      const before = events.map((event) => process.listenerCount(event))
      yield* renderClip(small, path("a.mp4"))
      assert.deepStrictEqual(
        events.map((event) => process.listenerCount(event)),
        before
      )
    })
  )

  it.scoped("runs under a stopped test clock", () =>
    Effect.flatMap(folder, (path) => renderClip({ ...small, seconds: 0.25 }, path("a.mp4")))
  )

  it.scopedLive("stops when interrupted and leaves no file", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const started = yield* Effect.makeLatch()
      const long = { ...small, seconds: 60, onProgress: () => Effect.asVoid(started.open) }
      const fiber = yield* Effect.fork(renderClip(long, path("a.mp4")))
      yield* started.await
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* Effect.promise(() => fs.readdir(path("."))), [])
    })
  )

  it.scopedLive("explains a wrong size, length or path", () =>
    Effect.gen(function* () {
      const path = yield* folder
      for (const wrong of [
        { width: 63 },
        { height: 8 },
        { width: Number.NaN },
        { height: 4098 },
        { seconds: 0 },
        { fps: 0 }
      ]) {
        const error = yield* Effect.flip(renderClip({ ...small, ...wrong }, path("a.mp4")))
        assert.strictEqual(error._tag, "MediaRenderError")
      }
      const error = yield* Effect.flip(renderClip(small, path("none/a.mp4")))
      assert.strictEqual(error._tag === "MediaFileError" ? error.code : error._tag, "ENOENT")
    })
  )
})

describe("extendClip", () => {
  it.scopedLive("copies the frames of its own clips and adds new ones, repeatedly", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* renderClip(small, path("1.mp4"))
      const facts = yield* extendClip(path("1.mp4"), { ...rain, seconds: 2 }, path("2.mp4"))
      assert.strictEqual(facts.durationSeconds, 3)
      assert.strictEqual(facts.sourceSeconds, 1)
      assert.strictEqual(facts.sourcePictures, "copied")
      // The source and the result can be the same file.
      yield* extendClip(path("2.mp4"), rain, path("2.mp4"))
      const [first, last] = [yield* parse(path("1.mp4")), yield* parse(path("2.mp4"))]
      assert.strictEqual(last.samples.length, 24 + 48 + 12)
      assert.strictEqual(last.movieSeconds, 3.5)
      assert.strictEqual(last.samplesSeconds, 3.5)
      assert.deepStrictEqual(last.samples.slice(0, 24), first.samples)
      assert.deepStrictEqual(
        last.samples.flatMap((sample) => (sample.key ? [sample.at] : [])),
        [0, 1, 2, 3]
      )
      assert.deepStrictEqual(yield* Effect.promise(() => fs.readdir(path("."))), ["1.mp4", "2.mp4"])
    })
  )

  const uploads = [
    { name: "x264-bframes-aac.mp4", frames: 25, seconds: 1, size: [64, 64], hasAudio: true },
    { name: "fragmented.mp4", frames: 30, seconds: 1, size: [64, 64], hasAudio: false },
    { name: "odd-444-2997.mp4", frames: 30, seconds: 1.001, size: [65, 49], hasAudio: false },
    { name: "rotated-cropped.mp4", frames: 24, seconds: 1, size: [50, 98], hasAudio: false }
  ]
  for (const upload of uploads) {
    it.scopedLive(`copies the frames of an upload bit for bit: ${upload.name}`, () =>
      Effect.gen(function* () {
        const path = yield* folder
        const before = yield* inspect(fixture(upload.name))
        assert.deepStrictEqual([before.frames, before.durationSeconds], [upload.frames, upload.seconds])
        assert.deepStrictEqual([before.width, before.height], upload.size)
        assert.strictEqual(before.hasAudio, upload.hasAudio)
        const after = yield* extendClip(fixture(upload.name), rain, path("long.mp4"))
        assert.strictEqual(after.sourcePictures, "copied")
        assert.strictEqual(after.audioDropped, upload.hasAudio)
        assert.deepStrictEqual([after.width, after.height], upload.size)
        assert.strictEqual(after.frames, upload.frames + 12)
        assert.approximately(after.durationSeconds, upload.seconds + 0.5, 0.0001)

        const [source, long] = [yield* parse(fixture(upload.name)), yield* parse(path("long.mp4"))]
        assert.strictEqual(long.tracks, 1)
        assert.deepStrictEqual(
          long.samples.slice(0, upload.frames).map((sample) => sample.data),
          source.samples.map((sample) => sample.data)
        )
        // The display order stays, B-frames included, and the new segment starts at the end of the source.
        const start = Math.min(...source.samples.map((sample) => sample.at))
        long.samples.forEach((sample, index) => {
          const expected = (source.samples[index]?.at ?? upload.seconds + (index - upload.frames) / 24 + start) - start
          assert.approximately(sample.at, expected, 0.0001)
        })
        assert.isTrue(long.samples[upload.frames]?.key)
        assert.approximately(long.movieSeconds, upload.seconds + 0.5, 0.0001)
      })
    )
  }

  for (const name of ["hevc.mp4", "mpeg4.mp4"]) {
    it.scopedLive(`replaces the frames of another codec by drawn ones: ${name}`, () =>
      Effect.gen(function* () {
        const path = yield* folder
        assert.notStrictEqual((yield* inspect(fixture(name))).videoCodec, "avc")
        const facts = yield* extendClip(fixture(name), rain, path("long.mp4"))
        assert.strictEqual(facts.sourcePictures, "replaced")
        assert.strictEqual(facts.videoCodec, "avc")
        assert.deepStrictEqual([facts.sourceSeconds, facts.durationSeconds, facts.frames], [1, 1.5, 36])
      })
    )
  }
})

describe("inspect", () => {
  it.scopedLive("refuses a file that is not a complete MP4 with pictures", () =>
    Effect.gen(function* () {
      const path = yield* folder
      yield* renderClip(small, path("clip.mp4"))
      const cut = (name: string, source: string, part: number) =>
        Effect.promise(async () => {
          const bytes = await fs.readFile(source)
          await fs.writeFile(path(name), bytes.subarray(0, Math.floor(bytes.length * part)))
        })
      yield* Effect.promise(() => fs.writeFile(path("empty.mp4"), ""))
      yield* Effect.promise(() => fs.writeFile(path("text.mp4"), "this is not a film\n".repeat(50)))
      yield* cut("half.mp4", path("clip.mp4"), 0.9)
      yield* cut("tables-cut.mp4", fixture("x264-bframes-aac.mp4"), 0.9)
      yield* cut("fragment-cut.mp4", fixture("fragmented.mp4"), 0.6)
      const wrong = ["empty.mp4", "text.mp4", "half.mp4", "tables-cut.mp4", "fragment-cut.mp4"].map(path)
      for (const file of [...wrong, fixture("audio-only.mp4"), path(".")]) {
        const error = yield* Effect.flip(inspect(file))
        assert.strictEqual(error._tag, "NotMp4Error", file)
        const refused = yield* Effect.flip(extendClip(file, rain, path("out.mp4")))
        assert.deepStrictEqual(refused, error)
      }
      const missing = yield* Effect.flip(inspect(path("missing.mp4")))
      assert.strictEqual(missing._tag === "MediaFileError" ? missing.code : missing._tag, "ENOENT")
      assert.notInclude(yield* Effect.promise(() => fs.readdir(path("."))), "out.mp4")
    })
  )
})
