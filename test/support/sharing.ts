/** A canned `Videos` whose watches share polls and pages, as those of a live layer do. */
import { Effect, Layer } from "effect"
import { Videos, type VideosService } from "effect-videos"
import { makeHub } from "../../src/internal/watch/watchHub.js"

export const sharing = (operations: Partial<VideosService>): Layer.Layer<Videos> =>
  Layer.scoped(
    Videos,
    Effect.map(makeHub({}), (state) => ({ ...operations, state }) as VideosService)
  )
