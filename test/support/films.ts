/** Test videos from FFmpeg, and functions that read their frames, to check joined clips. */
import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { promisify } from "node:util"
import { Effect } from "effect"

/** Whether FFmpeg is installed; otherwise its tests are skipped, and a line reports it. */
export const hasFfmpeg = ["ffmpeg", "ffprobe"].every((program) =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)))
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

/** Writes an HLS playlist of one film. */
export const playlist = (film: string, path: string) =>
  Effect.sync(() => {
    writeFileSync(path, `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n${film}\n#EXT-X-ENDLIST\n`)
    return path
  })

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

/** The first frames of FFmpeg's test pattern, by their number: decoded once for this process. */
const drawn = new Map<number, ReadonlyArray<Uint8Array>>()

const drawnOnce = (frames: number) =>
  Effect.suspend(() => {
    const known = drawn.get(frames)
    return known === undefined
      ? Effect.tap(graysOf("-f", "lavfi", "-i", `testsrc2=s=160x90:r=24:d=${frames / 24}`), (pictures) =>
          drawn.set(frames, pictures)
        )
      : Effect.succeed(known)
  })

/** Returns the index in the test pattern of each frame of a video or PNG. */
export const picturesOf = (path: string, frames: number) =>
  Effect.gen(function* () {
    const known = yield* drawnOnce(frames)
    const seen = yield* graysIn(path)
    return seen.map((picture) => {
      const distances = known.map((other) => distance(picture, other))
      return distances.indexOf(Math.min(...distances))
    })
  })

/** Returns the mean colour of each frame of each file, as red, green and blue. All files are read by one process. */
export const colorsOf = (...paths: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const at = yield* folder
    yield* ffmpeg(
      ...paths.flatMap((path) => ["-i", path]),
      ...paths.flatMap((_, index) => [
        ...["-map", `${index}:v`, "-vf", "crop=16:16,format=rgb24", "-f", "rawvideo", join(at, `${index}`)]
      ])
    )
    return paths.map((_, index) => meanColors(readFileSync(join(at, `${index}`))))
  })

const meanColors = (rgb: Buffer): ReadonlyArray<ReadonlyArray<number>> =>
  Array.from({ length: rgb.byteLength / 768 }, (_, index) => {
    const pixels = [...rgb.subarray(768 * index, 768 * (index + 1))]
    return [0, 1, 2].map((channel) =>
      Math.round(pixels.reduce((sum, value, at) => sum + (at % 3 === channel ? value : 0), 0) / 256)
    )
  })

/** Returns the indices at which a sequence becomes true. */
const onsets = (row: ReadonlyArray<boolean>) =>
  row.flatMap((is, index) => (is && row[index - 1] !== true ? [index] : []))

/** Returns the seconds at which the frames become white, and at which a tone starts in the audio. */
export const flashesAndBeeps = (path: string, framesPerSecond: number) =>
  Effect.gen(function* () {
    const at = yield* folder
    const [pictures, sound] = [join(at, "pictures"), join(at, "sound")]
    yield* ffmpeg(
      ...["-i", path, "-map", "0:v", "-vf", "crop=16:16,format=rgb24", "-f", "rawvideo", pictures],
      ...["-map", "0:a", "-ac", "1", "-ar", "8000", "-f", "s16le", sound]
    )
    const bytes = readFileSync(sound)
    const samples = Array.from({ length: bytes.byteLength / 2 }, (_, index) => bytes.readInt16LE(2 * index))
    // 10 ms of audio.
    const loud = Array.from({ length: Math.floor(samples.length / 80) }, (_, index) =>
      samples.slice(80 * index, 80 * index + 80).some((sample) => Math.abs(sample) > 4000)
    )
    const colors = meanColors(readFileSync(pictures))
    return {
      flashes: onsets(colors.map(([red = 0]) => red > 128)).map((index) => index / framesPerSecond),
      beeps: onsets(loud).map((index) => index / 100)
    }
  })
