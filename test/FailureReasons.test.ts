/** Why a job failed, wherever a server says it. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { awaitVideo, VideoResource } from "effect-videos"
import { json, serve } from "./support/server.js"
import { videosOver } from "./support/videos.js"

const decode = (body: { readonly [name: string]: unknown }) => Schema.decodeUnknownSync(VideoResource)(body)

const failed = (body: { readonly [name: string]: unknown }) => decode({ id: "video_1", status: "failed", ...body })

const why = { code: null, message: "the prompt is too dark" }

describe("the reason of a failed job", () => {
  it.each([
    ...["fail_reason", "failReason", "failure_reason", "failureReason", "failed_reason", "FailReason", "fail-reason"],
    ...["error_message", "errorMessage", "error_msg", "errorMsg", "err_msg", "errmsg", "fail_message", "failure_msg"],
    ...["error_detail", "error_details", "failure_details", "error_info", "error_description", "fail_msg"],
    ...["reason", "status_reason", "status_message", "statusMessage", "status_msg", "task_status_msg", "message"],
    ...["detail", "msg"]
  ])("is read from `%s`, at the top and nested", (name) => {
    const body = { [name]: why.message }
    expect(failed(body).error).toEqual(why)
    expect(failed({ error: null, ...body }).error).toEqual(why)
    for (const place of ["data", "metadata", "result", "output", "task"]) {
      expect(failed({ [place]: body }).error).toEqual(why)
      expect(failed({ [place]: [body] }).error).toEqual(why)
    }
    // It keeps its own field, too.
    expect(failed(body).extra).toEqual(body)
  })

  it.each([
    [{ metadata: { error: "the prompt is too dark" } }, why],
    [{ data: { error: { code: "dark", message: "the prompt is too dark" } } }, { ...why, code: "dark" }],
    [{ data: { metadata: { fail_reason: "the prompt is too dark" } } }, why],
    [{ metadata: { url: "the prompt is too dark" } }, why],
    [{ fail_reason: { code: 7, message: "the prompt is too dark" } }, { ...why, code: "7" }],
    [
      { failure_reasons: [], fail_reason: ["the prompt", "is too dark"] },
      { code: null, message: "the prompt; is too dark" }
    ],
    [
      { fail_reason: "the prompt is too dark", fail_code: 1001 },
      { ...why, code: "1001" }
    ],
    [
      { error_code: "dark", error_message: "the prompt is too dark" },
      { ...why, code: "dark" }
    ],
    [
      { error: { code: "dark", message: "" }, fail_reason: "the prompt is too dark" },
      { ...why, code: "dark" }
    ],
    [{ error: "", fail_reason: "the prompt is too dark" }, why],
    [{ error: {}, fail_reason: "the prompt is too dark" }, why],
    [{ message: "SUCCEED", data: { task_status_msg: "the prompt is too dark" } }, why],
    [{ message: "a general one", fail_reason: "the prompt is too dark" }, why],
    [{ error_code: "dark" }, { code: "dark", message: "" }]
  ])("is read from %j", (body, error) => {
    expect(failed(body).error).toEqual(error)
  })

  it.each([
    [
      { error: { code: "x", message: "y" }, fail_reason: "another" },
      { code: "x", message: "y" }
    ],
    [{ error: { code: "x", message: "" } }, { code: "x", message: "" }],
    [{ fail_reason: "" }, null],
    [{ fail_reason: null, failure_reason: " " }, null],
    [{ fail_reason: 0, message: "success" }, null],
    [{ metadata: { url: "https://cdn.example/a.mp4" } }, null],
    [{ metadata: { url: "/files/a.mp4" } }, null],
    [{ prompt: "a reason", extra: { why: "x" } }, null]
  ])("is the protocol's, or none, in %j", (body, error) => {
    expect(failed(body).error).toEqual(error)
  })

  it.each(["queued", "in_progress", "upscaling", "completed", "SUCCESS"])(
    "is not read while the status is %s",
    (status) => {
      // new-api has the clip's URL in `fail_reason` of a job that succeeded.
      const body = { fail_reason: "https://cdn.example/a.mp4", status_message: "3rd in the queue", message: "ok" }
      expect(decode({ id: "video_1", status, ...body })).toMatchObject({ error: null, extra: body })
    }
  )

  it.each(["failed", "FAILURE", "cancelled", "expired", "error"])("is read from a job that is %s", (status) => {
    expect(decode({ id: "video_1", status, fail_reason: why.message }).error).toEqual(why)
  })

  it("is written as the protocol's `error`, and read again", () => {
    const video = failed({ fail_reason: why.message })
    const written = Schema.encodeSync(VideoResource)(video)
    expect(written).toMatchObject({ error: why, fail_reason: why.message })
    expect(decode(written)).toEqual(video)
  })

  it.scopedLive("is in the error of the watch that waits for the job", () =>
    Effect.gen(function* () {
      const server = yield* serve(json(200, { id: "video_1", status: "failed", failure_reason: why.message }))
      const error = yield* Effect.flip(Effect.provide(awaitVideo("video_1"), videosOver(server)))
      expect(error).toMatchObject({ _tag: "VideoFailedError", message: expect.stringContaining(why.message) })
    })
  )
})
