/** What FFmpeg needs in a runner. */
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as NodeCommandExecutor from "@effect/platform-node/NodeCommandExecutor"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import type { Segments } from "effect-videos/continue"
import type { ExtendToRequest } from "../Runs.js"
import type { SettingsService } from "./settings.js"

export type Tools = FileSystem.FileSystem | Path.Path | CommandExecutor.CommandExecutor

/** What FFmpeg's programs run on: the tests run them without processes. */
export class Platform extends Context.Reference<Platform>()("effect-videos/durable/Platform", {
  defaultValue: (): Layer.Layer<Tools> =>
    Layer.provideMerge(Layer.merge(NodeCommandExecutor.layer, NodePath.layer), NodeFileSystem.layer)
}) {}

export const toolsLayer: Layer.Layer<Tools> = Layer.unwrapEffect(Platform)

/** How the films of a request are read and joined. */
export const filmOptions = (
  { seam, windowSeconds }: Pick<ExtendToRequest, "seam" | "windowSeconds">,
  { programs }: Pick<SettingsService, "programs">
): Segments.FilmOptions => ({
  ...programs,
  window: windowSeconds === undefined ? undefined : Duration.seconds(windowSeconds),
  seam:
    seam === undefined
      ? undefined
      : { crossfade: Duration.seconds(seam.crossfadeSeconds ?? 0), matchColour: seam.matchColour }
})
