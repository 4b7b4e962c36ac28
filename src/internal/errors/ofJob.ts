/** Adds the job to an error after its submission: a paid job has to be found again. */
import * as Predicate from "effect/Predicate"

type Copied<E> = { readonly constructor: new (fields: object) => E }

const isCopied = <E>(error: E): error is E & Copied<E> =>
  Predicate.hasProperty(error, "videoId") && error.videoId === null && Predicate.hasProperty(error, "constructor")

/** The error with the job's id, if it names no job itself. A copy: one failed request may be the error of several watches. */
export const ofJob =
  (videoId: string) =>
  <E>(error: E): E =>
    isCopied(error) ? new error.constructor({ ...error, ...causeOf(error), videoId }) : error

/** `cause` is not an enumerable property. */
const causeOf = (error: unknown) => (Predicate.hasProperty(error, "cause") ? { cause: error.cause } : {})
