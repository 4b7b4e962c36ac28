/** Requests that make nothing: a value in, the call to send out, or what is wrong with the value. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Either from "effect/Either"
import type * as Errors from "../errors/errors.js"
import type { CallOptions, VideosCall } from "../http/httpTypes.js"
import * as wire from "./jsonReaders.js"
import { type ContentOptions, ListQuery, type ListVideosOptions } from "./requestSchemas.js"
import { checkOptions, encodeRequest, idSegment } from "./validateRequest.js"

/** vLLM-Omni responds to a poll of a failed job with the job's error status and the whole video as the body. */
const isVideo = (body: unknown): boolean =>
  wire.isObject(body) && body.object === "video" && typeof body.status === "string" && body.status !== ""

const withId = (
  operation: Errors.Operation,
  kind: VideosCall["kind"],
  id: string,
  options: CallOptions | undefined,
  requestOf: (segment: string) => HttpClientRequest.HttpClientRequest,
  acceptsErrorBody?: VideosCall["acceptsErrorBody"]
): Either.Either<VideosCall, Errors.InvalidRequestError> => {
  const checked = checkOptions(operation, options)
  if (Either.isLeft(checked)) return Either.left(checked.left)
  const segment = idSegment(operation, "id", id)
  return Either.isLeft(segment)
    ? Either.left(segment.left)
    : Either.right({ operation, kind, request: requestOf(segment.right), videoId: id, acceptsErrorBody, options })
}

const videoRequest = (segment: string) => HttpClientRequest.get(`/videos/${segment}`)

/** `GET /videos/{id}`. */
export const retrieveRequest = (operation: Errors.Operation, id: string, options: CallOptions | undefined) =>
  withId(operation, "read", id, options, videoRequest, isVideo)

/** `GET /videos/{id}/content`. */
export const contentRequest = (id: string, options: ContentOptions | undefined) =>
  withId("downloadVideo", "read", id, options, (segment) =>
    HttpClientRequest.get(`/videos/${segment}/content`, {
      headers: { accept: "*/*" },
      ...(options?.variant === undefined ? {} : { urlParams: { variant: options.variant } })
    })
  )

/** `DELETE /videos/{id}`. */
export const deleteRequest = (id: string, options: CallOptions | undefined) =>
  withId("deleteVideo", "remove", id, options, (segment) => HttpClientRequest.del(`/videos/${segment}`))

/** `GET /videos/characters/{id}`. */
export const characterRequest = (id: string, options: CallOptions | undefined) =>
  withId("retrieveCharacter", "read", id, options, (segment) => HttpClientRequest.get(`/videos/characters/${segment}`))

const encodeQuery = encodeRequest("listVideos", ListQuery)

/** `GET /videos`. Nothing is sent unasked: servers have defaults of their own. */
export const listRequest = (
  query: Pick<ListVideosOptions, "limit" | "order" | "after">,
  options: CallOptions | undefined
): Either.Either<VideosCall, Errors.InvalidRequestError> =>
  Either.flatMap(checkOptions("listVideos", options), () => {
    const { after, limit, order } = query
    const given = Object.fromEntries(Object.entries({ limit, order, after }).filter(([, value]) => value !== undefined))
    return Either.map(encodeQuery(given), (asked) => ({
      operation: "listVideos",
      kind: "read",
      request: HttpClientRequest.get("/videos", { urlParams: asked }),
      options
    }))
  })
