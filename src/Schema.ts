/**
 * The schemas of the Videos protocol: `VideoResource`, ids and requests, and their JSON. Responses are decoded tolerantly, because
 * servers differ; requests are encoded strictly, because a mistake there costs money.
 *
 * @example
 * import * as Schema from "effect/Schema"
 * import { VideoResource } from "effect-videos/Schema"
 *
 * const video = Schema.decodeUnknownSync(VideoResource)({ id: "video_1", status: "queued" })
 * console.log(video.id, video.status, video.progress) // video_1 queued null
 *
 * @since 0.1.0
 */

export * from "./internal/protocol/requestSchemas.js"
export * from "./internal/protocol/videoSchemas.js"
