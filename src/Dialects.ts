/**
 * How the servers that people run speak the protocol, as data: paths, fields, status words, sources of an extension, what their
 * lists can settle. Read in their sources and documents in November 2026. A dialect is a plain value: what has changed since
 * can be overridden field by field.
 *
 * @example
 * import { Videos } from "effect-videos"
 * import { dialects } from "effect-videos/Dialects"
 *
 * const live = Videos.layer({
 *   baseUrl: "http://127.0.0.1:30000/v1",
 *   dialect: { ...dialects.sglang, encoding: "form" }
 * })
 *
 * @since 0.1.0
 */
export * from "./internal/dialects/dialects.js"
export type { Dialect, ResponseRule, SecondsRange, SourceRule } from "./internal/protocol/dialect.js"
