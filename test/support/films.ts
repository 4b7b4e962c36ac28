/** Test videos from FFmpeg, and functions that read their frames, to check joined clips. */
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { Effect } from "effect"
import { onPath } from "./onPath.js"

/** Whether FFmpeg is installed; otherwise its tests are skipped, and a line reports it. */
export const hasFfmpeg = ["ffmpeg", "ffprobe"].every((program) => onPath(program) !== undefined)
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

/** Decodes the pictures of each file, through filters, into bytes of one format. All files are read by one process. */
const decoded = (filters: string, paths: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const at = yield* folder
    yield* ffmpeg(
      ...paths.flatMap((path) => ["-i", path]),
      ...paths.flatMap((_, index) => [
        ...["-map", `${index}:v`, "-vf", filters, "-f", "rawvideo", join(at, `${index}`)]
      ])
    )
    return paths.map((_, index) => readFileSync(join(at, `${index}`)))
  })

const width = 80
const height = 45
const gray = `scale=${width}:${height},format=gray`

const graysIn = (pictures: Buffer): ReadonlyArray<Buffer> =>
  Array.from({ length: pictures.byteLength / (width * height) }, (_, index) =>
    pictures.subarray(index * width * height, (index + 1) * width * height)
  )

/** Returns the mean difference of the pixels of two pictures. */
const distance = (one: Uint8Array, other: Uint8Array): number => {
  let sum = 0
  for (let index = 0; index < one.length; index++) sum += Math.abs((one[index] ?? 0) - (other[index] ?? 0))
  return sum / one.length
}

/** The arguments of an output of FFmpeg that is a drawing for `picturesOf`. */
export const drawing = ["-vf", gray, "-f", "rawvideo"]

/** Returns, for each video or PNG, the index of each of its frames in a drawing. */
export const picturesOf = (drawingPath: string, ...paths: ReadonlyArray<string>) =>
  Effect.map(decoded(gray, paths), (films) => {
    const drawn = graysIn(readFileSync(drawingPath))
    return films.map((film) =>
      graysIn(film).map((picture) => {
        const distances = drawn.map((other) => distance(picture, other))
        return distances.indexOf(Math.min(...distances))
      })
    )
  })

const patch = "crop=16:16,format=rgb24"

/** Returns the mean colour of each frame of each file, as red, green and blue. */
export const colorsOf = (...paths: ReadonlyArray<string>) =>
  Effect.map(decoded(patch, paths), (films) => films.map(meanColors))

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

/** 10 ms of 16 bits at 8 kHz. */
const tick = 80

/** Returns, for each file, the seconds at which its frames become white, and at which a tone starts in its audio. */
export const flashesAndBeeps = (framesPerSecond: number, ...paths: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const at = yield* folder
    const fileOf = (kind: "pictures" | "sound", index: number) => join(at, `${kind}${index}`)
    yield* ffmpeg(
      ...paths.flatMap((path) => ["-i", path]),
      ...paths.flatMap((_, index) => [
        ...["-map", `${index}:v`, "-vf", patch, "-f", "rawvideo", fileOf("pictures", index)],
        ...["-map", `${index}:a`, "-ac", "1", "-ar", "8000", "-f", "s16le", fileOf("sound", index)]
      ])
    )
    return paths.map((_, index) => {
      const bytes = readFileSync(fileOf("sound", index))
      const samples = Array.from({ length: bytes.byteLength / 2 }, (_, index) => bytes.readInt16LE(2 * index))
      const loud = Array.from({ length: Math.floor(samples.length / tick) }, (_, index) =>
        samples.slice(tick * index, tick * index + tick).some((sample) => Math.abs(sample) > 4000)
      )
      const colors = meanColors(readFileSync(fileOf("pictures", index)))
      return {
        flashes: onsets(colors.map(([red = 0]) => red > 128)).map((index) => index / framesPerSecond),
        beeps: onsets(loud).map((index) => index / 100)
      }
    })
  })
