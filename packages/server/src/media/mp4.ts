/**
 * Reads and writes MP4 files on disk, packet by packet. Memory use is a few megabytes for a file of any length.
 *
 * @since 0.1.0
 */
import * as fs from "node:fs/promises"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EncodedPacket, EncodedPacketSink, InputVideoTrack, Output, PacketRetrievalOptions } from "mediabunny"
import { type Orientation, yieldToEventLoop } from "./encode.js"
import { MediaFileError, MediaRenderError, NotMp4Error, reasonOf, systemCodeOf } from "./errors.js"
import { loadMediabunny } from "./packages.js"

/**
 * Decoder configuration of a track, from mediabunny.
 *
 * @since 0.1.0
 * @category models
 */
export type DecoderConfig = NonNullable<Awaited<ReturnType<InputVideoTrack["getDecoderConfig"]>>>

/**
 * An open MP4 file and its properties.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenMp4 {
  readonly path: string
  /** Size of the file in bytes. */
  readonly bytes: number
  /** Seconds from the first visible picture to the end of the last. */
  readonly durationSeconds: number
  /** Time of the first visible picture on the file's time line: 0, or later if the track starts late. */
  readonly startSecond: number
  /** Average pictures per second. */
  readonly fps: number
  /** Pictures in the video track. */
  readonly frames: number
  /** `avc`, `hevc`, `vp9`, `av1` and so on; for an unknown codec the name of the sample entry, for example `mp4v`. */
  readonly videoCodec: string
  readonly hasAudio: boolean
  /** Encoded pixels, before the orientation. */
  readonly codedWidth: number
  readonly codedHeight: number
  readonly orientation: Orientation
  readonly decoder: DecoderConfig | null
  readonly sink: EncodedPacketSink
}

/**
 * One encoded picture of an output file. Times are in seconds on the file's time line.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mp4Packet {
  readonly data: Uint8Array
  readonly key: boolean
  readonly timestamp: number
  readonly duration: number
}

/**
 * Track of an output file.
 *
 * @since 0.1.0
 * @category models
 */
export interface TrackPlan {
  readonly decoder: DecoderConfig
  readonly orientation: Orientation
  /** Maximum number of packets: the writer reserves space for their table at the front of the file. */
  readonly packets: number
}

/**
 * Adds packets, in decoding order.
 *
 * @since 0.1.0
 * @category models
 */
export type AddPackets = (packets: ReadonlyArray<Mp4Packet>) => Effect.Effect<void, MediaFileError | MediaRenderError>

/**
 * Opens a file and reads the sample tables of its video track. Reads only the last picture, to detect a truncated file. The
 * scope closes the file.
 *
 * Uses only the first entry of an edit list.
 *
 * @since 0.1.0
 * @category operations
 */
export const openMp4 = (path: string): Effect.Effect<OpenMp4, NotMp4Error | MediaFileError, Scope.Scope> =>
  Effect.gen(function* () {
    const media = yield* loadMediabunny
    const refuse = (reason: string) => new NotMp4Error({ path, reason })
    const step = <A>(run: () => Promise<A>) => readStep(path, run)

    const stat = yield* step(() => fs.stat(path))
    if (!stat.isFile()) return yield* refuse("it is not a file")
    if (stat.size === 0) return yield* refuse("the file is empty")
    const input = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new media.Input({
            source: new media.FilePathSource(path, {
              maxCacheSize: CACHE_BYTES,
              handleUnhandledError: () => undefined
            }),
            formats: [media.MP4]
          })
      ),
      (opened) => Effect.sync(() => opened.dispose())
    )
    if (!(yield* step(() => input.canRead()))) return yield* refuse("it does not start like an MP4 file")
    const track = yield* step(() => input.getPrimaryVideoTrack())
    if (track === null) {
      const tracks = yield* step(() => input.getTracks())
      return yield* refuse(tracks.length === 0 ? "it has no tracks, or is truncated" : "it has no video track")
    }
    const sink = new media.EncodedPacketSink(track)

    let frames = 0
    let start = Infinity
    let end = -Infinity
    let previous: EncodedPacket | undefined
    yield* forEachBatch(path, sink, { metadataOnly: true }, (packets) =>
      Effect.sync(() => {
        for (const packet of packets) {
          start = Math.min(start, packet.timestamp)
          end = Math.max(end, packet.timestamp + packet.duration)
        }
        frames += packets.length
        previous = packets.at(-1)
      })
    )
    const final: EncodedPacket | undefined = previous
    // An edit list hides pictures before 0; the decoder needs them, but the player does not show them.
    const startSecond = Math.max(0, start)
    if (final === undefined || end <= startSecond) return yield* refuse("its video track has no pictures")
    // If the file is shorter than its tables promise, the library does not fail but returns `null` for a packet.
    if ((yield* step(() => sink.getPacket(final.timestamp))) === null) return yield* refuse("it is truncated")

    const codec = yield* step(async () => (await track.getCodec()) ?? (await track.getInternalCodecId()))
    const rotation = yield* step(() => track.getRotation())
    return {
      path,
      bytes: stat.size,
      durationSeconds: end - startSecond,
      startSecond,
      fps: Math.round((frames / (end - start)) * 1000) / 1000,
      frames,
      videoCodec: typeof codec === "string" ? codec : "unknown",
      hasAudio: (yield* step(() => input.getAudioTracks())).length > 0,
      codedWidth: yield* step(() => track.getCodedWidth()),
      codedHeight: yield* step(() => track.getCodedHeight()),
      orientation: { rotation, flip: yield* step(() => track.getFlip()) },
      decoder: yield* step(() => track.getDecoderConfig()),
      sink
    }
  })

/**
 * Reads the pictures of an open file in decoding order and passes them to `use` in batches. Shifts the times so that the
 * first visible picture is at 0.
 *
 * @since 0.1.0
 * @category operations
 */
export const copyPackets = <E>(
  source: OpenMp4,
  use: (packets: ReadonlyArray<Mp4Packet>) => Effect.Effect<void, E>
): Effect.Effect<void, E | NotMp4Error | MediaFileError> =>
  Effect.gen(function* () {
    let copied = 0
    // A file without a table of key frames declares all pictures as key frames; seeking by that shows nothing.
    yield* forEachBatch(source.path, source.sink, { verifyKeyPackets: true }, (packets) => {
      // The first picture is always a key frame, even if a wrong table says otherwise.
      const batch = packets.map(({ data, duration, timestamp, type }, index) => ({
        data,
        duration,
        timestamp: timestamp - source.startSecond,
        key: type === "key" || copied + index === 0
      }))
      copied += batch.length
      return use(batch)
    })
    if (copied !== source.frames) return yield* new NotMp4Error({ path: source.path, reason: "it is truncated" })
  })

/**
 * Writes an MP4 with one H.264 track and its tables at the front, so that it plays while it loads. The file gets its name when
 * it is complete; failure or interruption leaves no file. Equal packets make equal bytes: the file contains no dates.
 *
 * @since 0.1.0
 * @category operations
 */
export const writeMp4 = <E>(
  path: string,
  plan: TrackPlan,
  feed: (add: AddPackets) => Effect.Effect<void, E>
): Effect.Effect<void, E | MediaFileError | MediaRenderError> =>
  Effect.acquireUseRelease(
    Effect.sync(() => `${path}.part`),
    (part) =>
      Effect.scoped(writePart(path, part, plan, feed)).pipe(
        Effect.zipRight(writeStep(path, () => fs.rename(part, path)))
      ),
    (part) => Effect.promise(() => fs.rm(part, { force: true }).catch(() => undefined))
  )

// internal

const BATCH = 32
// Large enough to hold the tables of a long file, so they are read once.
const CACHE_BYTES = 4 * 1024 * 1024
const CHUNK_BYTES = 1024 * 1024

const fileError = (path: string, thrown: unknown): MediaFileError | undefined => {
  const code = systemCodeOf(thrown)
  return code === undefined ? undefined : new MediaFileError({ path, code, reason: reasonOf(thrown) })
}

/** Reads batches in decoding order; the event loop turns once after each batch. */
const forEachBatch = <E>(
  path: string,
  sink: EncodedPacketSink,
  options: PacketRetrievalOptions,
  use: (packets: ReadonlyArray<EncodedPacket>) => Effect.Effect<void, E>
): Effect.Effect<void, E | NotMp4Error | MediaFileError> =>
  Effect.gen(function* () {
    let previous: EncodedPacket | undefined
    while (true) {
      const after = previous
      const batch = yield* readStep(path, async () => {
        const packets: Array<EncodedPacket> = []
        let packet = await (after === undefined ? sink.getFirstPacket(options) : sink.getNextPacket(after, options))
        while (packet !== null) {
          packets.push(packet)
          packet = packets.length < BATCH ? await sink.getNextPacket(packet, options) : null
        }
        return packets
      })
      if (batch.length > 0) yield* use(batch)
      if (batch.length < BATCH) return
      previous = batch.at(-1)
      yield* yieldToEventLoop
    }
  })

/** Uninterruptible, so that no read is running when the file is closed. */
const readStep = <A>(path: string, run: () => Promise<A>): Effect.Effect<A, NotMp4Error | MediaFileError> =>
  Effect.uninterruptible(
    Effect.tryPromise({
      try: run,
      catch: (thrown) => fileError(path, thrown) ?? new NotMp4Error({ path, reason: reasonOf(thrown) })
    })
  )

/** Uninterruptible, so that no write is running when the file is deleted. */
const writeStep = <A>(path: string, run: () => Promise<A>): Effect.Effect<A, MediaFileError | MediaRenderError> =>
  Effect.uninterruptible(
    Effect.tryPromise({
      try: run,
      catch: (thrown) =>
        fileError(path, thrown) ?? new MediaRenderError({ reason: `writing ${path}: ${reasonOf(thrown)}` })
    })
  )

const writePart = <E>(
  path: string,
  part: string,
  plan: TrackPlan,
  feed: (add: AddPackets) => Effect.Effect<void, E>
): Effect.Effect<void, E | MediaFileError | MediaRenderError, Scope.Scope> =>
  Effect.gen(function* () {
    const media = yield* loadMediabunny
    let movie: { readonly data: Uint8Array; readonly position: number } | undefined
    const source = new media.EncodedVideoPacketSource("avc")
    const output = yield* Effect.acquireRelease(
      writeStep(path, async () => {
        // Creates the file first, because this reports a bad path more clearly than the writer of the library.
        await fs.writeFile(part, "")
        const opened = new media.Output({
          format: new media.Mp4OutputFormat({
            fastStart: "reserve",
            onMoov: (data, position) => (movie = { data: data.slice(), position })
          }),
          target: new media.FilePathTarget(part, { chunked: true, chunkSize: CHUNK_BYTES })
        })
        const { decoder: decoderConfig, orientation, packets: maximumPacketCount } = plan
        opened.addVideoTrack(source, { ...orientation, maximumPacketCount, decoderConfig })
        await opened.start()
        return opened
      }),
      cancelUnlessDone
    )
    yield* feed((packets) =>
      writeStep(path, async () => {
        for (const { data, duration, key, timestamp } of packets) {
          await source.add(new media.EncodedPacket(data, key ? "key" : "delta", timestamp, duration))
        }
      })
    )
    yield* writeStep(path, () => output.finalize())
    const written = movie
    if (written !== undefined) {
      yield* writeStep(path, async () => {
        const file = await fs.open(part, "r+")
        try {
          clearDates(written.data)
          await file.write(written.data, 0, written.data.length, written.position)
        } finally {
          await file.close()
        }
      })
    }
  })

const cancelUnlessDone = (output: Output): Effect.Effect<void> =>
  output.state === "finalized" ? Effect.void : Effect.promise(() => output.cancel().catch(() => undefined))

const DATED = ["mvhd", "tkhd", "mdhd"]
const NESTED = ["moov", "trak", "mdia"]

/** Sets the creation and modification dates of a movie box to 0, which means unknown. */
const clearDates = (bytes: Uint8Array): void => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let offset = 0; offset + 8 <= bytes.length; ) {
    const size = view.getUint32(offset)
    if (size < 8) return
    const name = String.fromCharCode(...bytes.subarray(offset + 4, offset + 8))
    if (NESTED.includes(name)) clearDates(bytes.subarray(offset + 8, offset + size))
    if (DATED.includes(name)) bytes.fill(0, offset + 12, offset + 12 + (bytes[offset + 8] === 1 ? 16 : 8))
    offset += size
  }
}
