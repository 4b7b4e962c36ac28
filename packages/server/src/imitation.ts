/** How one kind of server departs from the protocol, as data; and the protocol itself. */
import type * as Effect from "effect/Effect"
import type { BodyRule } from "./body.js"
import type { Job, JobIds, JobState } from "./Jobs.js"
import { type ListRule, type Page, protocolList } from "./list.js"
import { type Operation, operations } from "./operations.js"
import type { Fields, Limits, Refusal } from "./protocol.js"
import { randomId } from "./randomId.js"
import type { ReferenceRule } from "./reference.js"
import { type Body, protocolError, protocolVideo, type Refused, type View } from "./shapes.js"

/** How a dialect changes the status, message and code of an error of the protocol. */
export interface ErrorOverride {
  readonly status?: number
  readonly message?: (refusal: Refusal) => string
  readonly code?: string
  /** The operation that keeps the error of the protocol. */
  readonly except?: Operation
}

/** @internal */
export interface Imitation {
  /** Segments below `/videos` for the operations whose path is not the protocol's. */
  readonly paths?: { readonly [operation in Operation]?: ReadonlyArray<string> }
  /** The public path of a completed job's clip, outside the base paths: it wants no key. */
  readonly clipPath?: (id: string) => string
  /** The fields of a submission by the protocol's names. Default: they have these names. */
  readonly fields?: (fields: Fields, operation: Operation) => Effect.Effect<Fields, Refusal>
  /** Whether the length of a creation from a video counts that video, with which the clip begins. Default: `false`. */
  readonly countsSource?: boolean
  /** HTTP status of an accepted submission. Default: 200. */
  readonly submitStatus?: number
  /** Headers of an accepted submission. Default: none. */
  readonly submitHeaders?: (job: Job) => { readonly [name: string]: string }
  /** Whether a poll of a job that is queued has no body. */
  readonly isEmptyWhileQueued?: boolean
  /** Whether a submission is responded to when its job has ended. */
  readonly waitsForEnd?: boolean
  /** Base paths; the first is part of the server's `baseUrl`. */
  readonly bases: readonly [string, ...ReadonlyArray<string>]
  readonly serves: ReadonlySet<Operation>
  /** HTTP status for a known path with a wrong method: 405, or 404 if the framework matches path and method together. */
  readonly otherMethod: 404 | 405
  readonly newIds: () => JobIds
  /** Headers that can carry the API key, besides `Authorization`. */
  readonly keyHeaders: ReadonlyArray<string>
  readonly bodies: (operation: Operation) => BodyRule
  readonly limits: Limits
  /** HTTP status for an invalid form field. */
  readonly formStatus: 400 | 422
  readonly reference: ReferenceRule
  readonly modelRequired: boolean
  readonly video: (job: Job, view: View) => Body
  /** HTTP status of `GET /videos/{id}`. */
  readonly retrieveStatus: (job: Job, state: JobState) => number
  readonly list: ListRule
  readonly page: (data: ReadonlyArray<Body>, page: Page) => Body
  readonly deleted: (job: Job, view: View) => Body
  /** Whether `DELETE` cancels a job that has not ended. Otherwise the server refuses the request. */
  readonly cancels: boolean
  /** Meaning of `variant`: a name of the protocol, the number of an output, or nothing. */
  readonly variant: "name" | "number" | "ignored"
  readonly ranges: boolean
  readonly contentHeaders: { readonly [name: string]: string }
  /** Whether a refused download returns the JSON error with status 200 and `Content-Type: video/mp4`. */
  readonly disguisesErrors: boolean
  readonly errorOverrides: { readonly [code: string]: ErrorOverride }
  /** Text is sent as `text/plain`. */
  readonly errorBody: (refusal: Refusal, refused: Refused) => Body | string
}

/** @internal */
export const sameId = (id: string): JobIds => ({ id, retrieveId: id })

/** @internal */
export const openai: Imitation = {
  bases: ["/v1"],
  serves: new Set(operations),
  otherMethod: 404,
  newIds: () => sameId(`video_${randomId()}`),
  keyHeaders: [],
  bodies: () => "any",
  limits: "protocol",
  formStatus: 400,
  reference: "protocol",
  modelRequired: false,
  video: protocolVideo,
  retrieveStatus: () => 200,
  list: protocolList,
  page: (data, { hasMore }) => ({
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore
  }),
  deleted: ({ id }) => ({ id, object: "video.deleted", deleted: true }),
  cancels: false,
  variant: "name",
  ranges: true,
  contentHeaders: {},
  disguisesErrors: false,
  errorOverrides: {},
  errorBody: protocolError
}
