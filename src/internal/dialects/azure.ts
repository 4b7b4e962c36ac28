import type { Dialect } from "../protocol/dialect.js"
import { openai } from "./openai.js"

/** The same protocol under `{resource}/openai/v1`, with Azure's own header. */
export const azure: Dialect = { ...openai, name: "azure", home: null, authHeader: "api-key" }
