/** Loads the packages that make clips and still pictures, when the first clip or picture is made: they take long to load. */
import { createRequire } from "node:module"
import * as Effect from "effect/Effect"
import type * as Encoder from "h264-mp4-encoder"

/**
 * The H.264 encoder (WebAssembly). Loaded once per process by the module cache; the first time takes about 50 ms.
 *
 * The module adds listeners for `uncaughtException` and `unhandledRejection` to the process as it loads, the second of
 * which aborts; a server cannot have that, so they are removed. This is why it is loaded by `require`: that is
 * synchronous, so every listener that is new afterwards is the module's.
 */
export const loadEncoder: Effect.Effect<typeof Encoder> = Effect.sync(() => {
  const exceptions = process.listeners("uncaughtException")
  const rejections = process.listeners("unhandledRejection")
  const loaded: typeof Encoder = createRequire(import.meta.url)("h264-mp4-encoder")
  for (const listener of process.listeners("uncaughtException")) {
    if (!exceptions.includes(listener)) process.off("uncaughtException", listener)
  }
  for (const listener of process.listeners("unhandledRejection")) {
    if (!rejections.includes(listener)) process.off("unhandledRejection", listener)
  }
  return loaded
})

/** The MP4 reader and writer. */
export const loadMediabunny = Effect.promise(() => import("mediabunny"))

/** The PNG reader and writer, for thumbnails, spritesheets and references. */
export const loadFastPng = Effect.promise(() => import("fast-png"))
