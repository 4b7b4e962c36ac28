/** The jobs that a call is given: one or many, by id or as snapshots. A string is one id, although it is iterable. */
import type { VideoResource } from "../protocol/videoSchemas.js"

/** One job, by id or as a snapshot. */
export type Target = string | VideoResource

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

/** A job that was seen before. What has an id and no status is only a reference. */
export const isSnapshot = (target: string | VideoResource): target is VideoResource =>
  isObject(target) && typeof target.id === "string" && typeof target.status === "string"

/** The id of one of them. What is none, from a program without types, is refused by the first request. */
export const idOf = (target: string | VideoResource): string =>
  isObject(target) && "id" in target ? target.id : (target as string)

/** One job is a list of one; so is what is neither a job nor iterable, which is refused as a job. */
export const jobsOf = (
  given: string | VideoResource | Iterable<string | VideoResource>
): Iterable<string | VideoResource> => (isObject(given) && Symbol.iterator in given ? given : [given])
