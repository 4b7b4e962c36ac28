/**
 * The configuration: base URL, key, timeouts, retries and the request budget. From values or from environment variables.
 *
 * @example
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 * import { Videos } from "effect-videos"
 *
 * const live = Videos.layer({ baseUrl: "http://127.0.0.1:8091/v1" }).pipe(Layer.provide(FetchHttpClient.layer))
 *
 * @since 0.1.0
 */
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { VideosConfigOptions, VideosConfigService } from "./internal/config/configTypes.js"
import { fromEnvironment, makeConfig } from "./internal/config/resolveConfig.js"

export type {
  Limits,
  OnUnknownOutcome,
  VideosConfigOptions,
  VideosConfigService,
  WatchingOptions
} from "./internal/config/configTypes.js"
export { defaultReadRetry, defaultSubmitRetry } from "./internal/config/resolveConfig.js"
export type {
  CallOptions,
  ResponseMeta,
  SubmitOptions,
  VideosHttpError
} from "./internal/http/httpTypes.js"

/**
 * The configuration as a service.
 *
 * @since 0.1.0
 * @category services
 */
export class VideosConfig extends Context.Tag("effect-videos/VideosConfig")<VideosConfig, VideosConfigService>() {
  /**
   * From values. A query in the base URL is moved to `query`. Fails with a `ConfigError` that names the option and shows no secret:
   * for a base URL that is not an http(s) URL or has credentials or a fragment, a key that no header can carry, an invalid duration,
   * schedule or number, and a dialect without one of its fields.
   *
   * @example
   * import { VideosConfig } from "effect-videos"
   *
   * const azure = VideosConfig.layer({
   *   baseUrl: "https://films.openai.azure.com/openai/v1",
   *   query: { "api-version": "preview" },
   *   dialect: "azure",
   *   apiKey: "the key"
   * })
   */
  static readonly layer = (options: VideosConfigOptions = {}): Layer.Layer<VideosConfig, ConfigError.ConfigError> =>
    Layer.effect(
      VideosConfig,
      Effect.suspend(() => makeConfig(options))
    )

  /**
   * From the environment (any `ConfigProvider`): `OPENAI_BASE_URL`, `OPENAI_API_KEY`, `OPENAI_ORG_ID`,
   * `OPENAI_PROJECT_ID`, `VIDEOS_QUERY` (such as `api-version=preview&x=y`), `VIDEOS_DIALECT`, `VIDEOS_ON_UNKNOWN_OUTCOME`,
   * `VIDEOS_REQUEST_TIMEOUT`, `VIDEOS_IDLE_TIMEOUT`, `VIDEOS_TOTAL_TIMEOUT`, `VIDEOS_LIST_LAG` and `VIDEOS_MAX_RETRY_AFTER` (such as `30 seconds`),
   * `VIDEOS_REQUESTS_PER_SECOND`, `VIDEOS_CONCURRENCY`, `VIDEOS_WATCH_LIST` (`auto`, `always`, `never`) and
   * `VIDEOS_WATCH_THRESHOLD`. The key may be missing only if the base URL is not the home of the dialect. A variable that is
   * empty or white space counts as not set.
   */
  static readonly layerConfig: Layer.Layer<VideosConfig, ConfigError.ConfigError> = Layer.effect(
    VideosConfig,
    Effect.flatMap(fromEnvironment, makeConfig)
  )
}

export type { BudgetOptions, BudgetSnapshot } from "./internal/rate/budgetTypes.js"
