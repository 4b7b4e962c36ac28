/** Requests that make nothing: a value in, the call to send out, or what is wrong with the value. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import type * as Errors from "../errors/errors.js"
import type { CallOptions, VideosCall } from "../http/httpTypes.js"
import type { Dialect } from "./dialect.js"
import * as wire from "./jsonReaders.js"
import { type ContentOptions, ListQuery, type ListVideosOptions } from "./requestSchemas.js"
import { checkOptions, encodeRequest, pathOf } from "./validateRequest.js"

/** vLLM-Omni responds to a poll of a failed job with the job's error status and the whole video as the body. */
const isVideo = (body: unknown): boolean =>
  wire.isObject(body) && body.object === "video" && typeof body.status === "string" && body.status !== ""

const requestsWithId =
  (kind: "read" | "remove", more: Pick<VideosCall, "acceptsErrorBody" | "route"> = {}) =>
  (
    dialect: Dialect,
    operation: Errors.Operation,
    id: string,
    options: CallOptions | undefined
  ): Either.Either<VideosCall, Errors.InvalidRequestError> => {
    const acceptsEmptyBody = more.route === "retrieveVideo" && dialect.response?.isEmptyWhilePending === true
    return Either.flatMap(checkOptions(operation, options), () =>
      Either.map(pathOf(dialect, more.route ?? operation, "id", id, operation), (path) => {
        const request = kind === "read" ? HttpClientRequest.get(path) : HttpClientRequest.del(path)
        return { operation, kind, request, videoId: id, options, acceptsEmptyBody, ...more }
      })
    )
  }

/** `GET /videos/{id}`, also on behalf of another operation. */
export const retrieveRequest = requestsWithId("read", { acceptsErrorBody: isVideo, route: "retrieveVideo" })

/** `DELETE /videos/{id}`. */
export const deleteRequest = requestsWithId("remove")

/** `GET /videos/characters/{id}`. */
export const characterRequest = requestsWithId("read")

/** `GET /videos/{id}/content`. */
export const contentRequest = (dialect: Dialect, id: string, options: ContentOptions | undefined) =>
  Either.map(characterRequest(dialect, "downloadVideo", id, options), (call) => {
    const request = HttpClientRequest.setHeader(call.request, "accept", "*/*")
    return options?.variant === undefined
      ? { ...call, request }
      : { ...call, request: HttpClientRequest.setUrlParam(request, "variant", options.variant) }
  })

const encodeQuery = encodeRequest("listVideos", ListQuery)

/** `GET /videos`. A field that is not given is not sent: servers have defaults of their own. */
export const listRequest = (
  dialect: Dialect,
  query: Pick<ListVideosOptions, "limit" | "order" | "after">,
  options: CallOptions | undefined
): Either.Either<VideosCall, Errors.InvalidRequestError> =>
  Either.flatMap(checkOptions("listVideos", options), () => {
    const { after, limit, order } = query
    const given = Record.filter({ limit, order, after }, Predicate.isNotUndefined)
    return Either.flatMap(pathOf(dialect, "listVideos"), (path) =>
      Either.map(encodeQuery(given), (urlParams) => ({
        operation: "listVideos",
        kind: "read",
        request: HttpClientRequest.get(path, { urlParams }),
        options
      }))
    )
  })
