/** `doctor`: what the server at the base URL serves, and which dialect fits. It makes no job. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { VideosConfig } from "effect-videos"
import { configLayer } from "./connection.js"
import { encodingsOf, errorShapeOf, extensionOf, fitsOf, unknownFor } from "./diagnosis.js"
import { UnreachableError } from "./errors.js"
import * as options from "./options.js"
import { type Finding, findingOf, formProbe, jsonProbe, makeAsk, parsed, probesOf } from "./probes.js"
import { Screen, type Style } from "./screen.js"
import { table, withoutOperation } from "./text.js"
import { fields, makeWriter } from "./writer.js"

type Diagnosis = Effect.Effect.Success<typeof diagnose>

/** Every field always. */
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
  extension: diagnosis.fits[0] === undefined ? null : extensionOf(diagnosis.fits[0].dialect, diagnosis.findings),
  dialect: {
    configured: diagnosis.configured,
    best: diagnosis.fits[0]?.dialect ?? null,
    against: diagnosis.fits[0]?.against ?? [],
    hints: diagnosis.fits[0]?.hints ?? []
  }
})

const shapes: { readonly [shape: string]: string } = {
  openai: "{ error: { message, type, param, code } }, the protocol's",
  fastapi: "{ detail }, FastAPI's",
  "new-api": "{ code, message, data }, new-api's",
  json: "JSON of no known shape",
  html: "HTML: check the base URL",
  text: "plain text",
  empty: "empty bodies"
}

const listed = (items: ReadonlyArray<string>, separator = ", "): string | null =>
  items.length === 0 ? null : items.join(separator)

/** The verdict: what works, and what to set. */
const summary = ({ baseUrl, configured, findings, fits, latency }: Diagnosis, columns: number, style: Style) => {
  const best = fits[0]
  const served = (value: string) =>
    listed([...new Set(findings.flatMap((finding) => (finding.served === value ? [finding.operation] : [])))])
  const dialect =
    best === undefined
      ? "unknown: no response shows what is served"
      : best.dialect === configured
        ? `${style.green(best.dialect)}, which is set`
        : `${style.yellow(best.dialect)}, but ${configured} is set: use --dialect ${best.dialect} or VIDEOS_DIALECT=${best.dialect}`
  return fields(
    [
      ["server", `${baseUrl}, responds in ${latency} ms`],
      ["dialect", dialect],
      ["extends", best === undefined ? null : extensionOf(best.dialect, findings)],
      ["serves", served("yes")],
      ["not served", served("no")],
      ["unknown", served("unknown")]
    ],
    style,
    columns
  )
}

const details = (diagnosis: Diagnosis, columns: number, style: Style) => {
  const { encodings, errors, findings, fits, hasKey, query } = diagnosis
  const marks = { yes: "yes", no: "no", unknown: "?" } as const
  return [
    fields(
      [
        [
          "query",
          listed(
            Object.entries(query).map(([name, value]) => `${name}=${value}`),
            "&"
          )
        ],
        ["key", hasKey ? "sent" : "none"],
        ["errors", errors === null ? "none seen" : (shapes[errors] ?? errors)],
        ["bodies", `JSON: ${encodings.json}, forms: ${encodings.form} (${encodings.because})`],
        ["against it", listed(fits[0]?.against ?? [])],
        ["for it", listed(fits[0]?.hints ?? [])]
      ],
      style,
      columns
    ),
    table(
      ["OPERATION", "SERVED", "HTTP", "MS", "INFERRED FROM"],
      findings.map(({ because, latency, operation, served, status }) => [
        operation,
        marks[served],
        status === null ? "-" : String(status),
        latency === null ? "-" : String(latency),
        because
      ]),
      columns,
      style.bold
    )
  ]
}

/** `createVideo` has two paths: the one that is not served says nothing if the other is. */
const withoutAlias = (findings: ReadonlyArray<Finding>): ReadonlyArray<Finding> => {
  const created = findings.filter(({ operation }) => operation === "createVideo")
  const served = created.filter((finding) => finding.served === "yes")
  const kept = served.length > 0 ? served : created.slice(0, 1)
  return findings.filter((finding) => finding.operation !== "createVideo" || kept.includes(finding))
}

const hasNumericCode = (body: string): boolean => {
  const value = parsed(body)
  return Predicate.isRecord(value) && Predicate.isRecord(value.error) && typeof value.error.code === "number"
}

const diagnose = Effect.gen(function* () {
  const config = yield* VideosConfig
  const { baseUrl } = config
  const ask = yield* makeAsk(config)
  const probes = probesOf(`effect-videos-doctor-${crypto.randomUUID().slice(0, 8)}`)
  const asked = yield* Effect.forEach(probes, (probe) => Effect.map(ask(probe), (reply) => ({ probe, reply })))
  const replies = asked.map(({ reply }) => reply)
  const responses = replies.flatMap(({ response }) => (response === null ? [] : [response]))
  if (responses.length === 0) {
    const error = replies[0]?.error
    return yield* new UnreachableError({ baseUrl, detail: error ? withoutOperation(error.message) : "" })
  }
  const findings = withoutAlias(asked.map(({ probe, reply }) => findingOf(probe, reply)))
  const created = findings.find(({ operation, served }) => operation === "createVideo" && served === "yes")
  const path = created?.route.split(" ")[1] ?? ""
  const first = asked.find(({ probe }) => probe.operation === "createVideo" && probe.path === path)?.reply
  const encodings =
    first === undefined
      ? unknownFor("not asked, because it is not known whether createVideo is served")
      : encodingsOf([first, yield* ask(jsonProbe(path)), yield* ask(formProbe(path))])
  const errors = errorShapeOf(replies.slice(1))
  const latencies = responses.map(({ latency }) => latency).sort((a, b) => a - b)
  return {
    baseUrl,
    query: Object.fromEntries(
      Object.entries(config.query).map(([name, value]) => [name, Redacted.isRedacted(value) ? "<redacted>" : value])
    ),
    hasKey: Option.isSome(config.apiKey),
    configured: config.dialect.name,
    latency: latencies[latencies.length >> 1] ?? null,
    findings,
    errors,
    encodings,
    // Without a finding, every dialect fits.
    fits: findings.every(({ served }) => served === "unknown")
      ? []
      : fitsOf({
          baseUrl,
          findings,
          encodings,
          errors,
          list: replies[0],
          hasNumericCode: responses.some(({ body, status }) => status >= 400 && hasNumericCode(body)),
          headerNames: [...new Set(responses.flatMap(({ headers }) => Object.keys(headers)))]
        })
  }
})

export const doctor = Command.make(
  "doctor",
  { verbose: Options.boolean("verbose"), ...options.connection, ...options.format },
  (given) =>
    Effect.gen(function* () {
      const screen = yield* Screen
      const writer = yield* makeWriter(given)
      const diagnosis = yield* diagnose
      const columns = screen.terminal.out ? screen.size().columns : Number.MAX_SAFE_INTEGER
      yield* writer.write(recordOf(diagnosis), (style) =>
        [summary(diagnosis, columns, style), ...(given.verbose ? details(diagnosis, columns, style) : [])].join("\n")
      )
      const refused = diagnosis.findings.find(
        ({ error }) => error?._tag === "AuthenticationError" && error.reason === "unauthenticated"
      )
      if (refused?.error) return yield* refused.error
    })
).pipe(Command.provide((given) => configLayer(given)))
