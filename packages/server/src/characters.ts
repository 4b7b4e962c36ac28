/** Characters: names for uploaded videos. The server checks that the upload is a video and uses nothing else of it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Refusal, refuse } from "./protocol.js"
import { randomId } from "./randomId.js"

/** @internal */
export interface Character {
  readonly id: string
  readonly name: string
  /** Unix seconds. */
  readonly created_at: number
}

/** @internal */
export interface Characters {
  readonly create: (name: string) => Effect.Effect<Character>
  readonly get: (id: string) => Effect.Effect<Character, Refusal>
}

/** @internal */
export const makeCharacters = (): Characters => {
  const characters = new Map<string, Character>()
  return {
    create: (name) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const character = { id: `char_${randomId()}`, name, created_at: Math.floor(now / 1000) }
        characters.set(character.id, character)
        return character
      }),
    get: (id) =>
      Effect.suspend(() => {
        const character = characters.get(id)
        return character === undefined
          ? Effect.fail(
              refuse(404, `No character with the id '${id}'.`, { param: "character_id", code: "character_not_found" })
            )
          : Effect.succeed(character)
      })
  }
}
