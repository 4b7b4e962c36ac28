/**
 * Loads the packages that make clips and still pictures. They are optional peers: nothing is loaded before the first
 * clip or picture, and without them only those are missing.
 *
 * @since 0.1.0
 */
import { createRequire } from "node:module"
import * as Effect from "effect/Effect"
import type * as FastPng from "fast-png"
import type * as Encoder from "h264-mp4-encoder"
import type * as Mediabunny from "mediabunny"
import { MediaPackageError, reasonOf } from "./errors.js"

/**
 * The H.264 encoder (WebAssembly). Loaded once per process by the module cache; the first time takes about 50 ms.
 *
 * The module adds listeners for `uncaughtException` and `unhandledRejection` to the process as it loads, the second of
 * which aborts; a server cannot have that, so they are taken off again. This is why it is loaded by `require`: that is
 * synchronous, so every listener that is new afterwards is the module's.
 *
 * @since 0.1.0
 * @category constructors
 */
export const loadEncoder: Effect.Effect<typeof Encoder, MediaPackageError> = Effect.try({
  try: () => {
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
  },
  catch: (thrown) => packageError("h264-mp4-encoder", "^1.0.12", thrown)
})

/**
 * The MP4 reader and writer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const loadMediabunny: Effect.Effect<typeof Mediabunny, MediaPackageError> = Effect.tryPromise({
  try: () => import("mediabunny"),
  catch: (thrown) => packageError("mediabunny", "^1.61.0", thrown)
})

/**
 * The PNG writer, for thumbnails and spritesheets.
 *
 * @since 0.1.0
 * @category constructors
 */
export const loadFastPng: Effect.Effect<typeof FastPng, MediaPackageError> = Effect.tryPromise({
  try: () => import("fast-png"),
  catch: (thrown) => packageError("fast-png", "^6.4.0", thrown)
})

// internal

const packageError = (packageName: string, range: string, thrown: unknown): MediaPackageError =>
  new MediaPackageError({
    packageName,
    install: `npm i ${packageName}@${range}`,
    reason: reasonOf(thrown).split("\n")[0] ?? ""
  })
