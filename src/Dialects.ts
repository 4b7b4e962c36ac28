/**
 * The dialects of the servers that people run, as data: paths, fields, status words, sources of an extension, whether a list is
 * trusted. Read in the sources and documents of the servers in November 2026. A dialect is a plain value, so that a field that has
 * changed since can be overridden.
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
