import * as fs from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect } from "effect"
import { decode, encode } from "fast-png"
import { parseMp4 } from "../../../test/support/mp4.js"
import { motionOf } from "../src/media/frames.js"
import { drawn, extended, redrawn, reelOf } from "../src/recipe.js"
import { errorOf, fixture, idOf, instant, make, post, postForm, remove, send } from "./support.js"

const server = VideosServer.layerInProcess(instant)

const film = (id: string) => Effect.map(send(`/videos/${id}/content`), ({ bytes }) => parseMp4(bytes))

const upload = (name: string, type = "video/mp4") =>
  Effect.promise(async () => new File([await fs.readFile(fixture(name))], name, { type }))

describe("a remix", () => {
  it.effect("has the size, length and frame count of its source, and other frames", () =>
    Effect.gen(function* () {
      const source = yield* make({ model: "sora-2-pro" })
      const { json } = yield* post(`/videos/${source}/remix`, { prompt: "in a storm" })
      assert.deepInclude(json, {
        object: "video",
        model: "sora-2-pro",
        prompt: "in a storm",
        remixed_from_video_id: source,
        size: "64x64",
        seconds: "4"
      })
      const [before, after] = [yield* film(source), yield* film(String(json.id))]
      assert.strictEqual(after.movieSeconds, before.movieSeconds)
      assert.strictEqual(after.samples.length, before.samples.length)
      assert.deepStrictEqual([after.width, after.height], [before.width, before.height])
      assert.notDeepEqual(after.samples[0]?.data, before.samples[0]?.data)
    }).pipe(Effect.provide(server))
  )

  it("moves like its source, with its own prompt, colours and source label", () => {
    const source = extended(drawn({ width: 320, height: 240, seconds: 4, prompt: "a boat" }), "it sinks", 8)
    const remix = redrawn(source, "a whale", "remix of video_1")
    const [before, after] = [reelOf(source), reelOf(remix)]
    assert.deepStrictEqual(
      after.map(({ frames, scene }) => [frames, scene.motion, scene.startSecond, scene.totalSeconds]),
      before.map(({ frames, scene }) => [frames, motionOf(scene), scene.startSecond, scene.totalSeconds])
    )
    for (const { scene } of after) {
      assert.deepInclude(scene, { id: remix.key, prompt: "a whale", label: "remix of video_1" })
    }
    assert.deepStrictEqual(
      reelOf(redrawn(remix, "a crab", "remix of video_2")).map(({ scene }) => scene.motion),
      before.map(({ scene }) => motionOf(scene))
    )
  })

  it.effect("has the total length of the extension that is its source", () =>
    Effect.gen(function* () {
      const source = yield* make()
      const longer = idOf(yield* post("/videos/extensions", { video: { id: source }, prompt: "on", seconds: "4" }))
      const remix = yield* postForm(`/videos/${longer}/remix`, { prompt: "in a storm" })
      assert.deepInclude(remix.json, { seconds: "8", remixed_from_video_id: longer })
      assert.strictEqual((yield* film(idOf(remix))).movieSeconds, 8)
    }).pipe(Effect.provide(server))
  )

  it.effect("is refused without a prompt, for a running job, and for an unknown job", () =>
    Effect.gen(function* () {
      const source = yield* make()
      const early = yield* post(`/videos/${source}/remix`, { prompt: "in a storm" })
      assert.deepStrictEqual([early.status, errorOf(early).code], [400, "video_not_completed"])
      const empty = yield* post(`/videos/${source}/remix`, {})
      assert.deepInclude(errorOf(empty), { param: "prompt", code: "missing_required_parameter" })
      const missing = yield* post("/videos/video_0/remix", { prompt: "in a storm" })
      assert.deepStrictEqual([missing.status, errorOf(missing).code], [404, "video_not_found"])
    }).pipe(Effect.provide(VideosServer.layerInProcess()))
  )
})

describe("an edit", () => {
  it.effect("has the length and size of the job that is its source", () =>
    Effect.gen(function* () {
      const source = yield* make()
      const byReference = yield* post("/videos/edits", { video: { id: source }, prompt: "at noon" })
      const byForm = yield* postForm("/videos/edits", { "video[id]": source, prompt: "at noon" })
      const byPart = yield* postForm("/videos/edits", { video: JSON.stringify({ id: source }), prompt: "at noon" })
      for (const { json } of [byReference, byForm, byPart]) {
        assert.deepInclude(json, { prompt: "at noon", size: "64x64", seconds: "4", remixed_from_video_id: null })
      }
      assert.strictEqual((yield* film(idOf(byForm))).samples.length, 96)
    }).pipe(Effect.provide(server))
  )

  it.effect.each([
    ["x264-bframes-aac.mp4", "64x64", "1"],
    ["odd-444-2997.mp4", "66x50", "1"],
    ["hevc.mp4", "64x64", "1"]
  ] as const)("of the file %s has its length and size", ([name, size, seconds]) =>
    Effect.gen(function* () {
      const edit = yield* postForm("/videos/edits", { video: yield* upload(name), prompt: "at noon" })
      assert.deepInclude(edit.json, { size, seconds })
      const { height, movieSeconds, width } = yield* film(idOf(edit))
      assert.deepStrictEqual([`${width}x${height}`, String(movieSeconds)], [size, seconds])
    }).pipe(Effect.provide(server))
  )

  it.effect("is refused for a file that is not a video, and without a source", () =>
    Effect.gen(function* () {
      const noFilm = new File(["not a film"], "clip.mp4", { type: "video/mp4" })
      const refused = yield* postForm("/videos/edits", { video: noFilm, prompt: "at noon" })
      assert.deepInclude(errorOf(refused), { param: "video", code: "invalid_file" })
      const none = yield* post("/videos/edits", { prompt: "at noon" })
      assert.deepInclude(errorOf(none), { param: "video", code: "missing_required_parameter" })
    }).pipe(Effect.provide(server))
  )

  it.effect("can be extended after the upload that is its source is deleted", () =>
    Effect.gen(function* () {
      const video = yield* upload("x264-bframes-aac.mp4")
      const edit = idOf(yield* postForm("/videos/edits", { video, prompt: "at noon" }))
      const longer = yield* post("/videos/extensions", { video: { id: edit }, prompt: "on", seconds: "4" })
      assert.strictEqual((yield* film(idOf(longer))).movieSeconds, 5)
    }).pipe(Effect.provide(server))
  )
})

describe("a character", () => {
  it.effect("is made from a video and a name, and can be read", () =>
    Effect.gen(function* () {
      const video = yield* upload("x264-bframes-aac.mp4")
      const made = yield* postForm("/videos/characters", { video, name: "Mossy" })
      assert.match(idOf(made), /^char_/)
      assert.deepStrictEqual(made.json, { id: idOf(made), name: "Mossy", created_at: 0 })
      assert.deepStrictEqual((yield* send(`/videos/characters/${idOf(made)}`)).json, made.json)
      assert.strictEqual((yield* (yield* VideosServer).jobs).length, 0)
    }).pipe(Effect.provide(server))
  )

  it.effect("is refused without a video, with another file, and with a name that is too short or too long", () =>
    Effect.gen(function* () {
      const video = yield* upload("x264-bframes-aac.mp4")
      const refusals = [
        [yield* postForm("/videos/characters", { name: "Mossy" }), "video", "missing_required_parameter"],
        [yield* post("/videos/characters", { name: "Mossy", video: { id: "v" } }), "video", "invalid_type"],
        [
          yield* postForm("/videos/characters", { name: "Mossy", video: new File(["x"], "x") }),
          "video",
          "invalid_file"
        ],
        [yield* postForm("/videos/characters", { video }), "name", "missing_required_parameter"],
        [yield* postForm("/videos/characters", { video, name: "" }), "name", "empty_string"],
        [yield* postForm("/videos/characters", { video, name: "🐈".repeat(81) }), "name", "string_above_max_length"]
      ] as const
      for (const [response, param, code] of refusals) {
        assert.strictEqual(response.status, 400)
        assert.deepInclude(errorOf(response), { param, code })
      }
      assert.strictEqual((yield* postForm("/videos/characters", { video, name: "🐈".repeat(80) })).status, 200)
      const missing = yield* send("/videos/characters/char_0")
      assert.deepStrictEqual([missing.status, errorOf(missing).code], [404, "character_not_found"])
    }).pipe(Effect.provide(server))
  )
})

describe("an input reference", () => {
  const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 0])
  const image = (type: string, bytes: Uint8Array = png) => new File([Uint8Array.from(bytes)], "cat.png", { type })
  const fields = { prompt: "a cat", size: "320x240" }

  it.effect("can be a file, a URL or a file id", () =>
    Effect.gen(function* () {
      const responses = [
        yield* postForm("/videos", { ...fields, input_reference: image("image/png") }),
        yield* postForm("/videos", { ...fields, input_reference: image("image/webp; q=1", new Uint8Array(3)) }),
        yield* postForm("/videos", { ...fields, input_reference: image("application/octet-stream") }),
        yield* postForm("/videos", { ...fields, "input_reference[file_id]": "file-1" }),
        yield* post("/videos", { ...fields, input_reference: { image_url: "https://example.com/cat.png" } }),
        yield* post("/videos", { ...fields, input_reference: { image_url: "data:image/png;base64,AAAA" } })
      ]
      for (const { json, status } of responses) assert.deepStrictEqual([status, json.object], [200, "video"])
    }).pipe(Effect.provide(server))
  )

  it.effect("is named in the corner of the clip", () =>
    Effect.gen(function* () {
      const corner = (response: Parameters<typeof idOf>[0]) =>
        Effect.map(send(`/videos/${idOf(response)}/content?variant=thumbnail`), ({ bytes }) => {
          const { data, width } = decode(bytes)
          // The label has a grey background; without a label, the picture has a colour there.
          const at = (12 * width + 12) * 3
          return [...data.subarray(at, at + 3)]
        })
      const [red, green, blue] = yield* corner(
        yield* postForm("/videos", { ...fields, input_reference: image("image/png") })
      )
      assert.deepStrictEqual([red, green], [green, blue])
      const [otherRed, otherGreen, otherBlue] = yield* corner(yield* post("/videos", fields))
      assert.notDeepEqual([otherRed, otherGreen], [otherGreen, otherBlue])
    }).pipe(Effect.provide(server))
  )

  /** PNG with a red left half and a blue right half. */
  const flag = (width: number, height: number, channels: 3 | 4 = 3) => {
    const data = new Uint8Array(width * height * channels).fill(255)
    for (let pixel = 0; pixel < width * height; pixel++) {
      data.set(pixel % width < width / 2 ? [230, 20, 20] : [20, 20, 230], pixel * channels)
    }
    return encode({ width, height, data, channels, depth: 8 })
  }

  /** Returns two pixels of the first and of the last tile of the spritesheet. */
  const sides = (id: string) =>
    Effect.map(send(`/videos/${id}/content?variant=spritesheet`), ({ bytes }) => {
      const { data, height, width } = decode(bytes)
      const tile = width / 10
      const pixel = (x: number, y: number) => [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)]
      const of = (left: number, bottom: number) => [pixel(left + 20, bottom - 60), pixel(left + tile - 20, bottom - 60)]
      return { first: of(0, 120), last: of(width - tile, height) }
    })

  const isFlag = ([left = [], right = []]: ReadonlyArray<ReadonlyArray<number>>) => {
    for (const [pixel, colour] of [
      [left, [230, 20, 20]],
      [right, [20, 20, 230]]
    ] as const) {
      for (const [index, value] of colour.entries()) assert.closeTo(pixel[index] ?? 0, value, 8)
    }
  }

  it.effect.each([
    ["of the clip's size", flag(320, 240)],
    ["of another shape", flag(90, 40)],
    ["with an alpha channel", flag(640, 480, 4)]
  ] as const)("as a PNG is the first frame of the clip: %s", ([, bytes]) =>
    Effect.gen(function* () {
      const id = idOf(yield* postForm("/videos", { ...fields, input_reference: image("image/png", bytes) }))
      const { first, last } = yield* sides(id)
      isFlag(first)
      assert.notDeepEqual(last, first)
    }).pipe(Effect.provide(server))
  )

  it.effect("is the first frame of an extension too, which can be rendered after the source is deleted", () =>
    Effect.gen(function* () {
      const id = idOf(yield* postForm("/videos", { ...fields, input_reference: image("image/png", flag(90, 40)) }))
      const longer = idOf(yield* post("/videos/extensions", { video: { id }, prompt: "on", seconds: "4" }))
      assert.strictEqual((yield* remove(`/videos/${id}`)).status, 200)
      assert.strictEqual((yield* film(longer)).movieSeconds, 8)
      isFlag((yield* sides(longer)).first)
    }).pipe(Effect.provide(server))
  )

  it.effect("is refused if it is not exactly one image", () =>
    Effect.gen(function* () {
      const refusals = [
        [yield* postForm("/videos", { ...fields, input_reference: image("text/plain") }), "invalid_file"],
        [
          yield* postForm("/videos", {
            ...fields,
            input_reference: image("application/octet-stream", new Uint8Array(20))
          }),
          "invalid_file"
        ],
        [yield* post("/videos", { ...fields, input_reference: "cat.png" }), "invalid_type"],
        [yield* post("/videos", { ...fields, input_reference: {} }), "invalid_value"],
        [
          yield* post("/videos", { ...fields, input_reference: { file_id: "f", image_url: "https://a.example" } }),
          "invalid_value"
        ],
        [yield* post("/videos", { ...fields, input_reference: { image_url: "ftp://a.example" } }), "invalid_value"],
        [yield* post("/videos", { ...fields, input_reference: { image_url: "data:text/plain,x" } }), "invalid_value"],
        [yield* post("/videos", { ...fields, input_reference: { file_id: 7 } }), "invalid_type"]
      ] as const
      for (const [response, code] of refusals) {
        assert.strictEqual(response.status, 400)
        assert.deepInclude(errorOf(response), { param: "input_reference", code })
      }
    }).pipe(Effect.provide(server))
  )
})
