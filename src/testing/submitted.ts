/** What a submission says of the job that it makes. */
import * as wire from "../internal/protocol/jsonReaders.js"
import type { VideoFields } from "./snapshots.js"

/** The fields of a submission's body that are fields of its job too. */
export const fieldsOf = (body: wire.JsonObject): VideoFields => {
  const model = wire.text(body.model)
  const prompt = wire.text(body.prompt)
  const seconds = wire.seconds(body.seconds)
  const size = wire.text(body.size)
  return {
    ...(model === null ? {} : { model }),
    ...(prompt === null ? {} : { prompt }),
    ...(seconds === null ? {} : { seconds }),
    ...(size === null ? {} : { size })
  }
}
