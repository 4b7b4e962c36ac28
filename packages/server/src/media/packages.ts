/** Loads the packages for clips and still pictures on first use, because they are slow to load. */
import { createRequire } from "node:module"
import * as Effect from "effect/Effect"
import type * as Encoder from "h264-mp4-encoder"

/**
 * Loads the H.264 encoder (WebAssembly). The module cache loads it once per process, in about 50 ms.
 *
 * While it loads, the module adds listeners for `uncaughtException` and `unhandledRejection` to the process; the second one
 * aborts the process. A server cannot accept that, so this effect removes both. It uses `require` because a synchronous load
 * proves that every new listener belongs to the module.
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

/** Returns why the server cannot make videos, if the package of the encoder is missing, else `null`. Does not load it. */
export const missingEncoder = (name = "h264-mp4-encoder"): string | null => {
  try {
    createRequire(import.meta.url).resolve(name)
    return null
  } catch {
    return `The server cannot make a video: the package ${name} is missing. Install it: npm install ${name}`
  }
}

/** Loads the MP4 reader and writer. */
export const loadMediabunny = Effect.promise(() => import("mediabunny"))

/** Loads the PNG reader and writer, for thumbnails, spritesheets and reference images. */
export const loadFastPng = Effect.promise(() => import("fast-png"))
