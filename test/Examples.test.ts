import { spawn } from "node:child_process"
import { readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, Schedule } from "effect"
import { bundleInto, root } from "./support/bundle.js"
import { hasFfmpeg } from "./support/films.js"
import { runFolder } from "./support/runFolder.js"

const list = (folder: string) => readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" })

const examples = list("examples").filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
/** Runs until it is stopped, so it is the last. */
const endless = "readme/webhook.ts"
/** Has a test of its own, beside its database. */
const elsewhere = "durable/postgres.ts"

/** `continue.ts` needs FFmpeg. */
const running = examples.filter((name) => (hasFfmpeg || name !== "continue.ts") && ![endless, elsewhere].includes(name))

/** What each example prints, if that does not depend on the speed of the machine. */
const prints: { readonly [name: string]: RegExp } = {
  "continue.ts": /^queued\n(in_progress\n)+completed\njoined 11\.958334\n$/,
  "create.ts": /^queued 1280x720\n$/,
  "download-to-file.ts": /^a clip\ndone\n\.\.\/clip\.mp4 is outside\n$/,
  "download.ts": /^wait: (queued|in_progress)\na clip\n$/,
  "errors.ts": /^`seconds` must be 4, 8, 12, 16 or 20 .*\n$/,
  "durable/sqlite.ts": /^(\w+\n)*done\nthe same run: true, sent 1 time\n$/,
  "extend.ts": /^12 s\n8 s\n$/,
  "extend-to.ts": /^4 s of 60 s\n(segment \d: extended \n\d\d s\n){7}saving 1 film\n60 s in .*long\.mp4\n$/,
  "faults-on-demand.ts": /^SubmissionUncertainError 1\n$/,
  "settle-submission.ts": /^Made\n$/,
  "many-jobs.ts": /^\d+ watched by page, list trusted\n100 have ended\n$/,
  "list.ts": /^true\nthe same, at night\na lighthouse at dusk\ntrue\n$/,
  "configuration.ts": /^https:\/\/films\.openai\.azure\.com\/openai\/v1\n$/,
  "dialect.ts": /^queued\n$/,
  "dialects/openai.ts": /^12 s\n$/,
  "dialects/azure.ts": /^8 s\n$/,
  "dialects/litellm.ts": /^true completed\n$/,
  "dialects/vllm-omni.ts": /^no extendVideo\n$/,
  "dialects/sglang.ts": /^true null\n$/,
  "dialects/new-api.ts": /^unknown waiting\ncompleted\n$/,
  "dialects/xai.ts": /^4 s for 0\.2 USD\n$/,
  "dialects/aiproxy.ts": /^4 s\n$/,
  "dialects/openrouter.ts": /^a\/model does not support previous_job_id\n$/,
  "dialects/llmgateway.ts": /^true 0\.05\n$/,
  "dialects/dynamo.ts": /^completed true\n$/,
  "readme/download.ts": /clip\.mp4\n$/,
  "readme/extend.ts": /^queued 12\n$/,
  "readme/live.ts": /^video_\w+ queued\n$/,
  "readme/many-jobs.ts": /^100 have ended\n$/,
  "readme/watch.ts": /^(in_progress \d+\n)+completed 100\n$/,
  "promise.ts": /^completed\n12 s a clip\nVideoNotFoundError video_0\n$/,
  "queue.ts": /^(.+: completed\n|a failure: failed\n){3}all have ended\n$/,
  "readme/quickstart.ts": /^queued 0 % 12 s\n(in_progress \d+ % 12 s\n)+completed 100 % 12 s\n$/,
  "resume.ts":
    /^(queued|in_progress)\nin_progress\nthe process stops and starts again\n(in_progress\n)*completed\nno update was printed twice\n$/,
  "standard-schema.ts": /^prompt must be a text .*\nseconds must be a whole .*\nprocessing 4\n$/,
  "telemetry.ts":
    /^span http\.client POST < Videos\.create ok\nspan Videos\.create < clip ok sora-2\n(span .*\n)+span Videos\.watch < clip ok\n(span .*\n)+span clip < - ok\n(metric effect_videos_\w+ \d+\n)+$/,
  "testing.ts": /^true\ntrue\ntrue\nVideoNotFoundError\n$/,
  "testing-scripts.ts": /^(passed: .+\n){3}$/,
  "webhook.ts": /^401 forged\nvideo_1 is done\n204 genuine\n204 the same again\n$/,
  "webhook-server.ts":
    /^submitted, pushed to: true\n(pushed: video\.completed\nawaited: completed|awaited: completed(\npushed: video\.completed)?)\n$/,
  "watch.ts": /^in_progress \d+\n(.*\n)*still going\n(.*\n)*completed 100\n$/
}

/** What the program `examples` prints when an example has ended. */
interface Ran {
  readonly path: string
  readonly code: number
  readonly output: string
}

/** The complete lines for examples that have ended. */
const linesOf = (output: string) =>
  output
    .split("\n")
    .slice(0, -1)
    .filter((line) => line.startsWith("{"))

const runner = "test/support/programs/examples.ts"

describe("examples", () => {
  let programOf: (path: string) => string = (path) => path
  let output = ""
  let status = 0

  // In one process: most of the time of a process is the load of its dependencies.
  beforeAll(async () => {
    const sources = [...running, endless].map((name) => `examples/${name}`)
    const folder = join(runFolder, "examples")
    await bundleInto(folder, [runner, ...sources], { packages: "external" })
    programOf = (path) => join(folder, path.replace(/\.ts$/, ".js"))
    const run = Effect.gen(function* () {
      const { baseUrl } = yield* VideosServer
      // What prints each step of a job, or its state at a time, runs in real time, so that a busy machine misses none. So does what
      // uses a test clock: it warns of a clock that stands still for a second.
      const args = [...running, endless].flatMap((name) => [
        /in_progress|span|passed|watched/.test(prints[name]?.source ?? "") ? "1" : "20",
        programOf(`examples/${name}`)
      ])
      const program = programOf(runner)
      const child = yield* Effect.acquireRelease(
        // In the run's own folder, where an example may write a file.
        Effect.sync(() =>
          spawn(process.execPath, [program, ...args], {
            cwd: dirname(program),
            env: {
              ...process.env,
              OPENAI_BASE_URL: baseUrl,
              OPENAI_API_KEY: "sk-none",
              OPENAI_WEBHOOK_SECRET: "whsec_dGhlIHNlbmRlciBhbmQgSSBrbm93IHRoaXM="
            }
          })
        ),
        (process) => Effect.sync(() => process.kill())
      )
      const hasRun = Effect.async<void>((resume) => {
        child.stderr.on("data", (chunk) => (output += chunk))
        child.stdout.on("data", (chunk) => {
          output += chunk
          if (linesOf(output).length === running.length) resume(Effect.void)
        })
        child.on("close", () => resume(Effect.dieMessage(`the examples ended early: ${output}`)))
      })
      const deliver = Effect.tryPromise(() => fetch("http://127.0.0.1:3000/webhooks", { method: "POST", body: "{}" }))
      yield* hasRun
      const attempts = Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(600))
      const response = yield* Effect.retry(deliver, attempts)
      status = response.status
    })
    await run.pipe(
      Effect.scoped,
      Effect.provide(VideosServer.layer({ queueTime: "1 second", runTime: 0 })),
      Effect.runPromise
    )
  })

  it.each(running)("%s runs and prints what it promises", (name) => {
    const ran = linesOf(output)
      .map((line): Ran => JSON.parse(line))
      .find(({ path }) => path === programOf(`examples/${name}`))
    if (ran === undefined) return assert.fail(`${name} did not end: ${output}`)
    assert.strictEqual(ran.code, 0, ran.output)
    assert.match(ran.output, prints[name] ?? /^$/)
  })

  it("readme/webhook.ts serves the endpoint on port 3000, and refuses a delivery without a signature", () => {
    assert.strictEqual(status, 401)
  })
})
