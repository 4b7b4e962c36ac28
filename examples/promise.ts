import { isTerminal, makeVideos, VideoNotFoundError } from "effect-videos/promise"

// Any server of the protocol, for example `npx @effect-videos/cli serve`.
const videos = makeVideos({
  baseUrl: process.env["OPENAI_BASE_URL"] ?? "http://127.0.0.1:8787/v1",
  apiKey: process.env["OPENAI_API_KEY"]
})

try {
  const job = await videos.create({ prompt: "a lighthouse at dusk", seconds: 4, size: "64x64" })
  for await (const video of videos.watch(job, { poll: "200 millis", signal: AbortSignal.timeout(60_000) })) {
    if (isTerminal(video)) console.log(video.status)
  }
  const longer = await videos.extend({ video: job, prompt: "the light comes on", seconds: 8 })
  const clip = await videos.await(longer, { poll: "200 millis" })
  const bytes = await new Response(videos.content(clip)).arrayBuffer()
  console.log(`${clip.seconds} s`, bytes.byteLength > 0 ? "a clip" : "nothing")
  await videos.retrieve("video_0")
} catch (error) {
  // The same errors as with Effect.
  if (!(error instanceof VideoNotFoundError)) throw error
  console.log(error._tag, error.videoId)
} finally {
  await videos.close()
}
