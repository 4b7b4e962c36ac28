/** Serves `GET /videos/{id}/content`: the video of a job, its thumbnail or its spritesheet. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type ClipFiles, type Variant, variants } from "./clipFiles.js"
import { serveFile } from "./files.js"
import type { Imitation } from "./imitation.js"
import { isExpired, type Job, stateOf } from "./Jobs.js"
import { type Refusal, refuse } from "./protocol.js"

const isVariant = (name: string): name is Variant => name !== "poster" && Object.hasOwn(variants, name)

const readVariant = (rule: Imitation["variant"], given: string | null): Effect.Effect<Variant, Refusal> => {
  if (given === null || rule === "ignored") return Effect.succeed("video")
  if (rule === "number") {
    return given === "0"
      ? Effect.succeed("video")
      : Effect.fail(refuse(404, `Video variant ${given} not found`, { param: "variant", code: "variant_not_found" }))
  }
  return isVariant(given)
    ? Effect.succeed(given)
    : Effect.fail(
        refuse(400, "Invalid value for 'variant'. Supported values are: 'video', 'thumbnail', and 'spritesheet'.", {
          param: "variant",
          code: "invalid_value"
        })
      )
}

/** Refuses with 404, as OpenAI does, if the job has not completed or its files have expired. */
const checkAvailable = (job: Job, clipFiles: ClipFiles): Effect.Effect<void, Refusal> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { phase } = stateOf(job, now)
    if (phase === "failed") {
      const message = `Video '${job.id}' has failed and has no content.`
      return Effect.fail(refuse(404, message, { code: "video_failed", phase }))
    }
    if (phase !== "completed") {
      return Effect.fail(refuse(404, `Video is not ready yet: it is ${phase}.`, { code: "video_not_ready", phase }))
    }
    return isExpired(job, now)
      ? Effect.zipRight(
          clipFiles.deleteFiles(job.recipe),
          Effect.fail(refuse(404, `The files of video '${job.id}' have expired.`, { code: "video_expired", phase }))
        )
      : Effect.void
  })

/** @internal */
export const serveContent = (
  job: Job,
  query: URLSearchParams,
  dialect: Imitation,
  clipFiles: ClipFiles
): Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  Refusal,
  FileSystem.FileSystem | HttpServerRequest.HttpServerRequest
> =>
  Effect.gen(function* () {
    const variant = yield* readVariant(dialect.variant, query.get("variant"))
    return yield* serveVariant(job, variant, dialect, clipFiles)
  })

/** @internal */
export const serveVariant = (job: Job, variant: Variant, dialect: Imitation, clipFiles: ClipFiles) =>
  Effect.gen(function* () {
    yield* checkAvailable(job, clipFiles)
    const path = yield* clipFiles.file(job.recipe, variant)
    const { contentType, suffix } = variants[variant]
    const { contentHeaders: headers, ranges } = dialect
    // An id can contain characters that a file name must not contain.
    const filename = `${job.id.replace(/[^\w.-]/g, "_")}${suffix}`
    // Equal recipes make equal files, so the key of the recipe is an entity tag.
    return yield* serveFile({ path, contentType, filename, tag: `${job.recipe.key}-${variant}`, ranges, headers })
  })
