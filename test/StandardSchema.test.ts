import { assert, describe, it } from "@effect/vitest"
import type { StandardSchemaV1 } from "@standard-schema/spec"
import type { CreateVideoRequest, ExtendVideoRequest } from "effect-videos"
import { VideoCharacter, VideoResource } from "effect-videos"
import * as Requests from "effect-videos/Schema"
import { VideoEvent } from "effect-videos/Webhook"

/** All that a library without Effect knows of a schema. */
const check = async <S extends StandardSchemaV1>(
  schema: S,
  value: unknown
): Promise<StandardSchemaV1.InferOutput<S> | ReadonlyArray<StandardSchemaV1.Issue>> => {
  const result = await schema["~standard"].validate(value)
  return result.issues ?? (result.value as StandardSchemaV1.InferOutput<S>)
}

const documents = {
  VideoResource: [VideoResource, { id: "video_1", status: "queued" }, { status: "queued" }],
  VideoCharacter: [VideoCharacter, { id: "char_1", name: "Tom" }, "Tom"],
  VideoEvent: [VideoEvent, { id: "evt_1", type: "video.completed", data: { id: "video_1" } }, { type: "x" }],
  CreateVideoBody: [Requests.CreateVideoBody, { prompt: "a harbour", seconds: "8" }, { prompt: "", seconds: "8" }],
  ExtendVideoBody: [
    Requests.ExtendVideoBody,
    { video: { id: "video_1" }, prompt: "on", seconds: "8" },
    { video: { id: "video_1" }, prompt: "on", seconds: "soon" }
  ],
  ExtendVideoForm: [Requests.ExtendVideoForm, { prompt: "on", seconds: "20" }, { prompt: "on" }],
  EditVideoBody: [Requests.EditVideoBody, { video: { id: "video_1" }, prompt: "snow" }, { prompt: "snow" }],
  PromptBody: [Requests.PromptBody, { prompt: "at night" }, {}],
  CharacterBody: [Requests.CharacterBody, { name: "Tom" }, { name: "" }],
  ListQuery: [Requests.ListQuery, { limit: 20, order: "asc" }, { limit: 101 }]
} satisfies { readonly [name: string]: readonly [StandardSchemaV1, valid: unknown, invalid: unknown] }

describe("as Standard Schemas", () => {
  it.each(Object.entries(documents))(
    "%s accepts valid values, and names what is wrong with others",
    async (_, [schema, valid, invalid]) => {
      assert.strictEqual(schema["~standard"].version, 1)
      assert.strictEqual(schema["~standard"].vendor, "effect")
      assert.isUndefined((await schema["~standard"].validate(valid)).issues)
      const { issues = [] } = await schema["~standard"].validate(invalid)
      assert.isAbove(issues.length, 0)
    }
  )

  it("a body of the protocol becomes a request of its type", async () => {
    const created = await check(Requests.CreateVideoBody, {
      prompt: "a harbour",
      seconds: "8",
      input_reference: { image_url: "https://example.com/a.png" }
    })
    const request: CreateVideoRequest | ReadonlyArray<StandardSchemaV1.Issue> = created
    assert.deepStrictEqual(request, {
      prompt: "a harbour",
      seconds: 8,
      inputReference: { imageUrl: "https://example.com/a.png" }
    })
    const extended: ExtendVideoRequest | ReadonlyArray<StandardSchemaV1.Issue> = await check(Requests.ExtendVideoBody, {
      video: { id: "video_1" },
      prompt: "on",
      seconds: "12"
    })
    assert.deepStrictEqual(extended, { video: { id: "video_1" }, prompt: "on", seconds: 12 })
  })

  it("every issue has its path", async () => {
    const issues = await check(Requests.ExtendVideoBody, { video: { id: "a/../b" }, prompt: "", seconds: "soon" })
    assert(Array.isArray(issues))
    assert.sameDeepMembers(
      issues.map(({ path }) => path),
      [["video", "id"], ["prompt"], ["seconds"]]
    )
  })
})
