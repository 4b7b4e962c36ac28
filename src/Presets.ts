/**
 * The servers that people run, as data: how each wants a request written, what it serves, and how far its list can be
 * trusted. As read in their sources and documents in November 2026; a preset is a plain value, so that what has changed since
 * can be overridden field by field.
 *
 * @example
 * import { Videos } from "effect-videos"
 * import { presets } from "effect-videos/Presets"
 *
 * const live = Videos.layer({
 *   baseUrl: "http://127.0.0.1:30000/v1",
 *   preset: { ...presets.sglang, encoding: "form" }
 * })
 *
 * @since 0.1.0
 */
export * from "./internal/config/presets.js"
