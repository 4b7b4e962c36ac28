/**
 * Measures the bundle size of an application with `extendVideo` and `watchVideo` over `fetch`, compared with the `openai`
 * package. Bundles with esbuild for a browser, minified. An Effect application has the two peers already, so a second figure
 * excludes them.
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

/** Effect application without videos: one request over `fetch`, with a schema. */
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
    // Bundles the published package, not the sources that the configuration of this repository maps to.
    tsconfigRaw: {}
  })
  const [output] = outputFiles
  if (output === undefined) throw new Error("esbuild wrote no output")
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
