/** From the options of a watch to its plan, or to the first option that makes no sense. */
import * as Headers from "@effect/platform/Headers"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as rules from "../config/optionRules.js"
import type * as Errors from "../errors/errors.js"
import type { CallOptions } from "../http/httpTypes.js"
import { checkExtras, checkFields } from "../protocol/validateRequest.js"
import { defaultPollSchedule, defaultRetrySchedule } from "./pollSchedules.js"
import type { Plan, PollExtras } from "./watch.js"
import type { AwaitVideoOptions, WatchVideosOptions } from "./watchTypes.js"

const watchRules: rules.RulesOf<WatchVideosOptions & AwaitVideoOptions, keyof Extras> = {
  poll: rules.schedule,
  retry: rules.schedule,
  emit: rules.oneOf("changes", "every"),
  buffer: rules.count,
  totalTimeout: rules.timeout,
  stallTimeout: rules.timeout,
  maxRetryAfter: rules.duration,
  notFoundGrace: rules.duration,
  concurrency: rules.count,
  onUpdate: rules.callback
}

type Extras = Pick<CallOptions, "extraHeaders" | "extraQuery">

/** What reads on behalf of a submission carry of it: what is about its sender, not about its body. */
export const senderOf = (submission: Extras | undefined): Extras => ({
  extraHeaders: Headers.remove(Headers.fromInput(submission?.extraHeaders), /^(idempotency-key|content-.*)$/),
  extraQuery: submission?.extraQuery
})

/** In the order of their names, so that equal ones are written alike. */
const sorted = (fields: { readonly [name: string]: string }) =>
  Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))

/** What the polls of a watch carry: the submission's own, and the watch's, which win. Names of headers have no case. */
const extrasOf = (watch: Extras | undefined, submission: Extras | undefined): PollExtras => {
  const sender = senderOf(submission)
  const headers = sorted({ ...sender.extraHeaders, ...Headers.fromInput(watch?.extraHeaders) })
  const query = sorted({ ...sender.extraQuery, ...watch?.extraQuery })
  if (headers.length + query.length === 0) return { key: "", options: {} }
  return {
    key: JSON.stringify([headers, query]),
    options: { extraHeaders: Object.fromEntries(headers), extraQuery: Object.fromEntries(query) }
  }
}

const millis = (duration: Duration.DurationInput | undefined): number =>
  duration === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(duration)

/** `submission`: the options of the submission before the watch, whose headers and query its polls carry too. */
export const planOf = (
  operation: Plan["operation"],
  options: WatchVideosOptions | undefined,
  submission?: Extras
): Either.Either<Plan, Errors.InvalidRequestError> => {
  const problem = checkFields(operation, options, watchRules) ?? checkExtras(operation, options)
  if (problem !== null) return Either.left(problem)
  const poll = options?.poll ?? defaultPollSchedule
  return Either.right({
    operation,
    extras: extrasOf(options, submission),
    poll,
    hintShortens: options?.poll === undefined,
    retry: options?.retry ?? defaultRetrySchedule,
    buffer: options?.emit === "every" ? (options.buffer ?? 64) : 0,
    totalTimeout: millis(options?.totalTimeout),
    stallTimeout: millis(options?.stallTimeout),
    maxRetryAfter: millis(options?.maxRetryAfter ?? "5 minutes"),
    notFoundGrace: millis(options?.notFoundGrace ?? "5 seconds")
  })
}
