/** `create`, `extend`, `edit` and `remix`: from a prompt to a job, or in one line to a file. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ImageReference } from "effect-videos/Schema"
import { createAndWatch, editAndWatch, extendAndWatch, remixAndWatch } from "effect-videos/Stream"
import * as VideoFile from "effect-videos/VideoFile"
import type { Videos } from "effect-videos/Videos"
import { videosLayer } from "./connection.js"
import type { JobDisplay } from "./display.js"
import { UsageError } from "./errors.js"
import { descriptions } from "./help.js"
import { extendOrJoin } from "./join.js"
import * as options from "./options.js"
import { planOutput } from "./output.js"
import { isFile, source, sourceArgument } from "./sources.js"
import { type Given, submission, type Updates } from "./submission.js"

const picture = (text: string) =>
  Effect.gen(function* () {
    if (/^(https?|data):/i.test(text)) return { imageUrl: text } satisfies ImageReference
    if (yield* isFile(text)) return yield* VideoFile.fromPath(text)
    if (/^file[-_]\w+$/.test(text)) return { fileId: text } satisfies ImageReference
    return yield* new UsageError({
      field: "--image",
      problem: `must be a URL, a file or the id of an uploaded file; there is no file ${text}`
    })
  })

const told = <A>(video: A | VideoFile.VideoFile, display: JobDisplay): A | VideoFile.VideoFile =>
  VideoFile.isVideoFile(video) ? VideoFile.withProgress(video, display.upload) : video

// -----------------------------------------------------------------------------
// one submission
// -----------------------------------------------------------------------------

const common = {
  watch: options.watch,
  ...options.following,
  extraBody: options.extraBody,
  idempotencyKey: options.idempotencyKey,
  ...options.shown,
  ...options.connection
}

const submit = <E>(operation: string, given: Given, updates: Updates<E, Videos>) =>
  Effect.flatMap(planOutput(given.output, given.overwrite, []), (output) =>
    submission(operation, given, output, updates)
  )

// -----------------------------------------------------------------------------
// commands
// -----------------------------------------------------------------------------

const origin = "The completed job to start from, by its id; or a film, which is uploaded."

const size = Options.text("size").pipe(Options.withPseudoName("widthxheight"))
const model = Options.text("model").pipe(Options.withPseudoName("name"))

export const create = Command.make(
  "create",
  {
    prompt: options.prompt.pipe(Options.withDescription("What to show, in up to 32,000 characters.")),
    seconds: options.seconds.pipe(
      Options.withDescription("Length of the clip. Without it, the server decides."),
      Options.optional
    ),
    size: size.pipe(
      Options.withDescription("Size of the picture, such as `1280x720`. Without it, the server decides."),
      Options.optional
    ),
    model: model.pipe(
      Options.withDescription("The server's name for a model. Without it, the server decides."),
      Options.optional
    ),
    image: Options.text("image").pipe(
      Options.withPseudoName("file|url|id"),
      Options.withDescription(
        "A picture to start from: a file, which is uploaded, a URL, or the id of an uploaded file."
      ),
      Options.optional
    ),
    ...common
  },
  (given) =>
    Effect.gen(function* () {
      const image = Option.isSome(given.image) ? yield* picture(given.image.value) : undefined
      yield* submit("create", given, (display, watching) =>
        createAndWatch(
          {
            prompt: given.prompt,
            seconds: Option.getOrUndefined(given.seconds),
            size: Option.getOrUndefined(given.size),
            model: Option.getOrUndefined(given.model),
            inputReference: image === undefined ? undefined : told(image, display),
            extraBody: given.extraBody
          },
          watching
        )
      )
    })
).pipe(
  Command.withDescription(descriptions.create),
  Command.provide((given) => videosLayer(given))
)

export const extend = Command.make(
  "extend",
  {
    source: sourceArgument(origin),
    prompt: options.prompt.pipe(Options.withDescription("What happens next, in up to 32,000 characters.")),
    seconds: options.seconds.pipe(Options.withDescription("Length of what is added. The new clip is the whole.")),
    join: Options.boolean("join").pipe(
      Options.withDescription(
        "Where the server extends nothing, makes a clip that begins with the last frame, and joins the two by FFmpeg. Needs `--output`."
      )
    ),
    size: size.pipe(
      Options.withDescription("With `--join`: the size to ask for, if not that of the clip."),
      Options.optional
    ),
    model: model.pipe(Options.withDescription("With `--join`: the server's name for a model."), Options.optional),
    ...common
  },
  (given) =>
    Effect.gen(function* () {
      const video = yield* source(given.source)
      const { extraBody, prompt, seconds } = given
      const options = { size: Option.getOrUndefined(given.size), model: Option.getOrUndefined(given.model) }
      if (given.join) {
        const request = { video, prompt, seconds, extraBody, ...options }
        return yield* extendOrJoin(given, request, (display) => told(video, display))
      }
      for (const [name, value] of Object.entries(options)) {
        if (value !== undefined) return yield* new UsageError({ field: `--${name}`, problem: "needs `--join`" })
      }
      yield* submit("extend", given, (display, watching) =>
        extendAndWatch({ video: told(video, display), prompt, seconds, extraBody }, watching)
      )
    })
).pipe(
  Command.withDescription(descriptions.extend),
  Command.provide((given) => videosLayer(given))
)

export const edit = Command.make(
  "edit",
  {
    source: sourceArgument(origin),
    prompt: options.prompt.pipe(Options.withDescription("What changes, in up to 32,000 characters.")),
    ...common
  },
  (given) =>
    Effect.gen(function* () {
      const video = yield* source(given.source)
      const { extraBody, prompt } = given
      yield* submit("edit", given, (display, watching) =>
        editAndWatch({ video: told(video, display), prompt, extraBody }, watching)
      )
    })
).pipe(
  Command.withDescription(descriptions.edit),
  Command.provide((given) => videosLayer(given))
)

export const remix = Command.make(
  "remix",
  {
    id: Args.text({ name: "ID" }).pipe(Args.withDescription("The completed job to remix.")),
    prompt: options.prompt.pipe(Options.withDescription("The new prompt, in up to 32,000 characters.")),
    ...common
  },
  (given) => {
    const { extraBody, id, prompt } = given
    return submit("remix", given, (_, watching) => remixAndWatch({ video: id, prompt, extraBody }, watching))
  }
).pipe(
  Command.withDescription(descriptions.remix),
  Command.provide((given) => videosLayer(given))
)
