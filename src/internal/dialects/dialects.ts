import type { Dialect } from "../protocol/dialect.js"
import { aiproxy } from "./aiproxy.js"
import { azure } from "./azure.js"
import { dynamo } from "./dynamo.js"
import { litellm } from "./litellm.js"
import { llmgateway } from "./llmgateway.js"
import { newApi } from "./newApi.js"
import { openai } from "./openai.js"
import { openrouter } from "./openrouter.js"
import { sglang } from "./sglang.js"
import { vllmOmni } from "./vllmOmni.js"
import { xai } from "./xai.js"

/**
 * The dialects of the servers that people run. `openai` is the protocol itself, and the default.
 *
 * @since 0.1.0
 * @category dialects
 */
export const dialects: { readonly [name in DialectName]: Dialect } = {
  openai,
  azure,
  litellm,
  xai,
  aiproxy,
  openrouter,
  llmgateway,
  "vllm-omni": vllmOmni,
  sglang,
  "new-api": newApi,
  dynamo
}

/**
 * The names of the dialects.
 *
 * @since 0.1.0
 * @category models
 */
export type DialectName =
  | "openai"
  | "azure"
  | "litellm"
  | "xai"
  | "aiproxy"
  | "openrouter"
  | "llmgateway"
  | "vllm-omni"
  | "sglang"
  | "new-api"
  | "dynamo"

/**
 * Whether a text names a dialect.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isDialectName = (name: string): name is DialectName => Object.hasOwn(dialects, name)
