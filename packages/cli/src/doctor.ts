/** `doctor`: what the server at the base URL serves, how it answers, and which preset fits. It makes no job. */
import * as Command from "@effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { VideosConfig } from "effect-videos/Http"
import { randomId } from "effect-videos/internal/randomId"
import { configLayer } from "./connection.js"
import { encodingsOf, errorShapeOf, fitsOf } from "./diagnosis.js"
import { UnreachableError } from "./errors.js"
import { descriptions } from "./help.js"
import * as options from "./options.js"
import { ask, findingOf, formProbe, isAnswered, jsonProbe, probesOf } from "./probes.js"
import { Screen, type Style } from "./screen.js"
import { table } from "./text.js"
import { fields, makeWriter } from "./writer.js"

/** What `doctor` says; every field always. */
const recordOf = (diagnosis: Diagnosis) => ({
  base_url: diagnosis.baseUrl,
  query: diagnosis.query,
  api_key: diagnosis.hasKey ? "sent" : "none",
  latency_ms: diagnosis.latency,
  operations: diagnosis.findings.map(({ because, latency, operation, route, served, status }) => ({
    operation,
    route,
    served,
    status,
    latency_ms: latency,
    because
  })),
  errors: diagnosis.errors,
  encodings: diagnosis.encodings,
  preset: {
    configured: diagnosis.configured,
    best: diagnosis.fits[0]?.preset ?? null,
    against: diagnosis.fits[0]?.against ?? [],
    hints: diagnosis.fits[0]?.hints ?? []
  }
})

type Diagnosis = Effect.Effect.Success<typeof diagnose>

const shapes: { readonly [shape: string]: string } = {
  openai: "{ error: { message, type, param, code } }, the protocol's",
  fastapi: "{ detail }, FastAPI's",
  "new-api": "{ code, message, data }, new-api's",
  json: "JSON of no known shape",
  html: "HTML: is the base URL right?",
  text: "plain text",
  empty: "empty bodies"
}

const reads = ({ form, json }: Diagnosis["encodings"]): string => `JSON: ${json}, forms: ${form}`

const text = (diagnosis: Diagnosis, columns: number) => (style: Style) => {
  const best = diagnosis.fits[0]
  const marks = { yes: "yes", no: "no", unknown: "?" } as const
  const verdict =
    best === undefined
      ? "cannot be told: no answer says what is served"
      : best.preset === diagnosis.configured
        ? `${style.green(best.preset)}, which is set`
        : `${style.yellow(best.preset)}; set is ${diagnosis.configured}. Use --preset ${best.preset}, or VIDEOS_PRESET=${best.preset}`
  return [
    fields(
      [
        ["server", diagnosis.baseUrl],
        [
          "query",
          Object.entries(diagnosis.query)
            .map(([name, value]) => `${name}=${value}`)
            .join("&") || null
        ],
        ["key", diagnosis.hasKey ? "sent" : "none"],
        ["latency", `${diagnosis.latency} ms (median of ${diagnosis.answers})`],
        ["errors", diagnosis.errors === null ? "none seen" : (shapes[diagnosis.errors] ?? diagnosis.errors)],
        ["bodies", `${reads(diagnosis.encodings)} (${diagnosis.encodings.because})`],
        ["preset", verdict],
        ["against it", best === undefined || best.against.length === 0 ? null : best.against.join(", ")],
        ["for it", best === undefined || best.hints.length === 0 ? null : best.hints.join(", ")]
      ],
      style,
      columns
    ),
    table(
      ["OPERATION", "SERVED", "HTTP", "MS", "INFERRED FROM"],
      diagnosis.findings.map(({ because, latency, operation, served, status }) => [
        operation,
        marks[served],
        status === null ? "-" : String(status),
        latency === null ? "-" : String(latency),
        because
      ]),
      columns,
      style.bold
    )
  ].join("\n")
}

const median = (values: ReadonlyArray<number>): number | null =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? null

const diagnose = Effect.gen(function* () {
  const config = yield* VideosConfig
  const { baseUrl } = config
  const probes = probesOf(`effect-videos-doctor-${randomId().slice(0, 8)}`)
  const asked = yield* Effect.forEach(probes, (probe) => Effect.map(ask(config, probe), (reply) => ({ probe, reply })))
  const replies = asked.map(({ reply }) => reply)
  const first = replies[0]
  if (!replies.some(isAnswered)) {
    return yield* new UnreachableError({
      baseUrl,
      detail: first === undefined || isAnswered(first) ? "" : first.broken
    })
  }
  const now = yield* Clock.currentTimeMillis
  const findings = asked.map(({ probe, reply }) => findingOf(config, probe, reply, now))
  const created = asked.find(({ probe }) => probe.operation === "createVideo")
  const unread = { broken: "not asked, because it is not known whether createVideo is served" }
  const isCreateServed = findings.some(({ operation, served }) => operation === "createVideo" && served === "yes")
  const encodings = encodingsOf(
    isCreateServed ? (created?.reply ?? unread) : unread,
    isCreateServed ? yield* ask(config, jsonProbe) : unread,
    isCreateServed ? yield* ask(config, formProbe) : unread
  )
  const answered = replies.filter(isAnswered)
  const errors = errorShapeOf(replies.slice(1))
  return {
    baseUrl,
    query: Object.fromEntries(
      Object.entries(config.query).map(([name, value]) => [name, Redacted.isRedacted(value) ? "<redacted>" : value])
    ),
    hasKey: Option.isSome(config.apiKey),
    configured: config.preset.name,
    answers: answered.length,
    latency: median(answered.map(({ latency }) => latency)),
    findings,
    errors,
    encodings,
    // With nothing to go by, every preset fits.
    fits: findings.every(({ served }) => served === "unknown")
      ? []
      : fitsOf({
          baseUrl,
          findings,
          encodings,
          errors,
          list: replies[0],
          headerNames: [...new Set(answered.flatMap(({ headers }) => Object.keys(headers)))]
        })
  }
})

export const doctor = Command.make("doctor", { ...options.connection, ...options.format }, (given) =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const writer = yield* makeWriter(given)
    const diagnosis = yield* diagnose
    const columns = screen.terminal.out ? screen.size().columns : Number.MAX_SAFE_INTEGER
    yield* writer.write(recordOf(diagnosis), text(diagnosis, columns))
    const refused = diagnosis.findings.find(
      ({ error }) => error?._tag === "AuthenticationError" && error.reason === "unauthenticated"
    )
    if (refused?.error?._tag === "AuthenticationError") return yield* refused.error
  })
).pipe(
  Command.withDescription(descriptions.doctor),
  Command.provide((given) => configLayer(given))
)
