/** Errors that come after a submission say which job it made: a job that was paid for has to be found again. */
import * as Predicate from "effect/Predicate"

type Copied<E> = { readonly constructor: new (fields: object) => E }

const isCopied = <E>(error: E): error is E & Copied<E> =>
  Predicate.hasProperty(error, "videoId") && error.videoId === null && Predicate.hasProperty(error, "constructor")

/** The error with the job's id, if it names no job itself. A copy: one failed request may be the error of several watches. */
export const ofJob =
  (videoId: string) =>
  <E>(error: E): E =>
    isCopied(error) ? new error.constructor({ ...error, ...causeOf(error), videoId }) : error

/** It is no enumerable property of an error. */
const causeOf = (error: unknown) => (Predicate.hasProperty(error, "cause") ? { cause: error.cause } : {})
