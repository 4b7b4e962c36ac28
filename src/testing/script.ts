/** A `Videos` whose polls follow a script. */
import * as Headers from "@effect/platform/Headers"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { CallOptions } from "../Http.js"
import { anyServer } from "../internal/dialects/openai.js"
import { type Operation, VideoNotFoundError } from "../internal/errors/errors.js"
import * as submissions from "../internal/protocol/submissionRequests.js"
import type { VideoResource } from "../internal/protocol/videoSchemas.js"
import type { RetrieveVideoError, VideosService } from "../Videos.js"
import type { Method } from "./calls.js"
import { pollOf, type Script } from "./poll.js"
import { fieldsOf, makeVideo } from "./snapshots.js"

const missing = (operation: Operation, videoId: string) =>
  new VideoNotFoundError({ operation, status: 404, detail: "the script has no such job", videoId })

/** Runs the call's `onResponse`. */
const respond = (options: CallOptions | undefined, status: number, headers: { readonly [name: string]: string } = {}) =>
  options?.onResponse?.({ status, headers: Headers.fromInput(headers), requestId: null }) ?? Effect.void

export const makeScripted = (script: Script): VideosService => {
  const taken = new Map<string, number>()
  const unsubmitted = Object.keys(script)

  const retrieve: VideosService["retrieve"] = (id, options) =>
    Effect.suspend((): Effect.Effect<VideoResource, RetrieveVideoError> => {
      const steps = Object.hasOwn(script, id) ? script[id] : undefined
      if (steps === undefined) return Effect.zipRight(respond(options, 404), missing("retrieveVideo", id))
      const index = taken.get(id) ?? 0
      taken.set(id, index + 1)
      const poll = pollOf(steps[Math.min(index, steps.length - 1)] ?? steps[0])
      if (poll._tag === "Never") return Effect.never
      // A sleep of no time would let others go first.
      const late = <A, E>(effect: Effect.Effect<A, E>) =>
        Duration.equals(poll.takes, Duration.zero) ? effect : Effect.delay(effect, poll.takes)
      if (poll._tag === "Snapshot") {
        return late(Effect.as(respond(options, 200, poll.headers), makeVideo({ ...poll.video, id })))
      }
      // An error without a status is not a response.
      const status = "status" in poll.error ? poll.error.status : 0
      return late(Effect.zipRight(status === 0 ? Effect.void : respond(options, status), Effect.fail(poll.error)))
    })

  /** A submission gets the next job of the script. */
  const submitted = ({ call }: submissions.Submission): Effect.Effect<VideoResource> =>
    Effect.suspend(() => {
      const id = unsubmitted.shift()
      return id === undefined
        ? Effect.dieMessage(`VideosTest.layerScript: the script has no job left for ${call.operation}`)
        : Effect.as(respond(call.options, 200), makeVideo({ ...fieldsOf(call.body), id }))
    })

  const unscripted = (method: Method) =>
    Effect.dieMessage(`VideosTest.layerScript: a script has polls and submissions, and no \`${method}\``)

  return {
    retrieve,
    create: (request, options) => Effect.flatMap(submissions.createRequest(anyServer, request, options), submitted),
    extend: (request, options) => Effect.flatMap(submissions.extendRequest(anyServer, request, options), submitted),
    edit: (request, options) => Effect.flatMap(submissions.editRequest(anyServer, request, options), submitted),
    remix: (request, options) => Effect.flatMap(submissions.remixRequest(anyServer, request, options), submitted),
    createCharacter: () => unscripted("createCharacter"),
    retrieveCharacter: () => unscripted("retrieveCharacter"),
    delete: () => unscripted("delete"),
    listPages: () => Stream.fromEffect(unscripted("listPages")),
    content: () => Stream.fromEffect(unscripted("content"))
  }
}
