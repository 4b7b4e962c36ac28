// @ts-check
// Program for every runtime: creates, watches, extends (by id and by upload), awaits both and downloads. Checks the tag of an
// error, the timeout of a request, and the verification of a webhook by WebCrypto. Uses only the package and its two peers.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import {
  adaptivePoll,
  awaitVideo,
  awaitVideos,
  createVideo,
  downloadVideo,
  extendVideo,
  retrieveVideo,
  VideoFile,
  watchVideo
} from "effect-videos"
import { signWebhook, verifyWebhook } from "effect-videos/Webhook"

/** @type {(condition: boolean, what: string) => Effect.Effect<void>} */
const expect = (condition, what) => (condition ? Effect.void : Effect.dieMessage(`not so: ${what}`))

const poll = adaptivePoll({ floor: "50 millis", cap: "250 millis" })

/** @param {import("effect-videos").VideoResource} video */
const download = (video) =>
  Effect.map(Stream.runCollect(downloadVideo(video)), (chunks) => {
    const parts = [...chunks]
    const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
    parts.reduce((offset, part) => {
      bytes.set(part, offset)
      return offset + part.length
    }, 0)
    return bytes
  })

/** @param {Uint8Array} bytes */
const isMp4 = (bytes) => new TextDecoder().decode(bytes.subarray(4, 8)) === "ftyp"

const webhook = Effect.gen(function* () {
  const secrets = Redacted.make("whsec_dGhlIHNlbmRlciBhbmQgSSBrbm93IHRoaXM=")
  const timestamp = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  const body = JSON.stringify({ id: "evt_1", object: "event", type: "video.completed", data: { id: "video_1" } })
  /** @param {string} signature */
  const headers = (signature) => ({
    "webhook-id": "msg_1",
    "webhook-timestamp": `${timestamp}`,
    "webhook-signature": signature
  })
  const signature = yield* signWebhook({ id: "msg_1", timestamp, body, secret: secrets })
  yield* verifyWebhook({ headers: headers(signature), body }, { secrets })
  const { _tag } = yield* Effect.flip(verifyWebhook({ headers: headers(signature), body: `${body} ` }, { secrets }))
  yield* expect(_tag === "WebhookSignatureError", `a forged webhook is refused with ${_tag}`)
})

/** Runs the program with `Videos`, and returns a summary in one line. */
export const job = Effect.gen(function* () {
  const created = yield* createVideo({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })
  const timeout = yield* Effect.flip(awaitVideo(created, { poll, totalTimeout: "20 millis" }))
  yield* expect(timeout._tag === "WatchTimeoutError", `a watch of 20 ms ends with ${timeout._tag}`)

  const updates = [...(yield* Stream.runCollect(watchVideo(created.id, { poll })))]
  const clip = updates.at(-1)
  if (clip === undefined) return yield* Effect.dieMessage("the watch emits nothing")
  yield* expect(clip.status === "completed", `the watch ends with ${clip.status}`)
  const bytes = yield* download(clip)
  yield* expect(isMp4(bytes), "the clip is an MP4")

  const extensions = yield* Effect.all([
    extendVideo({ video: clip, prompt: "the light comes on", seconds: 8 }),
    extendVideo({ video: VideoFile.fromBytes(bytes), prompt: "a boat passes", seconds: 4 })
  ])
  const ends = yield* awaitVideos(extensions, { poll })
  const seconds = ends.map((end) => (Either.isRight(end) ? end.right.seconds : end.left._tag))
  yield* expect(`${seconds}` === "12,8", `the extensions end with ${seconds}`)
  const longer = yield* download(extensions[0])
  yield* expect(isMp4(longer) && longer.length > bytes.length, "the extension is a longer MP4")

  const missing = yield* Effect.flip(retrieveVideo("video_none"))
  yield* expect(missing._tag === "VideoNotFoundError", `a job that is not there is ${missing._tag}`)
  yield* webhook
  return `${updates.length} updates, ${bytes.length} and ${longer.length} bytes`
})
