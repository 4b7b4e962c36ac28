/** `character create` and `character get`. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import type { VideoCharacter } from "effect-videos/Schema"
import * as VideoFile from "effect-videos/VideoFile"
import { createCharacter, retrieveCharacter } from "effect-videos/Videos"
import { commandNode } from "./commandHelp.js"
import { connectionArguments, videosLayer } from "./connection.js"
import { makeDisplay, progressMode } from "./display.js"
import { descriptions } from "./help.js"
import * as options from "./options.js"
import { characterRecord } from "./records.js"
import { Session } from "./session.js"
import { bytes, clean } from "./text.js"
import { fields, makeWriter, type Writer } from "./writer.js"

const show = (writer: Writer, character: VideoCharacter) =>
  writer.write(characterRecord(character), (style) =>
    fields(
      [
        ["id", character.id === null ? null : clean(character.id)],
        ["name", character.name === null ? null : clean(character.name)]
      ],
      style
    )
  )

const create = Command.make(
  "create",
  {
    file: Args.text({ name: "FILE" }).pipe(Args.withDescription("The film that shows it, which is uploaded.")),
    name: Options.text("name").pipe(Options.withDescription("What later prompts call it, in up to 80 characters.")),
    ...options.connection,
    ...options.shown
  },
  (given) =>
    Effect.gen(function* () {
      const session = yield* Session
      const writer = yield* makeWriter(given)
      const mode = yield* progressMode(given.progress)
      const file = yield* VideoFile.fromPath(given.file)
      yield* session.submitting("character create", connectionArguments(given))
      const character = yield* Effect.scoped(
        Effect.gen(function* () {
          const row = yield* Effect.flatMap(makeDisplay(mode), (display) => display.add(given.name, "submitting"))
          const video = VideoFile.withProgress(file, row.upload)
          const character = yield* Effect.tapError(createCharacter({ video, name: given.name }), () =>
            Effect.zipRight(session.notSubmitting, row.end(false, ""))
          )
          yield* row.end(true, `uploaded ${bytes(file.size ?? 0)}`)
          return character
        })
      )
      yield* session.notSubmitting
      yield* show(writer, character)
    })
).pipe(
  Command.withDescription("Makes a character out of a film, to be named in later prompts."),
  Command.provide((given) => videosLayer(given))
)

const get = Command.make(
  "get",
  {
    id: Args.text({ name: "ID" }).pipe(Args.withDescription("The character to look at.")),
    ...options.connection,
    ...options.format
  },
  (given) =>
    Effect.flatMap(Effect.zip(makeWriter(given), retrieveCharacter(given.id)), ([writer, character]) =>
      show(writer, character)
    )
).pipe(
  Command.withDescription("Looks at a character."),
  Command.provide((given) => videosLayer(given))
)

export const characterCommands = [commandNode(create), commandNode(get)]

export const character = Command.make("character").pipe(
  Command.withDescription(descriptions.character),
  Command.withSubcommands([create, get])
)
