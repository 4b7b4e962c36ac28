/** `character create` and `character get`. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import { createCharacter, retrieveCharacter, type VideoCharacter, VideoFile } from "effect-videos"
import { connectionArguments, videosLayer } from "./connection.js"
import { makeDisplay, progressMode } from "./display.js"
import * as options from "./options.js"
import { characterRecord } from "./records.js"
import { Session } from "./session.js"
import { bytes, clean } from "./text.js"
import { fields, makeWriter } from "./writer.js"

const show = (given: options.Shown, character: VideoCharacter) =>
  Effect.flatMap(makeWriter(given), ({ write }) =>
    write(characterRecord(character), (style) =>
      fields(
        [
          ["id", character.id === null ? null : clean(character.id)],
          ["name", character.name === null ? null : clean(character.name)]
        ],
        style
      )
    )
  )

const create = Command.make(
  "create",
  { file: Args.text({ name: "FILE" }), name: Options.text("name"), ...options.connection, ...options.shown },
  (given) =>
    Effect.gen(function* () {
      const session = yield* Session
      const mode = yield* progressMode(given.progress)
      const file = yield* VideoFile.fromPath(given.file)
      yield* session.submitting("character create", yield* connectionArguments(given))
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
      yield* show(given, character)
    })
).pipe(Command.provide((given) => videosLayer(given)))

const get = Command.make("get", { id: Args.text({ name: "ID" }), ...options.connection, ...options.format }, (given) =>
  Effect.flatMap(retrieveCharacter(given.id), (character) => show(given, character))
).pipe(Command.provide((given) => videosLayer(given)))

export const character = Command.make("character").pipe(Command.withSubcommands([create, get]))
