/** Test videos from FFmpeg, and functions that read their frames, to check joined clips. */
import { execFile, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { readFile, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { Effect } from "effect"

/** Whether FFmpeg is installed; otherwise its tests are skipped, and a line reports it. */
export const hasFfmpeg = ["ffmpeg", "ffprobe"].every(
  (program) => spawnSync(program, ["-version"], { timeout: 60_000 }).status === 0
)
if (!hasFfmpeg) console.log("Skipping the tests of joined clips: FFmpeg is not on the PATH.")

/** Makes a folder that its scope removes. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "films-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const call = (program: string, args: ReadonlyArray<string>) =>
  Effect.promise(() => promisify(execFile)(program, [...args], { encoding: "buffer", maxBuffer: 2 ** 28 }))

/** Runs FFmpeg; the last argument is the output file. */
export const ffmpeg = (...args: ReadonlyArray<string>) => call("ffmpeg", ["-nostdin", "-v", "error", "-y", ...args])

const rate = 24

export interface FilmOptions {
  /** First frame in the common sequence, whose frames are all different. */
  readonly from: number
  readonly count: number
  readonly size?: string
  readonly framesPerSecond?: number
  /** Length of the audio in seconds. */
  readonly sound?: number
  /** More arguments, before the name of the file. */
  readonly more?: ReadonlyArray<string>
}

const sequence = (size: string, frames: number): ReadonlyArray<string> => [
  "-f",
  "lavfi",
  "-i",
  `testsrc2=s=${size}:r=${rate}:d=${frames / rate}`
]

/** The videos of this process by their options: each is encoded once. */
const made = new Map<string, Buffer>()

/** Writes a video, and returns its bytes. */
export const makeFilm = (path: string, options: FilmOptions) => {
  // The extension chooses the container.
  const key = `${path.replace(/.*\./, "")} ${JSON.stringify(options)}`
  const known = made.get(key)
  if (known !== undefined)
    return Effect.as(
      Effect.promise(() => writeFile(path, known)),
      known
    )
  return Effect.zipRight(
    ffmpeg(
      ...sequence(options.size ?? "160x90", options.from + options.count),
      ...(options.sound === undefined ? [] : ["-f", "lavfi", "-i", `sine=d=${options.sound}`]),
      "-vf",
      `trim=start_frame=${options.from},setpts=N/${options.framesPerSecond ?? rate}/TB`,
      "-r",
      String(options.framesPerSecond ?? rate),
      "-c:v",
      "libx264",
      "-pix_fmt",
      "yuv420p",
      ...(options.more?.includes("-c:v") === true ? [] : ["-preset", "ultrafast"]),
      ...(options.more ?? []),
      path
    ),
    Effect.promise(async () => {
      const bytes = await readFile(path)
      made.set(key, bytes)
      return bytes
    })
  )
}

/** Writes a file without a video track. */
export const makeSound = (path: string) => ffmpeg("-f", "lavfi", "-i", "sine=d=1", path)

const width = 80
const height = 45

const graysOf = (...input: ReadonlyArray<string>) =>
  Effect.map(ffmpeg(...input, "-vf", `scale=${width}:${height},format=gray`, "-f", "rawvideo", "-"), ({ stdout }) =>
    Array.from({ length: stdout.byteLength / (width * height) }, (_, index) =>
      stdout.subarray(index * width * height, (index + 1) * width * height)
    )
  )

/** Returns the mean difference of the pixels of two pictures. */
export const distance = (one: Uint8Array, other: Uint8Array): number =>
  one.reduce((sum, value, index) => sum + Math.abs(value - (other[index] ?? 0)), 0) / one.length

/** Returns the frames of a video, small and grey. */
export const graysIn = (path: string) => graysOf("-i", path)

/** The first frames of the common sequence, by their number: decoded once for this process. */
const drawn = new Map<number, ReadonlyArray<Uint8Array>>()

const drawnOnce = (frames: number) =>
  Effect.suspend(() => {
    const known = drawn.get(frames)
    return known === undefined
      ? Effect.tap(graysOf(...sequence("160x90", frames)), (pictures) => drawn.set(frames, pictures))
      : Effect.succeed(known)
  })

/** Returns the index in the common sequence of each frame of a video or PNG. */
export const picturesOf = (path: string, frames = 120) =>
  Effect.gen(function* () {
    const known = yield* drawnOnce(frames)
    const seen = yield* graysIn(path)
    return seen.map((picture) => {
      const distances = known.map((other) => distance(picture, other))
      return distances.indexOf(Math.min(...distances))
    })
  })

export interface Probed {
  readonly streams: ReadonlyArray<{
    readonly codec_type: string
    readonly codec_name: string
    readonly width?: number
    readonly height?: number
    readonly duration?: string
    readonly avg_frame_rate?: string
    readonly color_range?: string
    readonly color_space?: string
    readonly color_primaries?: string
    readonly color_transfer?: string
  }>
}

/** Returns FFmpeg's description of a file. */
export const probed = (path: string) =>
  Effect.map(
    call("ffprobe", ["-v", "error", "-print_format", "json", "-show_streams", path]),
    ({ stdout }): Probed => JSON.parse(stdout.toString())
  )

/** Returns the mean colour of the middle of each frame, as red, green and blue. */
export const colorsIn = (path: string) =>
  Effect.map(ffmpeg("-i", path, "-vf", "crop=16:16,format=rgb24", "-f", "rawvideo", "-"), ({ stdout }) =>
    Array.from({ length: stdout.byteLength / 768 }, (_, index) => {
      const pixels = [...stdout.subarray(768 * index, 768 * (index + 1))]
      return [0, 1, 2].map((channel) =>
        Math.round(pixels.reduce((sum, value, at) => sum + (at % 3 === channel ? value : 0), 0) / 256)
      )
    })
  )

/** Returns the indices at which a sequence becomes true. */
const onsets = (row: ReadonlyArray<boolean>) =>
  row.flatMap((is, index) => (is && row[index - 1] !== true ? [index] : []))

/** Returns the seconds at which the frames become white, and at which a tone starts in the audio. */
export const flashesAndBeeps = (path: string) =>
  Effect.gen(function* () {
    const colors = yield* colorsIn(path)
    const [track] = (yield* probed(path)).streams
    const [over = 0, under = 1] = track?.avg_frame_rate?.split("/").map(Number) ?? []
    const sound = yield* ffmpeg("-i", path, "-vn", "-ac", "1", "-ar", "8000", "-f", "s16le", "-")
    const samples = Array.from({ length: sound.stdout.byteLength / 2 }, (_, index) =>
      sound.stdout.readInt16LE(2 * index)
    )
    // 10 ms of audio.
    const loud = Array.from({ length: Math.floor(samples.length / 80) }, (_, index) =>
      samples.slice(80 * index, 80 * index + 80).some((sample) => Math.abs(sample) > 4000)
    )
    return {
      flashes: onsets(colors.map(([red = 0]) => red > 128)).map((index) => (index * under) / over),
      beeps: onsets(loud).map((index) => index / 100)
    }
  })
