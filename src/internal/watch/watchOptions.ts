/** From the options of a watch to its plan, or to the first option that makes no sense. */
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

type Fields = { readonly [name: string]: string }

const nothing: PollExtras = { key: "", options: {} }

/** What is about a submission's own body, and not about its sender. */
const ofTheBody = new Set(["idempotency-key", "content-type", "content-length", "content-encoding"])

/** In the order of their names, so that equal ones are written alike. */
const sorted = (fields: ReadonlyMap<string, string>): ReadonlyArray<readonly [string, string]> =>
  [...fields].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))

const add = (to: Map<string, string>, fields: Fields | undefined, nameOf: (name: string) => string): void => {
  for (const [name, value] of Object.entries(fields ?? {})) if (value !== undefined) to.set(nameOf(name), value)
}

/** What the polls of a watch carry: the submission's own, and the watch's, which win. Names of headers have no case. */
export const extrasOf = (watch: Extras | undefined, submission?: Extras): PollExtras => {
  const headers = new Map<string, string>()
  const query = new Map<string, string>()
  add(headers, submission?.extraHeaders, (name) => name.toLowerCase())
  for (const name of ofTheBody) headers.delete(name)
  add(headers, watch?.extraHeaders, (name) => name.toLowerCase())
  add(query, submission?.extraQuery, (name) => name)
  add(query, watch?.extraQuery, (name) => name)
  if (headers.size === 0 && query.size === 0) return nothing
  const sent = sorted(headers)
  const asked = sorted(query)
  return {
    key: JSON.stringify([sent, asked]),
    options: {
      ...(sent.length === 0 ? {} : { extraHeaders: Object.fromEntries(sent) }),
      ...(asked.length === 0 ? {} : { extraQuery: Object.fromEntries(asked) })
    }
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
