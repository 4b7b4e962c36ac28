import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Fault, VideosServer } from "@effect-videos/server"
import { inspect } from "@effect-videos/server/Media"
import { Effect, TestClock } from "effect"
import { cli, cliOverTime, jobs, serverLayer, terminal } from "./support.js"

const instant = { queueTime: 0, runTime: 0 } as const

const inDirectory = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(join(tmpdir(), "cli-test-"))),
  (directory) => Effect.promise(() => fs.rm(directory, { recursive: true, force: true }))
)

const jobFields = [
  ...["id", "status", "phase", "progress", "seconds", "size", "model", "prompt", "created_at", "completed_at"],
  ...["expires_at", "remixed_from_video_id", "error", "extra", "file"]
]

const eventFields = [
  ...["event", "label", "id", "status", "phase", "progress", "transferred", "total", "elapsed_seconds", "left_seconds"],
  ...["ok", "message"]
]

describe("standard output", () => {
  it.effect("has every field of a job, always, one job to a line", () =>
    Effect.gen(function* () {
      const created = yield* cli(["create", "-p", "a\nb"])
      assert.deepStrictEqual(created.records.map(Object.keys), [jobFields])
      const id = String(created.records[0]?.id)
      const remixed = yield* cli(["remix", id, "-p", "b", "--json"], terminal)
      assert.deepInclude(remixed.records[0], { remixed_from_video_id: id, phase: "succeeded", file: null })
      const listed = yield* cli(["list", "--limit", "1"])
      assert.deepStrictEqual(listed.records.map(Object.keys), [jobFields])
      const both = yield* cli(["get", id, String(remixed.records[0]?.id)])
      assert.deepStrictEqual(
        both.records.map((record) => record.prompt),
        ["a\nb", "b"]
      )
      const deleted = yield* cli(["delete", id])
      assert.deepStrictEqual(deleted.records, [{ id, deleted: true, job: null }])
    }).pipe(Effect.provide(serverLayer(instant)))
  )

  it.effect.each([
    ["a table", terminal],
    ["a pipe", {}]
  ] as const)("has the jobs of a list that breaks off, before the error, in %s", ([, screen]) =>
    Effect.gen(function* () {
      const created = yield* cli(["create", "-p", "x"])
      const id = String(created.records[0]?.id)
      const { faults } = yield* VideosServer
      yield* faults.set([{ on: ["list"], when: Fault.always, fault: Fault.page("first") }])
      const { code, err, out } = yield* cli(["list", "--long"], screen)
      assert.include(out, id)
      assert.notStrictEqual(code, 0)
      assert.include(err.replace(/\n/g, " "), "it says that there is more")
    }).pipe(Effect.provide(serverLayer(instant)))
  )

  it.effect("shows a table on a terminal, as wide as it is, without a server's control characters", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      yield* cli(["create", "-p", `\u001b[31mred\u0007 ${"long ".repeat(40)}`])
      const { out } = yield* cli(["list"], { ...terminal, columns: 90 })
      const lines = out.trimEnd().split("\n")
      assert.match(lines[0] ?? "", /^ID +AGE +STATUS +LENGTH +PROMPT$/)
      assert.lengthOf(lines, 2)
      assert.isTrue(lines.every((line) => line.length <= 90))
      for (const escape of ["\u0007", "\u001b"]) assert.notInclude(out, escape)
      yield* TestClock.adjust("3 minutes")
      const narrow = (yield* cli(["list"], { ...terminal, columns: 40 })).out.trimEnd().split("\n")
      assert.match(narrow[1] ?? "", /^\w{6} +3 min ago +completed +4 s +/)
      assert.isTrue(narrow.every((line) => line.length <= 40))
      const [, long = ""] = (yield* cli(["list", "--long"], { ...terminal, columns: 200 })).out.split("\n")
      assert.match(long, /^video_\w+ +\d{4}-\d\d-\d\d \d\d:\d\d +completed +4 s +\d+x\d+ /)
    }).pipe(Effect.provide(serverLayer(instant)))
  )

  it.effect("names videos by the ends of their ids in a table, which commands take", () =>
    Effect.gen(function* () {
      for (const prompt of ["one", "two"]) yield* cli(["create", "-p", prompt])
      const [, first = ""] = (yield* cli(["list"], terminal)).out.split("\n")
      const short = first.slice(0, 6)
      const { records } = yield* cli(["get", short])
      assert.isTrue(String(records[0]?.id).endsWith(short))
      assert.strictEqual((yield* cli(["get", "000000"])).code, 4)
    }).pipe(Effect.provide(serverLayer(instant)))
  )

  it.effect("is coloured for a terminal that wants colours, and for nothing else", () =>
    Effect.gen(function* () {
      const [job] = (yield* cli(["create", "-p", "x"])).records
      const get = ["get", String(job?.id), "--table"]
      assert.include((yield* cli(get, { ...terminal, colors: true })).out, "\u001b[32mcompleted")
      assert.notInclude((yield* cli(get, { ...terminal, colors: false })).out, "\u001b")
      assert.notInclude((yield* cli(get, { colors: true })).out, "\u001b")
    }).pipe(Effect.provide(serverLayer(instant)))
  )
})

describe("from a clip to a file", () => {
  it.scopedLive("in one line: a job's clip, and a film that is uploaded", () =>
    Effect.gen(function* () {
      const directory = yield* inDirectory
      const [clip] = (yield* cli(["create", "-p", "x", "--seconds", "4", "--size", "64x64"])).records
      const path = join(directory, "out.mp4")
      const of = yield* cli(["extend", String(clip?.id), "--prompt", "on", "--seconds", "8", "--watch", "-o", path])
      assert.strictEqual(of.code, 0, of.err)
      const { size } = yield* Effect.promise(() => fs.stat(path))
      assert.deepInclude(of.records[0], { file: { path, bytes: size, resumed_from: 0 }, seconds: 12 })

      const longer = yield* cli([
        "extend",
        path,
        "-p",
        "and on",
        "--seconds",
        "4",
        "-o",
        directory,
        "--progress",
        "json"
      ])
      assert.strictEqual(longer.code, 0, longer.err)
      const saved = join(directory, `${longer.records[0]?.id}.mp4`)
      assert.deepInclude(longer.records[0]?.file, { path: saved })
      assert.deepInclude(yield* inspect(saved), { durationSeconds: 16 })

      const events = longer.err
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      for (const event of events) assert.deepStrictEqual(Object.keys(event), eventFields)
      const kinds = [...new Set(events.map(({ event }) => event))]
      assert.deepStrictEqual(kinds, ["upload", "job", "download", "end"])
      assert.deepInclude(events.at(-1), { event: "end", ok: true, progress: 100 })
    }).pipe(Effect.provide(serverLayer(instant)))
  )

  it.scopedLive("several downloads skip what is there, and go on after one that fails", () =>
    Effect.gen(function* () {
      const directory = `${yield* inDirectory}/clips/`
      const ids: Array<string> = []
      for (const prompt of ["one", "two"]) {
        ids.push(String((yield* cli(["create", prompt, "--size", "64x64"])).records[0]?.id))
      }
      const [one = "", two = ""] = ids
      const first = yield* cli(["download", one, "-o", directory])
      assert.strictEqual(first.code, 0, first.err)
      const all = yield* cli(["download", one, "video_none", two, "-o", directory])
      assert.strictEqual(all.code, 4)
      assert.deepStrictEqual(
        all.records.map(({ id }) => id),
        [two]
      )
      assert.match(all.err, new RegExp(`${one}  done .*exists`))
      assert.sameMembers(yield* Effect.promise(() => fs.readdir(directory)), [`${one}.mp4`, `${two}.mp4`])
    }).pipe(Effect.provide(serverLayer(instant)))
  )

  it.scopedLive("downloads resume a partial file, refuse an existing file, and write to a pipe", () =>
    Effect.gen(function* () {
      const directory = yield* inDirectory
      const [clip] = (yield* cli(["create", "-p", "x", "--size", "64x64"])).records
      const id = String(clip?.id)
      const path = join(directory, "a.mp4")
      const first = yield* cli(["download", id, "-o", path])
      assert.deepInclude(first.records[0], { id, path })
      assert.strictEqual((yield* cli(["download", id, "-o", path])).code, 11)
      assert.strictEqual((yield* cli(["download", id, "-o", path, "--overwrite"])).code, 0)
      const piped = yield* cli(["download", id, "-o", "-"])
      assert.strictEqual(piped.out.length, (yield* Effect.promise(() => fs.stat(path))).size)
      assert.strictEqual(piped.err, "")
    }).pipe(Effect.provide(serverLayer(instant)))
  )
})

/** The lines of a terminal after what was written, which moves up and erases lines. */
const linesAfter = (text: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let row = 0
  for (const part of text.replaceAll("\u001b", "␛").split(/(␛\[\d+A\r|␛\[J|␛\[2K|\n)/)) {
    const [, up] = /^␛\[(\d+)A/.exec(part) ?? []
    if (up !== undefined) row -= Number(up)
    else if (part === "\n") row++
    else if (part === "␛[2K") lines[row] = ""
    else if (part === "␛[J") lines.length = row
    else if (part !== "") lines[row] = `${lines[row] ?? ""}${part}`
  }
  return lines
}

describe("progress", () => {
  const watching = (options: { readonly [name: string]: unknown }, ...more: ReadonlyArray<string>) =>
    cliOverTime(["create", "-p", "x", "--watch", ...more], options)

  it.effect("plain: a line per change of state and per ten percent at least, without escape codes", () =>
    Effect.gen(function* () {
      const { err, out } = yield* watching({}, "--progress", "plain")
      const id = (yield* jobs)[0]?.id
      const [first, ...lines] = err.trimEnd().split("\n")
      assert.strictEqual(first, "create  submitting  0:00")
      assert.isTrue(lines.every((line) => line.startsWith(`${id}  `)))
      assert.match(lines[0] ?? "", /queued {2}0 %/)
      assert.match(lines.at(-1) ?? "", /completed {2}100 %/)
      assert.isTrue(lines.some((line) => /in_progress {2}\d+ %.*about \d+:\d\d left/.test(line)))
      assert.isBelow(lines.length, 14)
      assert.notInclude(err, "\u001b")
      assert.strictEqual(out.split("\n").length, 2)
    }).pipe(Effect.provide(serverLayer({ runTime: "40 seconds" })))
  )

  it.effect("bar: one line per job, redrawn in place on standard error; records come after", () =>
    Effect.gen(function* () {
      const { err, order, out } = yield* watching({ ...terminal, columns: 100, colors: false })
      assert.isBelow(order.lastIndexOf("err"), order.indexOf("out"))
      assert.include(err, "░")
      assert.include(err, "\u001b[1A\r\u001b[2K")
      for (const color of [1, 2, 31, 32, 33, 36]) assert.notInclude(err, `\u001b[${color}m`)
      assert.notInclude(out, "\u001b")
      const frames = err.split("\u001b[2K").slice(1)
      for (const frame of frames) assert.isBelow(frame.split("\n")[0]?.length ?? 0, 100)
      assert.match(frames.at(-1) ?? "", / x +completed +100 % +0:\d\d\n$/)
      // Never more often than ten times a second, of a run of ten seconds and more.
      assert.isBelow(frames.length, 140)
    }).pipe(Effect.provide(serverLayer({ runTime: "10 seconds" })))
  )

  it.effect("more jobs than rows: what has ended makes room, and the last frame has every job", () =>
    Effect.gen(function* () {
      const screen = { ...terminal, columns: 80, rows: 7 }
      for (let job = 0; job < 5; job++) yield* cli(["create", "-p", `short ${job}`])
      yield* TestClock.adjust("15 seconds")
      for (let job = 0; job < 5; job++) yield* cli(["create", "-p", `long ${job}`])
      const ids = (yield* jobs).map(({ id }) => id as string)
      const { code, err } = yield* cliOverTime(["watch", ...ids], screen)
      assert.strictEqual(code, 7, err)
      const shown = linesAfter(err).slice(0, -1)
      assert.lengthOf(shown, 10, shown.join("\n"))
      // The jobs that failed first stand above those that still ran, of which each had a row.
      const running = err.slice(0, err.lastIndexOf("in_progress"))
      for (let job = 0; job < 5; job++) assert.include(running, `long ${job} `)
      assert.isTrue(
        shown.slice(0, 5).every((line) => /^\w{6} short \d +failed +.* bad$/.test(line)),
        shown.join("\n")
      )
      assert.isTrue(
        shown.slice(5).every((line) => /^\w{6} long \d +completed +100 %/.test(line)),
        shown.join("\n")
      )
      // No frame is taller than the terminal.
      const heights = [...err.matchAll(/\[(\d+)A\r/g)].map(([, up]) => Number(up))
      assert.isAtMost(Math.max(...heights), 5)
    }).pipe(
      Effect.provide(
        serverLayer({
          queueTime: 0,
          runTime: "20 seconds",
          outcome: ({ prompt }) => (prompt.startsWith("short") ? { code: "bad", message: "" } : null)
        })
      )
    )
  )

  it.effect("several jobs: a row for each, records as they end, and the code of the first that failed", () =>
    Effect.gen(function* () {
      for (const prompt of ["good", "bad", "good"]) yield* cli(["create", "-p", prompt])
      const ids = (yield* jobs).map(({ id }) => id)
      const { code, err, records } = yield* cliOverTime(["watch", ...ids, "video_none"])
      assert.strictEqual(code, 7)
      assert.include(err, "no video video_none")
      assert.deepStrictEqual(
        new Map(records.map(({ id, phase }) => [id, phase])),
        new Map([
          [ids[0], "succeeded"],
          [ids[1], "failed"],
          [ids[2], "succeeded"]
        ])
      )
    }).pipe(
      Effect.provide(
        serverLayer({ outcome: ({ prompt }) => (prompt === "bad" ? { code: "bad", message: "so asked" } : null) })
      )
    )
  )
})
