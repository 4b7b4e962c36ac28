/** Reads message, code and parameter from the body of an error. The envelopes are those of real servers (November 2026). */
import { readJson } from "../protocol/json.js"
import * as wire from "../protocol/jsonReaders.js"

/** @internal */
export interface ErrorBody {
  readonly message: string
  readonly code: string | null
  readonly type: string | null
  readonly param: string | null
}

/** An error keeps at most this many characters of a body. */
export const maxDetail = 2048

/** @internal */
export const clip = (value: string): string => (value.length > maxDetail ? `${value.slice(0, maxDetail)}…` : value)

const codeText = (value: unknown): string | null => (typeof value === "number" ? String(value) : wire.text(value))

const nothing: ErrorBody = { message: "", code: null, type: null, param: null }

/** FastAPI's validation list: `[{loc: ["body", "seconds"], msg, type}]`. */
const fromList = (items: ReadonlyArray<unknown>): ErrorBody => {
  const issues = items.filter(wire.isObject).map((item) => {
    const path = Array.isArray(item.loc) ? item.loc.filter((part) => part !== "body").join(".") : ""
    const message = wire.text(item.msg) ?? wire.text(item.message) ?? ""
    return { path, message, type: wire.text(item.type) }
  })
  const first = issues[0]
  if (first === undefined) return { ...nothing, message: items.map(String).join("; ") }
  return {
    message: issues.map(({ message, path }) => (path === "" ? message : `${path}: ${message}`)).join("; "),
    code: null,
    type: first.type,
    param: first.path === "" ? null : first.path
  }
}

const fromValue = (value: unknown, depth: number): ErrorBody => {
  if (typeof value === "string") return fromText(value, depth)
  if (Array.isArray(value)) return fromList(value)
  if (!wire.isObject(value)) return nothing
  const own: ErrorBody = {
    message: "",
    code: codeText(value.code),
    type: codeText(value.type),
    param: wire.text(value.param)
  }
  // In order: the protocol's {error: {…}} or {error: "…"}, FastAPI's {detail}, new-api's {code, message, data}.
  for (const key of ["error", "detail", "message", "msg", "errors", "error_message"]) {
    const inner = value[key]
    if (inner === undefined || inner === null || inner === "" || inner === false) continue
    const read = depth > 0 ? fromValue(inner, depth - 1) : { ...nothing, message: JSON.stringify(inner) }
    if (read.message === "" && read.code === null && read.type === null) continue
    // {error: "Unauthorized", message: "…"}: the code is in `error`, the message beside it.
    const beside = key === "error" && typeof inner === "string" ? wire.text(value.message) : null
    return {
      message: beside ?? read.message,
      code: read.code ?? own.code ?? (beside === null ? null : read.message),
      type: read.type ?? own.type,
      param: read.param ?? own.param
    }
  }
  return own
}

/** A message may be the whole JSON response of an upstream server (new-api's `fail_to_fetch_task`). */
const fromText = (body: string, depth: number): ErrorBody => {
  const trimmed = body.trim()
  if (trimmed.startsWith("{") || trimmed.startsWith("[")) {
    try {
      const inner = fromValue(readJson(trimmed), depth - 1)
      // An error without a message may have a code; the body is then the message.
      return inner.message === "" ? { ...inner, message: trimmed } : inner
    } catch {
      // Not JSON: a sentence that begins with a bracket.
    }
  }
  const xml = fromXml(trimmed)
  return xml ?? { ...nothing, message: looksLikeHtml(trimmed) ? fromHtml(trimmed) : trimmed }
}

const entities: { readonly [name: string]: string } = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  "#39": "'",
  "#x27": "'"
}

/** For people, and because redaction finds a secret only in plain text. */
const decodeEntities = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|apos|#39|#x27);/gi, (all, name: string) => entities[name.toLowerCase()] ?? all)

/** The error of an object store (S3, GCS, Azure): `<Error><Code>…</Code><Message>…</Message>`. */
const fromXml = (body: string): ErrorBody | null => {
  if (!/^(\ufeff)?(<\?xml[^>]*>\s*)?<Error[\s>]/.test(body)) return null
  const page = body.slice(0, maxPage)
  const read = (name: string): string | null => {
    const inner = new RegExp(`<${name}>([^<]*)</${name}>`).exec(page)?.[1]?.trim() ?? ""
    return inner === "" ? null : decodeEntities(inner)
  }
  const code = read("Code")
  return { ...nothing, code, message: read("Message") ?? code ?? "an XML document" }
}

/** @internal */
export const looksLikeHtml = (body: string): boolean => /^\s*<(!doctype|html|head|body|\?xml|h1|center)/i.test(body)

/** The patterns below read this many characters of a page: they are quadratic on a hostile one. */
const maxPage = 8192

const fromHtml = (page: string): string => {
  const body = page.slice(0, maxPage)
  const title = /<title[^>]*>([^<]*)/i.exec(body)?.[1] ?? /<h1[^>]*>([^<]*)/i.exec(body)?.[1]
  const text = decodeEntities(title ?? body.replace(/<[^>]*>/g, " "))
    .replace(/\s+/g, " ")
    .trim()
  return text === "" ? "an HTML page" : `an HTML page: ${text.slice(0, 200)}`
}

/** The message is not truncated. */
export const readErrorBody = (body: string): ErrorBody => fromText(body.slice(0, 64 * 1024), 5)
