/** Stand-ins for FFmpeg's programs, for tests of what happens around them: a start of the real ones takes a quarter of a second. */
import * as fs from "node:fs"
import { basename, dirname, join } from "node:path"
import { CommandExecutor } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { Effect, Inspectable, Layer, Sink, Stream } from "effect"
import { onPath } from "./onPath.js"

const box = (type: string, body: Buffer) => {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(8 + body.byteLength)
  head.write(type, 4, "latin1")
  return Buffer.concat([head, body])
}

/** Makes an MP4 without media whose `mdat` box has the lines that `ffprobe` prints for it. */
export const fakeFilm = (...lines: ReadonlyArray<string>): Buffer =>
  Buffer.concat([
    box("ftyp", Buffer.from("isom\0\0\0\0isom", "latin1")),
    box("moov", Buffer.alloc(0)),
    box("mdat", Buffer.from(`\n${lines.join("\n")}\n`, "latin1"))
  ])

/** Returns the line that `ffprobe` prints for one decoded frame. */
export const frameLine = (index: number, at: number, type: "video" | "audio" = "video", duration = 1 / 24): string =>
  `frame|media_type=${type}|stream_index=${index}|best_effort_timestamp_time=${at.toFixed(6)}|pkt_duration_time=${duration.toFixed(6)}`

/** Returns the line that `ffprobe` prints for a track. */
export const trackLine = (index: number, fields: { readonly [name: string]: string | number } = {}): string =>
  Object.entries({
    codec_type: "video",
    codec_name: "h264",
    width: 160,
    height: 90,
    pix_fmt: "yuv420p",
    r_frame_rate: "24/1",
    avg_frame_rate: "24/1",
    ...fields
  })
    .map(([name, value]) => `|${name}=${value}`)
    .reduce((line, field) => line + field, `stream|index=${index}`)

/** Makes a film with this many frames, 24 per second. */
export const framesFilm = (count: number, fields: { readonly [name: string]: string | number } = {}): Buffer =>
  fakeFilm(...Array.from({ length: count }, (_, index) => frameLine(0, index / 24)), trackLine(0, fields))

export interface FakePrograms {
  readonly ffmpeg: string
  readonly ffprobe: string
}

/**
 * Writes both programs into a directory. `ffprobe` prints the lines of a film, or those of the film `clip` in the directory for any
 * other MP4. `ffmpeg` writes a frame, or one of two films: a
 * rehearsal's, and `result` for a join. `cases` are branches of the shell's `case "$*"`, which come first.
 */
export const fakePrograms = (at: string, result: Buffer, cases = ""): Effect.Effect<FakePrograms> =>
  Effect.sync(() => {
    fs.mkdirSync(at, { recursive: true })
    const [ffmpeg, ffprobe] = [join(at, "ffmpeg"), join(at, "ffprobe")]
    fs.writeFileSync(join(at, "result"), result)
    fs.writeFileSync(join(at, "trial"), framesFilm(4))
    if (cases === "") fs.writeFileSync(join(at, "plain"), "")
    const mode = { mode: 0o755 }
    fs.writeFileSync(
      ffprobe,
      `#!/bin/sh\ncase "$*" in *-version*) exit 0;; esac\nfor last; do :; done\ngrep -a -e '^frame|' -e '^stream|' "$last" && exit 0\n[ -e ${at}/clip ] && head -c 12 "$last" | grep -aq ftyp && exec grep -a -e '^frame|' -e '^stream|' ${at}/clip\necho "Invalid data" >&2\nexit 1\n`,
      mode
    )
    fs.writeFileSync(
      ffmpeg,
      `#!/bin/sh\nfor last; do :; done\ncase "$*" in\n${cases}\n*-version*|*-filters*) ;;\n*frame.png) echo a frame > "$last";;\n*trial.mp4) exec cp ${at}/trial "$last";;\n*) exec cp ${at}/result "$last";;\nesac\n`,
      mode
    )
    return { ffmpeg, ffprobe }
  })

interface Output {
  readonly code: number
  readonly out?: string
  readonly err?: string
}

const linesIn = (path: string): string =>
  fs.existsSync(path) ? (fs.readFileSync(path, "latin1").match(/^(frame|stream)\|.*\n/gm) ?? []).join("") : ""

/** Does what the programs that `fakePrograms` writes do. */
const outputOf = (program: string, args: ReadonlyArray<string>): Output => {
  const at = dirname(program)
  const last = args.at(-1) ?? ""
  if (args.some((arg) => arg === "-version" || arg === "-filters")) return { code: 0 }
  if (basename(program) === "ffprobe") {
    const isFilm = fs.existsSync(last) && fs.readFileSync(last, "latin1").slice(0, 12).includes("ftyp")
    const out = linesIn(last) || (isFilm ? linesIn(join(at, "clip")) : "")
    return out === "" ? { code: 1, err: "Invalid data\n" } : { code: 0, out }
  }
  // Pictures to compare: none.
  if (last === "pipe:1") return { code: 0 }
  if (last.endsWith("frame.png")) fs.writeFileSync(last, "a frame\n")
  else fs.copyFileSync(join(at, last.endsWith("trial.mp4") ? "trial" : "result"), last)
  return { code: 0 }
}

const textStream = (text = "") => (text === "" ? Stream.empty : Stream.make(Buffer.from(text, "latin1")))

/** A process that has ended. */
const ended = ({ code, err, out }: Output): CommandExecutor.Process => ({
  ...Inspectable.BaseProto,
  [CommandExecutor.ProcessTypeId]: CommandExecutor.ProcessTypeId,
  pid: CommandExecutor.ProcessId(0),
  exitCode: Effect.succeed(CommandExecutor.ExitCode(code)),
  isRunning: Effect.succeed(false),
  kill: () => Effect.void,
  stdin: Sink.drain,
  stdout: textStream(out),
  stderr: textStream(err)
})

const executor = Layer.effect(
  CommandExecutor.CommandExecutor,
  Effect.map(CommandExecutor.CommandExecutor, (processes) =>
    CommandExecutor.makeExecutor((command) => {
      if (command._tag !== "StandardCommand") return processes.start(command)
      const { args } = command
      const program = onPath(command.command) ?? command.command
      const isFake = fs.existsSync(join(dirname(program), "plain")) && fs.existsSync(program)
      return isFake ? Effect.sync(() => ended(outputOf(program, args))) : processes.start(command)
    })
  )
)

/**
 * `NodeContext.layer` that runs the programs of `fakePrograms` without processes: the process of the tests is large, and its forks
 * are slow. Programs with `cases`, and all others, run as processes.
 */
export const fakePlatform = Layer.provideMerge(executor, NodeContext.layer)
