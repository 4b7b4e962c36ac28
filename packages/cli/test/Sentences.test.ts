/** What the command says of a server that is not the one that was meant. */
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { cli } from "./support.js"

const openaiError = (message: string) => ({
  error: { message, type: "invalid_request_error", param: null, code: null }
})

const html = new Response("<html><body>It works!</body></html>", { headers: { "content-type": "text/html" } })

const cases: ReadonlyArray<
  readonly [
    what: string,
    respond: () => Response,
    env: { readonly [name: string]: string },
    code: number,
    says: ReadonlyArray<string>
  ]
> = [
  [
    "does not read the body",
    () => Response.json(openaiError("Missing required parameter: 'prompt'."), { status: 400 }),
    {},
    6,
    ["error: the server did not read the body (HTTP 400", "`effect-videos doctor` names the dialect that fits."]
  ],
  [
    "is named without its version",
    () => Response.json(openaiError("Invalid URL (POST /videos)"), { status: 404 }),
    { OPENAI_BASE_URL: "http://videos.invalid/" },
    12,
    ["The base URL has no version. Did you mean http://videos.invalid/v1?"]
  ],
  [
    "sends an HTML page",
    () => html.clone(),
    { VIDEOS_ON_UNKNOWN_OUTCOME: "fail" },
    10,
    [
      "the server made a video: the server sent an HTML page instead of JSON (POST /videos, HTTP 200)",
      "Check the base URL, http://videos.invalid/v1."
    ]
  ],
  [
    "sends an HTML page, and has a key in the query of its base URL",
    () => html.clone(),
    {
      VIDEOS_ON_UNKNOWN_OUTCOME: "fail",
      OPENAI_BASE_URL: "http://videos.invalid/v1?api_key=sk-not-to-be-shown"
    },
    10,
    ["Check the base URL, http://videos.invalid/v1."]
  ],
  [
    "is xAI's and refuses the key",
    () => Response.json({ code: "invalid-argument", error: "Incorrect API key provided." }, { status: 401 }),
    { OPENAI_BASE_URL: "", VIDEOS_DIALECT: "xai", XAI_API_KEY: "sk-not-to-be-shown" },
    3,
    ["error: the API key was refused (HTTP 401: Incorrect API key", "XAI_API_KEY is the key"]
  ],
  [
    "is xAI's and wants a key, and none is set",
    () => Response.json({}),
    { OPENAI_BASE_URL: "", VIDEOS_DIALECT: "xai" },
    3,
    ["error: no API key: set XAI_API_KEY, or OPENAI_BASE_URL"]
  ],
  [
    "wants a key, and none is set",
    () => Response.json(openaiError("You did not provide one."), { status: 401 }),
    {},
    3,
    ["error: no API key is set, and the server wants one (HTTP 401: You did not provide one.", "Set OPENAI_API_KEY"]
  ],
  [
    "refuses the key",
    () => Response.json(openaiError("Incorrect."), { status: 401 }),
    { OPENAI_API_KEY: "sk-not-to-be-shown" },
    3,
    ["error: the API key was refused (HTTP 401: Incorrect.", "OPENAI_API_KEY is the key"]
  ]
]

describe("a server that", () => {
  for (const [what, respond, env, code, says] of cases) {
    it.effect(`${what}: the first words are what is wrong, the last what to do`, () =>
      Effect.gen(function* () {
        const ran = yield* cli(["create", "a lighthouse"])
        assert.strictEqual(ran.code, code, ran.err)
        for (const words of says) assert.include(ran.err, words)
        assert.notMatch(ran.err, /^error: \w+Video: /)
        assert.notInclude(ran.err, "sk-not-to-be-shown")
      }).pipe(
        Effect.provide(
          Layer.merge(
            Layer.succeed(
              HttpClient.HttpClient,
              HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, respond())))
            ),
            Layer.setConfigProvider(
              ConfigProvider.fromMap(new Map(Object.entries({ OPENAI_BASE_URL: "http://videos.invalid/v1", ...env })))
            )
          )
        )
      )
    )
  }
})
