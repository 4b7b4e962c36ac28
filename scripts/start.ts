/**
 * Demo of the main task: makes a clip of 4 seconds, extends it by 8 seconds with live status, and downloads it. Uses the server
 * in `OPENAI_BASE_URL`, else the embedded one.
 *
 *   npm start
 *   npm start -- --from video_1     extend an existing clip
 *   npm start -- --resume video_1   watch an extension that was submitted before
 */
import { parseArgs } from "node:util"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { VideosServer } from "@effect-videos/server"
import { inspect } from "@effect-videos/server/Media"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import {
  adaptivePoll,
  createAndWatch,
  downloadVideoToFile,
  extendAndWatch,
  phaseOf,
  VideoFailedError,
  type VideoResource,
  Videos,
  watchVideo
} from "effect-videos"
import { say, showBytes, showJob } from "./screen.js"

const { values: given } = parseArgs({ options: { from: { type: "string" }, resume: { type: "string" } } })
const baseUrl = process.env.OPENAI_BASE_URL
const embedded = baseUrl === undefined || baseUrl === ""

const options = {
  totalTimeout: "15 minutes",
  // Frequent polls are harmless, because the embedded server is in this process.
  ...(embedded ? { poll: adaptivePoll({ floor: "200 millis", cap: "1 second" }) } : {})
} as const

// Ctrl-C prints the current job, and the option that resumes it.
let inHand: { readonly option: string; readonly id: string } | null = null
const remember = (option: string) => (video: VideoResource) => {
  inHand = { option, id: video.id }
}

const show = <E, R>(label: string, updates: Stream.Stream<VideoResource, E, R>, option: string) =>
  Effect.flatMap(showJob(label, updates, remember(option)), (video) => {
    if (video === null) return Effect.dieMessage("a watch emits at least one snapshot")
    return phaseOf(video) === "failed"
      ? Effect.fail(new VideoFailedError({ operation: "watchVideo", video }))
      : Effect.succeed(video)
  })

const source =
  given.from === undefined
    ? show(
        "create 4 s",
        createAndWatch({ prompt: "A lighthouse at dusk, waves below", seconds: 4, size: "1280x720" }, options),
        "--from"
      )
    : show("source    ", watchVideo(given.from, options), "--from")

const extension =
  given.resume === undefined
    ? Effect.flatMap(source, (video) =>
        show(
          "extend 8 s",
          extendAndWatch({ video, prompt: "The light comes on and sweeps the sea", seconds: 8 }, options),
          "--resume"
        )
      )
    : show("resume    ", watchVideo(given.resume, options), "--resume")

const save = (video: VideoResource) =>
  Effect.gen(function* () {
    const path = `out/${video.id.replace(/[^\w.-]/g, "_")}.mp4`
    yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeDirectory("out", { recursive: true }))
    yield* showBytes("download  ", (onProgress) => downloadVideoToFile(video, path, { overwrite: true, onProgress }))
    return path
  })

const program = Effect.gen(function* () {
  yield* say(embedded ? `Embedded server at ${(yield* VideosServer).baseUrl}` : `Server at ${baseUrl}`)
  const video = yield* extension
  const path = yield* save(video)
  const { durationSeconds, height, width } = yield* inspect(path)
  yield* say(`${path}  ${durationSeconds} s  ${width}x${height}`)
})

const howToResume = Effect.suspend(() => {
  if (inHand === null) return say("Stopped; nothing was submitted.")
  if (embedded) return say("Stopped. The embedded server and its jobs went with this program: `npm start` begins anew.")
  return say(
    `Stopped; the job goes on. To resume: OPENAI_BASE_URL=${baseUrl} npm start -- ${inHand.option} ${inHand.id}`
  )
})

const live = embedded
  ? VideosServer.layerVideos.pipe(Layer.provideMerge(VideosServer.layer()))
  : Layer.merge(Videos.layerConfig, VideosServer.layerInProcess())

program.pipe(
  Effect.onInterrupt(() => howToResume),
  Effect.provide(live),
  Effect.provide(Layer.merge(NodeHttpClient.layerUndici, NodeContext.layer)),
  Effect.tapErrorCause((cause) => {
    if (Cause.isInterruptedOnly(cause)) return Effect.void
    const failure = Cause.failureOption(cause)
    // The message of an expected error is enough; a defect needs its stack trace.
    return say(Option.isSome(failure) ? `${failure.value._tag}: ${failure.value.message}` : Cause.pretty(cause))
  }),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    // 130 is the exit code of a program that Ctrl-C has stopped.
    teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) ? 0 : Cause.isInterruptedOnly(exit.cause) ? 130 : 1)
  })
)
