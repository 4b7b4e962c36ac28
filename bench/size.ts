/**
 * What an application ships for `extendVideo` and `watchVideo` over `fetch`, beside the same job with the `openai` package.
 * Bundles by esbuild for a browser, minified. An application that is written with Effect has the two peers already: what
 * this library adds to it is measured with them left out.
 *
 *   npm run bench -- size
 */
import { gzipSync } from "node:zlib"
import { build } from "esbuild"
import { root } from "./build.js"

const ours = `
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { extendVideo, Videos, VideosFetch, watchVideo } from "effect-videos"

const live = Videos.layer({ baseUrl: "http://127.0.0.1:8787/v1" }).pipe(Layer.provide(VideosFetch.layer))
const program = extendVideo({ video: "video_1", prompt: "the light comes on", seconds: 8 }).pipe(
  Effect.flatMap((video) => Stream.runForEach(watchVideo(video), (update) => Effect.log(update.status)))
)
Effect.runFork(Effect.provide(program, live))
`

/** An Effect application that does nothing with videos: one request over `fetch`, with a schema. */
const peers = `
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const program = HttpClient.get("http://127.0.0.1:8787/v1/videos/video_1").pipe(
  Effect.flatMap(HttpClientResponse.schemaBodyJson(Schema.Struct({ status: Schema.String }))),
  Effect.flatMap(({ status }) => Stream.runForEach(Stream.make(status), Effect.log))
)
Effect.runFork(Effect.provide(program, FetchHttpClient.layer))
`

const openai = `
import OpenAI from "openai"

const client = new OpenAI({ apiKey: "none", baseURL: "http://127.0.0.1:8787/v1", dangerouslyAllowBrowser: true })
let video = await client.videos.extend({ video: { id: "video_1" }, prompt: "the light comes on", seconds: "8" })
while (video.status === "queued" || video.status === "in_progress") {
  await new Promise((resolve) => setTimeout(resolve, 1000))
  video = await client.videos.retrieve(video.id)
  console.log(video.status)
}
`

const contenders: ReadonlyArray<readonly [name: string, program: string, external: ReadonlyArray<string>]> = [
  ["effect-videos, what it adds to its peers", ours, ["effect", "@effect/platform"]],
  ["effect-videos with its peers", ours, []],
  ["an Effect program of one request", peers, []],
  ["`openai`, and a loop", openai, []]
]

const measure = async (contents: string, external: ReadonlyArray<string>) => {
  const { outputFiles } = await build({
    absWorkingDir: root,
    stdin: { contents, resolveDir: root },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    platform: "browser",
    legalComments: "none",
    external: [...external],
    // What is published, and not the sources that this repository's own configuration points to.
    tsconfigRaw: {}
  })
  const [output] = outputFiles
  if (output === undefined) throw new Error("esbuild made nothing")
  return { minified: output.contents.length, gzipped: gzipSync(output.contents, { level: 9 }).length }
}

const sizes = await Promise.all(contenders.map(([, program, external]) => measure(program, external)))
const reference = sizes.at(-1)?.gzipped ?? Number.NaN

console.log("\nSize of `extendVideo` and `watchVideo` in a bundle for a browser, tree-shaken\n")
console.table(
  Object.fromEntries(
    sizes.map(({ gzipped, minified }, index) => [
      contenders[index]?.[0],
      {
        "minified kB": Math.round(minified / 100) / 10,
        "gzipped kB": Math.round(gzipped / 100) / 10,
        "× openai": Number((gzipped / reference).toFixed(2))
      }
    ])
  )
)
