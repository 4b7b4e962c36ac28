import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as FastCheck from "effect/FastCheck"
import { VideoResource } from "effect-videos"
import { barLine, plainLine } from "../src/lines.js"
import { ended, type Progress, percentOf, sawDownload, sawJob, sawTrouble, start, timeLeftOf } from "../src/progress.js"
import { styleOf } from "../src/screen.js"
import { clean, clock, quote, truncate, widthOf } from "../src/text.js"

const plain = styleOf(false)
const decode = Schema.decodeUnknownSync(VideoResource)

const video = (status: string, progress: number | null, id = "video_1") => decode({ id, status, progress })

const at = (
  progress: Progress,
  steps: ReadonlyArray<readonly [now: number, status: string, progress: number | null]>
) => steps.reduce((state, [now, status, percent]) => sawJob(state, video(status, percent), now), progress)

describe("the time left", () => {
  const begun = start("create", "submitting", 0)

  it("is computed from the run alone, and counts down between polls", () => {
    const seen = at(begun, [
      [1000, "queued", 0],
      [60_000, "in_progress", 0],
      [70_000, "in_progress", 20]
    ])
    // 20 % took 10 s, so 80 % take 40 s.
    assert.strictEqual(timeLeftOf(seen, 70_000), 40_000)
    assert.strictEqual(timeLeftOf(seen, 75_000), 35_000)
    assert.strictEqual(timeLeftOf(seen, 500_000), 0)
  })

  it("is unknown without progress: in the queue, at the first poll, for a server without progress", () => {
    assert.isNull(timeLeftOf(at(begun, [[1000, "queued", 0]]), 1000))
    assert.isNull(timeLeftOf(at(begun, [[1000, "in_progress", 30]]), 2000))
    assert.isNull(
      timeLeftOf(
        at(begun, [
          [1000, "in_progress", null],
          [9000, "in_progress", null]
        ]),
        9000
      )
    )
    assert.isNull(
      timeLeftOf(
        at(begun, [
          [1000, "in_progress", 50],
          [9000, "completed", 100]
        ]),
        9000
      )
    )
  })

  it("begins anew when the progress goes back", () => {
    const seen = at(begun, [
      [0, "in_progress", 50],
      [1000, "in_progress", 10],
      [2000, "in_progress", 20]
    ])
    assert.strictEqual(timeLeftOf(seen, 2000), 8000)
  })

  it("is 100 % if the server never sent a progress", () => {
    assert.strictEqual(percentOf(at(begun, [[0, "done", null]])), 100)
  })
})

describe("a line", () => {
  it("is never wider than the terminal", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.integer({ min: 1, max: 200 }),
        FastCheck.string({ minLength: 1, maxLength: 80, unit: "grapheme" }).filter((id) => /^[^\p{Cc}]+$/u.test(id)),
        FastCheck.option(FastCheck.double({ min: 0, max: 100, noNaN: true })),
        FastCheck.constantFrom("queued", "in_progress", "completed", "failed", "an unknown status"),
        FastCheck.boolean(),
        (columns, label, percent, status, over) => {
          let progress = sawJob(start(label, "submitting", 0), video(status, percent), 1000)
          if (over) progress = ended(progress, true, `saved ${label} (1 B)`, 2000)
          assert.isAtMost(widthOf(barLine(progress, 3000, columns, plain)), columns)
        }
      )
    )
  })

  it("shows the prompt if the line is wide enough, and the state if it is not", () => {
    const progress = sawDownload(
      at(start("create", "submitting", 0), [[1000, "completed", 100]]),
      { transferred: 50, total: 200, resumedFrom: 0, done: false },
      2000
    )
    assert.match(barLine(progress, 2000, 100, plain), /^video_1 +saving +25 % +0:02 {2}█+░+$/)
    assert.match(barLine(progress, 2000, 40, plain), /^video_1 +saving +25 % +0:02$/)
    assert.match(barLine(progress, 2000, 12, plain), /^saving 25 %$/)
    assert.strictEqual(plainLine(progress, 2000), "video_1  saving  25 %  0:02")
  })

  it("has its columns in the same places from the start to the end of a job", () => {
    const id = "video_0123456789abcdef0123456789ab12cd"
    const named = (status: string, progress: number) =>
      decode({ id, status, progress, prompt: "a lighthouse at dusk, low sun" })
    const begun = start("create", "submitting", 0, "a lighthouse at dusk, low sun")
    const running = sawJob(sawJob(begun, named("in_progress", 10), 1000), named("in_progress", 40), 4000)
    const failing = sawTrouble(
      running,
      { full: "the server failed (HTTP 502): Bad Gateway", short: "HTTP 502" },
      3000,
      5000
    )
    const done = ended(
      sawJob(running, named("completed", 100), 9000),
      true,
      `saved ${"clips/".repeat(9)} (1.2 MB)`,
      9000
    )
    for (const columns of [79, 119]) {
      const lines = [begun, running, failing, done].map((progress) => barLine(progress, 5000, columns, plain))
      const clocks = lines.map((line) => line.search(/\d:\d\d/))
      assert.lengthOf(new Set(clocks), 1, lines.join("\n"))
      assert.match(lines[0] ?? "", /^a lighthouse at dusk.* submitting /)
      // The end of the id, as `list` shows it, and the first words of the prompt.
      assert.match(lines[1] ?? "", /^ab12cd a lighthouse.* in_progress +40 % +0:05 {2}█+░+ {2}about 0:0\d left$/)
      assert.match(lines[2] ?? "", /0:05 {2}retrying in 3 s: (HTTP 502|the server failed.*)$/)
      assert.match(lines[3] ?? "", /completed +100 % +0:09 {2}saved clips/)
    }
  })

  it("keeps a server's control characters off the screen", () => {
    const progress = sawJob(start("create", "submitting", 0), video("\u001b]0;x\u0007odd", 1), 0)
    for (const line of [barLine(progress, 0, 100, plain), plainLine(progress, 0)]) {
      assert.strictEqual(line, clean(line))
    }
  })
})

describe("text", () => {
  it("is measured and truncated in columns", () => {
    assert.strictEqual(widthOf("夕暮れ🎬é"), 9)
    assert.strictEqual(truncate("夕暮れの灯台", 6), "夕暮…")
    assert.strictEqual(truncate("short", 5), "short")
  })

  it("has clocks and shell words", () => {
    assert.deepStrictEqual([0, 61_000, 3_661_000].map(clock), ["0:00", "1:01", "1:01:01"])
    assert.deepStrictEqual(["video_a+/=", "it's here", "$(rm)"].map(quote), [
      "video_a+/=",
      "'it'\\''s here'",
      "'$(rm)'"
    ])
  })
})
