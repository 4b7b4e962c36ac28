import { addEqualityTesters, describe, expect, it } from "@effect/vitest"
import { DateTime, Schema } from "effect"
import { phaseOf, type VideoPhase, VideoResource } from "effect-videos/Schema"

addEqualityTesters()

/** As a server's text arrives: through JSON. */
const decode = (body: { readonly [name: string]: unknown }) =>
  Schema.decodeUnknownSync(VideoResource)(JSON.parse(JSON.stringify(body)))

const least = { id: "video_1", status: "in_progress" }

const seconds = (time: DateTime.Utc | null) => (time === null ? null : DateTime.toEpochMillis(time) / 1000)

/** The resource with its times as Unix seconds, to be compared whole. */
const plain = (body: { readonly [name: string]: unknown }) => {
  const { completedAt, createdAt, expiresAt, ...rest } = decode(body)
  return { ...rest, createdAt: seconds(createdAt), completedAt: seconds(completedAt), expiresAt: seconds(expiresAt) }
}

const nothing = {
  object: "video",
  model: null,
  progress: null,
  createdAt: null,
  completedAt: null,
  expiresAt: null,
  prompt: null,
  size: null,
  seconds: null,
  remixedFromVideoId: null,
  error: null,
  extra: {}
}

const words: { readonly [phase in VideoPhase]: ReadonlyArray<string> } = {
  waiting: "queued pending submitted not_start preparing created starting unknown in_queue".split(" "),
  running: "in_progress processing running generating".split(" "),
  succeeded: "completed complete succeeded success finished done".split(" "),
  failed: "failed failure fail error cancelled canceled expired deleted".split(" ")
}

describe("status", () => {
  it.each(Object.entries(words).flatMap(([phase, all]) => all.map((word) => ({ word, phase }))))(
    "$word means $phase, in any case, and is kept as it came",
    ({ phase, word }) => {
      const title = word.charAt(0).toUpperCase() + word.slice(1)
      const dashed = word.replaceAll("_", "-")
      const spaced = ` ${word.replaceAll("_", " ")} `
      for (const spelling of [word, word.toUpperCase(), title, dashed, spaced]) {
        expect(phaseOf(spelling)).toBe(phase)
        const video = decode({ ...least, status: spelling })
        expect(phaseOf(video)).toBe(phase)
        expect(video.status).toBe(spelling)
      }
    }
  )

  it.each(["upscaling", "rendering frames", "🎬", "constructor", "__proto__", "not completed", "failed?"])(
    "an unknown status %s: running, and visible",
    (word) => {
      const video = decode({ ...least, status: word })
      expect(phaseOf(video)).toBe("running")
      expect(video.status).toBe(word)
    }
  )

  it.each([{}, { status: null }, { status: "" }])("a body that says no status (%j) waits", (body) => {
    const video = decode({ id: "video_1", ...body })
    expect(video.status).toBe("unknown")
    expect(phaseOf(video)).toBe("waiting")
  })

  it("a status that is a number is kept as its digits", () => {
    expect(decode({ ...least, status: 2 }).status).toBe("2")
  })
})

describe("what is required", () => {
  it("is an id and a status; everything else is null", () => {
    expect(plain(least)).toEqual({ ...nothing, id: "video_1", status: "in_progress" })
  })

  it.each(["", null])("takes %j for an absent field, everywhere", (value) => {
    const names =
      "object model progress created_at completed_at expires_at prompt size seconds remixed_from_video_id error"
    const fields = Object.fromEntries(names.split(" ").map((name) => [name, value]))
    expect(plain({ ...least, ...fields })).toEqual({ ...nothing, id: "video_1", status: "in_progress" })
  })

  it.each([
    "video_b3BlbmFpOmdwdC00/+bQ==",
    "0b9d3b1e-6a51-4d56-8f57-7d1c9a2a0c11",
    "video_gen_0f3a",
    "task_9",
    "a b",
    "%2d"
  ])("takes the id %s as it is", (id) => {
    expect(decode({ ...least, id }).id).toBe(id)
  })
})

describe("one field at a time", () => {
  const table: ReadonlyArray<{
    readonly field: string
    readonly wire: unknown
    readonly as: { readonly [name: string]: unknown }
  }> = [
    { field: "progress", wire: 0, as: { progress: 0 } },
    { field: "progress", wire: 42, as: { progress: 42 } },
    { field: "progress", wire: 33.3, as: { progress: 33.3 } },
    { field: "progress", wire: "30%", as: { progress: 30 } },
    { field: "progress", wire: "30", as: { progress: 30 } },
    { field: "progress", wire: 100.5, as: { progress: 100 } },
    { field: "progress", wire: 1e9, as: { progress: 100 } },
    { field: "progress", wire: -5, as: { progress: 0 } },
    { field: "progress", wire: "soon", as: { extra: { progress: "soon" } } },
    { field: "progress", wire: { percent: 3 }, as: { extra: { progress: { percent: 3 } } } },
    { field: "created_at", wire: 0, as: {} },
    { field: "created_at", wire: 1_760_000_000, as: { createdAt: 1_760_000_000 } },
    { field: "created_at", wire: 1_760_000_000.25, as: { createdAt: 1_760_000_000.25 } },
    { field: "created_at", wire: "1760000000", as: { createdAt: 1_760_000_000 } },
    { field: "created_at", wire: 1_760_000_000_000, as: { extra: { created_at: 1_760_000_000_000 } } },
    { field: "created_at", wire: -1, as: { extra: { created_at: -1 } } },
    { field: "created_at", wire: "yesterday", as: { extra: { created_at: "yesterday" } } },
    { field: "created", wire: 1_760_000_000, as: { createdAt: 1_760_000_000, extra: { created: 1_760_000_000 } } },
    { field: "completed_at", wire: 1_760_000_001, as: { completedAt: 1_760_000_001 } },
    { field: "completed_at", wire: 0, as: {} },
    { field: "completed_at", wire: 1e300, as: { extra: { completed_at: 1e300 } } },
    { field: "expires_at", wire: 1_760_003_600, as: { expiresAt: 1_760_003_600 } },
    { field: "expires_at", wire: [], as: { extra: { expires_at: [] } } },
    { field: "seconds", wire: "8", as: { seconds: 8 } },
    { field: "seconds", wire: "0", as: { seconds: 0 } },
    { field: "seconds", wire: 8, as: { seconds: 8 } },
    { field: "seconds", wire: 7.5, as: { seconds: 7.5 } },
    { field: "seconds", wire: "24", as: { seconds: 24 } },
    { field: "seconds", wire: "8s", as: { seconds: 8 } },
    { field: "seconds", wire: "720p", as: { extra: { seconds: "720p" } } },
    { field: "seconds", wire: -4, as: { extra: { seconds: -4 } } },
    { field: "seconds", wire: "1e300", as: { extra: { seconds: "1e300" } } },
    { field: "size", wire: "720p", as: { size: "720p" } },
    { field: "size", wire: "832x480", as: { size: "832x480" } },
    { field: "size", wire: { width: 1 }, as: { extra: { size: { width: 1 } } } },
    { field: "error", wire: { code: "c", message: "m" }, as: { error: { code: "c", message: "m" } } },
    { field: "error", wire: { message: "m" }, as: { error: { code: null, message: "m" } } },
    { field: "error", wire: { code: 500, message: "m" }, as: { error: { code: "500", message: "m" } } },
    { field: "error", wire: { code: null, message: "" }, as: { error: { code: null, message: "" } } },
    { field: "error", wire: { code: "c" }, as: { error: { code: "c", message: "" } } },
    { field: "error", wire: "out of memory", as: { error: { code: null, message: "out of memory" } } },
    { field: "error", wire: { type: "t", detail: "d" }, as: { error: { code: "t", message: "d" } } },
    { field: "error", wire: { why: ["oom"] }, as: { error: { code: null, message: `{"why":["oom"]}` } } },
    { field: "error", wire: {}, as: { extra: { error: {} } } },
    { field: "error", wire: 7, as: { extra: { error: 7 } } },
    { field: "object", wire: 5, as: { extra: { object: 5 } } },
    { field: "object", wire: "generation.task", as: { object: "generation.task" } },
    { field: "model", wire: "wan2.2-t2v", as: { model: "wan2.2-t2v" } },
    { field: "remixed_from_video_id", wire: "video_0", as: { remixedFromVideoId: "video_0" } }
  ]

  it.each(table)("$field: $wire", ({ as, field, wire }) => {
    expect(plain({ ...least, [field]: wire })).toEqual({ ...nothing, id: "video_1", status: "in_progress", ...as })
  })

  it("a completed_at does not end a job that runs", () => {
    expect(phaseOf(decode({ ...least, completed_at: 1_760_000_001, progress: 100 }))).toBe("running")
  })
})

const decodeText = (text: string) => decode(JSON.parse(text))

const at = (unixSeconds: number) => DateTime.unsafeMake(unixSeconds * 1000)

/** Whole bodies, as each server writes them. */
describe("the bodies of", () => {
  it("OpenAI, whose own example leaves out what its specification requires", () => {
    const video = decodeText(`{
      "id": "video_123", "object": "video", "model": "sora-2", "status": "queued", "progress": 0,
      "created_at": 1712697600, "size": "1024x1792", "seconds": "8", "quality": "standard"
    }`)
    expect(video).toEqual({
      id: "video_123",
      object: "video",
      model: "sora-2",
      status: "queued",
      progress: 0,
      createdAt: at(1_712_697_600),
      completedAt: null,
      expiresAt: null,
      prompt: null,
      size: "1024x1792",
      seconds: 8,
      remixedFromVideoId: null,
      error: null,
      extra: { quality: "standard" }
    })
    expect(phaseOf(video)).toBe("waiting")
  })

  it("vLLM-Omni: a job that failed, with an integer code and measurements", () => {
    const video = decodeText(`{
      "id": "video_gen_5f0c2b", "object": "video", "model": "Wan-AI/Wan2.2-T2V-A14B-Diffusers", "status": "failed",
      "progress": 0, "created_at": 1760000000, "completed_at": 1760000042, "expires_at": null, "prompt": "a cat",
      "size": null, "seconds": "4", "quality": "default", "remixed_from_video_id": null,
      "error": {"code": 500, "message": "CUDA out of memory"}, "media_type": "video/mp4", "file_name": null,
      "inference_time_s": 41.7, "stage_durations": {"denoise": 40.1}, "peak_memory_mb": 78123.5, "fps": 16,
      "num_frames": 81, "duration_s": 5.0625
    }`)
    expect(phaseOf(video)).toBe("failed")
    expect(video.error).toEqual({ code: "500", message: "CUDA out of memory" })
    expect(video.size).toBeNull()
    expect(video.completedAt).toEqual(at(1_760_000_042))
    expect(video.extra).toEqual({
      quality: "default",
      media_type: "video/mp4",
      file_name: null,
      inference_time_s: 41.7,
      stage_durations: { denoise: 40.1 },
      peak_memory_mb: 78123.5,
      fps: 16,
      num_frames: 81,
      duration_s: 5.0625
    })
  })

  it("SGLang: no prompt, an empty size, a length rounded to 0, and one that was deleted", () => {
    const video = decodeText(`{
      "id": "0b9d3b1e-6a51-4d56-8f57-7d1c9a2a0c11", "object": "video", "model": "sora-2", "status": "completed",
      "progress": 100, "created_at": 1760000000, "size": "", "seconds": "0", "quality": "standard", "url": null,
      "remixed_from_video_id": null, "completed_at": 1760000030, "expires_at": null, "error": null,
      "file_path": "/outputs/0b9d.mp4", "peak_memory_mb": 1024.0, "inference_time_s": 29.5
    }`)
    expect([video.prompt, video.size, video.seconds, phaseOf(video)]).toEqual([null, null, 0, "succeeded"])
    expect(video.extra).toMatchObject({ url: null, file_path: "/outputs/0b9d.mp4" })
    const failed = decodeText(
      `{"id":"0b9d","status":"failed","progress":0,"error":{"message":"boom"},"completed_at":null}`
    )
    expect(failed.error).toEqual({ code: null, message: "boom" })
    expect(phaseOf(decodeText(`{"id":"0b9d","object":"video","status":"deleted","progress":0}`))).toBe("failed")
  })

  it("LiteLLM: an id in base64, nulls everywhere, `processing`, and no time written as 0", () => {
    const video = decodeText(`{
      "id": "video_bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOmdlbWluaTs/+w==", "object": "video", "status": "processing",
      "created_at": 0, "completed_at": null, "expires_at": null, "error": null, "progress": null,
      "remixed_from_video_id": null, "seconds": null, "size": null, "model": null, "usage": {"duration_seconds": 8.0}
    }`)
    expect(video.id).toBe("video_bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOmdlbWluaTs/+w==")
    expect(phaseOf(video)).toBe("running")
    expect([video.createdAt, video.progress, video.seconds, video.model]).toEqual([null, null, null, null])
    expect(video.extra).toEqual({ usage: { duration_seconds: 8 } })
    const failed = decodeText(
      `{"id":"video_1","object":"video","status":"failed","error":{"reason":"quota","status":429}}`
    )
    expect(failed.error).toEqual({ code: null, message: "quota" })
  })

  it("new-api: `unknown` right after the submission, omitted fields, completed_at while it runs, metadata.url", () => {
    const fresh = decodeText(`{
      "id": "task_Qm1", "task_id": "task_Qm1", "object": "video", "model": "kling-v2", "status": "unknown", "progress": 0,
      "created_at": 1760000000
    }`)
    expect(phaseOf(fresh)).toBe("waiting")
    expect([fresh.seconds, fresh.size, fresh.completedAt, fresh.error]).toEqual([null, null, null, null])
    expect(phaseOf(decodeText(`{"id":"task_Qm1","status":"NOT_START","progress":"0%"}`))).toBe("waiting")
    const running = decodeText(`{
      "id": "task_Qm1", "task_id": "task_Qm1", "object": "video", "model": "kling-v2", "status": "in_progress",
      "progress": 30, "created_at": 1760000000, "completed_at": 1760000010
    }`)
    expect(phaseOf(running)).toBe("running")
    expect(running.completedAt).toEqual(at(1_760_000_010))
    const done = decodeText(`{
      "id": "task_Qm1", "task_id": "task_Qm1", "object": "video", "model": "kling-v2", "status": "completed",
      "progress": 100, "created_at": 1760000000, "completed_at": 1760000090,
      "metadata": {"url": "https://cdn.example/1.mp4"}, "usage": {"total_tokens": 12}
    }`)
    expect(done.extra).toEqual({
      task_id: "task_Qm1",
      metadata: { url: "https://cdn.example/1.mp4" },
      usage: { total_tokens: 12 }
    })
    const failed = decodeText(
      `{"id":"task_Qm1","status":"failed","progress":100,"error":{"message":"upstream","code":""}}`
    )
    expect([phaseOf(failed), failed.progress, failed.error]).toEqual([
      "failed",
      100,
      { code: null, message: "upstream" }
    ])
  })

  it("FastVideo: a failed job with a text or an integer as its code", () => {
    const text = (code: string) =>
      `{"id":"v1","object":"video","status":"failed","size":null,"error":{"code":${code},"message":"bad"}}`
    expect(decodeText(text(`"generation_failed"`)).error).toEqual({ code: "generation_failed", message: "bad" })
    expect(decodeText(text("400")).error).toEqual({ code: "400", message: "bad" })
  })

  it("TeleFuser: its own statuses, and a size that is not one", () => {
    const video = decodeText(
      `{"id":"t1","object":"video","status":"generating","progress":50,"size":"720p","seconds":"5"}`
    )
    expect([phaseOf(video), video.progress, video.size, video.seconds]).toEqual(["running", 50, "720p", 5])
    expect(phaseOf(decodeText(`{"id":"t1","object":"video","status":"cancelled","error":{"message":"by user"}}`))).toBe(
      "failed"
    )
  })

  it("Dynamo: completed at once, `created`, data with a URL, an error that is a text", () => {
    const video = decodeText(`{
      "id": "chatcmpl-1", "object": "video", "model": "wan", "status": "completed", "progress": 100,
      "created": 1760000000, "data": [{"output_format": "mp4", "url": "https://media.example/1.mp4"}],
      "error": null, "inference_time_s": 12.5
    }`)
    expect(phaseOf(video)).toBe("succeeded")
    expect(video.createdAt).toEqual(at(1_760_000_000))
    expect(video.extra).toMatchObject({ data: [{ output_format: "mp4", url: "https://media.example/1.mp4" }] })
    const failed = decodeText(
      `{"id":"c1","object":"video","status":"failed","progress":0,"created":1,"error":"no GPU"}`
    )
    expect(failed.error).toEqual({ code: null, message: "no GPU" })
  })

  it("Bifrost: progress as a float, null seconds, an empty size", () => {
    const video = decodeText(`{
      "id": "video_1", "object": "video", "model": "veo-3", "status": "in_progress", "progress": 12.5,
      "created_at": 1760000000, "seconds": null, "size": "", "videos": [], "extra_fields": {"latency": 3}
    }`)
    expect([video.progress, video.seconds, video.size]).toEqual([12.5, null, null])
    expect(video.extra).toEqual({ videos: [], extra_fields: { latency: 3 } })
  })

  it("OpenRouter: no object, no created_at, `pending` and `expired`, an error that is a text", () => {
    const video = decodeText(`{
      "id": "gen-1", "status": "pending", "polling_url": "https://openrouter.ai/api/v1/videos/gen-1", "unsigned_urls": []
    }`)
    expect([video.object, video.createdAt, video.progress, phaseOf(video)]).toEqual(["video", null, null, "waiting"])
    expect(video.extra).toEqual({ polling_url: "https://openrouter.ai/api/v1/videos/gen-1", unsigned_urls: [] })
    const expired = decodeText(`{"id":"gen-1","status":"expired","error":"took too long"}`)
    expect([phaseOf(expired), expired.error]).toEqual(["failed", { code: null, message: "took too long" }])
  })
})
