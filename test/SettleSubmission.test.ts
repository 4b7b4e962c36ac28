/** What became of a submission whose process ended: by what the list shows above the jobs that were there before. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Effect, Layer, Schema, Stream, TestClock } from "effect"
import {
  type CreateVideoRequest,
  type ExtendVideoRequest,
  type SettleOptions,
  settleSubmission,
  VideoResource,
  Videos
} from "effect-videos"
import { driven } from "./support/reconcile.js"

const request: CreateVideoRequest = { prompt: "a lighthouse", seconds: 8, size: "1280x720" }

/** A job that was made `at` seconds after the submission began. */
const job = (id: string, at: number, prompt: string = request.prompt, seconds = 8) => ({ id, at, prompt, seconds })

type Job = ReturnType<typeof job>

/** A server with this list; `pages` counts what was read. */
const listOf = (jobs: ReadonlyArray<Job> | (() => ReadonlyArray<Job>), begunAt: number) => {
  const pages = { count: 0 }
  const listPages = () =>
    Stream.suspend(() => {
      const all = (typeof jobs === "function" ? jobs() : jobs).map(({ at, id, prompt, seconds }) =>
        Schema.decodeUnknownSync(VideoResource)({
          id,
          object: "video",
          status: "queued",
          prompt,
          seconds: `${seconds}`,
          size: "1280x720",
          created_at: Math.floor(begunAt / 1000) + at
        })
      )
      const chunks = Array.from({ length: Math.ceil(all.length / 100) }, (_, n) => all.slice(n * 100, n * 100 + 100))
      return Stream.fromIterable(chunks).pipe(
        Stream.map((videos) => ({ videos, hasMore: true })),
        Stream.tap(() => Effect.sync(() => pages.count++))
      )
    })
  return { pages, layer: Layer.mock(Videos, { listPages }) }
}

/** Settles so long after it was sent, and returns the outcome as text, with the seconds that it took. */
const settled = (
  jobs: Parameters<typeof listOf>[0],
  options: Partial<SettleOptions> & {
    readonly outage?: number
    readonly of?: CreateVideoRequest | ExtendVideoRequest
  } = {}
) =>
  driven(
    Effect.gen(function* () {
      const begunAt = yield* DateTime.now
      yield* TestClock.adjust(options.outage ?? "1 second")
      const started = yield* Clock.currentTimeMillis
      const list = listOf(jobs, DateTime.toEpochMillis(begunAt))
      const outcome = yield* settleSubmission(options.of ?? request, {
        begunAt,
        sentAt: begunAt,
        baseline: ["old"],
        heldElsewhere: () => Effect.succeed([]),
        ...options
      }).pipe(Effect.provide(list.layer))
      const text =
        outcome._tag === "Made"
          ? `Made ${outcome.video.id}`
          : outcome._tag === "NotMade"
            ? "NotMade"
            : `Unclear ${outcome.candidates.map(({ id }) => id).join(" ")}`
      return { text, seconds: ((yield* Clock.currentTimeMillis) - started) / 1000, pages: list.pages.count }
    })
  )

const old = job("old", -60)

const held =
  (...ids: ReadonlyArray<string>): SettleOptions["heldElsewhere"] =>
  (asked) =>
    Effect.succeed(asked.filter((id) => ids.includes(id)))

const open = (...requests: ReadonlyArray<CreateVideoRequest>) => Effect.succeed(requests)

const cases: ReadonlyArray<
  readonly [name: string, jobs: ReadonlyArray<Job>, options: Parameters<typeof settled>[1], expected: string]
> = [
  ["the one job like it above the baseline is adopted", [job("a", 3), old], {}, "Made a"],
  ["no job above the baseline: it was not made", [old], {}, "NotMade"],
  ["an equal job below the baseline is another's", [old, job("older", -90)], {}, "NotMade"],
  ["clocks that differ by hours change nothing", [job("a", -7200), job("old", -7300)], {}, "Made a"],
  ["a job that another submission holds is not taken", [job("a", 3), old], { heldElsewhere: held("a") }, "NotMade"],
  ["two jobs like it are candidates", [job("b", 4), job("a", 3), old], {}, "Unclear b a"],
  ["two equal submissions share two jobs", [job("b", 4), job("a", 3), old], { openElsewhere: open(request) }, "Made a"],
  ["a job with another prompt is a candidate", [job("b", 4, "a lamp"), old], {}, "Unclear b"],
  [
    "unless another open submission asked for it",
    [job("b", 4, "a lamp"), old],
    { openElsewhere: open({ ...request, prompt: "a lamp" }) },
    "NotMade"
  ],
  ["a list without the jobs that it had before proves nothing", [job("x", -500, "else")], {}, "Unclear "],
  ["a server that had no jobs has new ones only", [job("a", -7200)], { baseline: [] }, "Made a"],
  ["without a baseline, the times decide", [job("a", 3), job("b", -900)], { baseline: null }, "Made a"],
  ["and leave open what clocks may differ by", [job("a", -30)], { baseline: null }, "Unclear a"],
  ["a list that is not newest first proves nothing", [old, job("x", 50, "a lamp")], {}, "Unclear x"]
]

describe("settleSubmission", () => {
  it.effect.each(cases)("%s", ([, jobs, options, expected]) =>
    Effect.map(settled(jobs, options), ({ text }) => assert.strictEqual(text, expected))
  )

  it.effect("waits for the list's lag and twice for the submission, not for as long as an outage lasted", () =>
    Effect.gen(function* () {
      const soon = yield* settled([old])
      const late = yield* settled([old], { outage: 3_600_000 })
      assert.deepStrictEqual([soon.text, late.text], ["NotMade", "NotMade"])
      assert.closeTo(soon.seconds, 31, 2)
      assert.closeTo(late.seconds, 30, 2)
    })
  )

  it.effect("reads until the list shows the baseline, whatever was made since", () =>
    Effect.gen(function* () {
      const others = Array.from({ length: 1_500 }, (_, n) => job(`other${n}`, 1_500 - n, `prompt ${n}`))
      const ids = others.map(({ id }) => id)
      const { pages, text } = yield* settled([...others, job("a", 0), old, job("older", -90)], {
        heldElsewhere: held(...ids)
      })
      assert.strictEqual(text, "Made a")
      assert.isAtLeast(pages, 16)
    })
  )

  it.effect("a job that was on the list and is there no more leaves it open", () => {
    let reads = 0
    return Effect.map(
      settled(() => (reads++ === 0 ? [job("b", 4, "a lamp"), old] : [old])),
      ({ text }) => assert.strictEqual(text, "Unclear b")
    )
  })

  it.effect("a job that its own submission records meanwhile is not a candidate", () => {
    let isRecorded = false
    const jobs = () => {
      isRecorded = false
      return [job("b", 4, "a lamp"), old]
    }
    /** The other submission records its job between the two reads of what is known of it. */
    const record = <A>(before: A, after: A) =>
      Effect.sync(() => {
        const result = isRecorded ? after : before
        isRecorded = true
        return result
      })
    return Effect.map(
      settled(jobs, {
        heldElsewhere: () => record<ReadonlyArray<string>>([], ["b"]),
        openElsewhere: record<ReadonlyArray<CreateVideoRequest>>([{ ...request, prompt: "a lamp" }], [])
      }),
      ({ text }) => assert.strictEqual(text, "NotMade")
    )
  })

  it.effect("finds an extension by the length that it adds to its source", () =>
    Effect.map(
      settled([job("a", 3, request.prompt, 16), old], { of: { video: "old", prompt: request.prompt, seconds: 8 } }),
      ({ text }) => assert.strictEqual(text, "Made a")
    )
  )
})
