import { type ChildProcess, spawn } from "node:child_process"
import { readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, Schedule } from "effect"
import { bundlePrograms, root } from "./support/bundle.js"
import { hasFfmpeg } from "./support/films.js"

const list = (folder: string) => readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" })

const examples = list("examples").filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
/** `readme/webhook.ts` runs until it is stopped, and has a test of its own. `durable/postgres.ts` has one beside its database. */
const elsewhere = ["readme/webhook.ts", "durable/postgres.ts"]

/** `continue.ts` needs FFmpeg. */
const running = examples.filter((name) => (hasFfmpeg || name !== "continue.ts") && !elsewhere.includes(name))

/** What a run of each example prints, where that does not depend on how fast the machine is. */
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

const runner = "test/support/programs/examples.ts"

/** Starts a program in the run's own folder, where an example may write a file. */
const start = (program: string, args: ReadonlyArray<string>, env: { readonly [name: string]: string }) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [program, ...args], { cwd: dirname(program), env: { ...process.env, ...env } })
    ),
    (child) => Effect.sync(() => child.kill())
  )

const outputOf = (child: ChildProcess) =>
  Effect.promise(
    () =>
      new Promise<string>((resolve) => {
        let output = ""
        child.stdout?.on("data", (chunk) => (output += chunk))
        child.stderr?.on("data", (chunk) => (output += chunk))
        child.on("close", () => resolve(output))
      })
  )

describe("examples", () => {
  let programOf: (path: string) => string = (path) => path
  let output = ""

  // In two processes: most of the time of a process is the load of its dependencies, and most of that of an example is waiting.
  beforeAll(async () => {
    const sources = [...running, "readme/webhook.ts"].map((name) => `examples/${name}`)
    const pathOf = await bundlePrograms("examples", [runner, ...sources], { packages: "external" })
    programOf = (path) => join(root, pathOf(path))
    const outputs = [0, 1].map((half) =>
      Effect.gen(function* () {
        const { baseUrl } = yield* VideosServer
        // What prints each step of a job, or its state at a time, runs in real time, so that a busy machine misses none. So does what
        // uses a test clock: it warns of a clock that stands still for a second.
        const args = running
          .filter((_, index) => index % 2 === half)
          .flatMap((name) => [
            /in_progress|span|passed|completed|watched/.test(prints[name]?.source ?? "") ? "1" : "10",
            programOf(`examples/${name}`)
          ])
        return yield* outputOf(
          yield* start(programOf(runner), args, { OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: "sk-none" })
        )
      }).pipe(Effect.scoped, Effect.provide(VideosServer.layer({ queueTime: "1 second", runTime: 0 })))
    )
    output = (await Effect.runPromise(Effect.all(outputs, { concurrency: "unbounded" }))).join("")
  })

  it.each(running)("%s runs and prints what it promises", (name) => {
    const ran = output
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line): Ran => JSON.parse(line))
      .find(({ path }) => path === programOf(`examples/${name}`))
    if (ran === undefined) return assert.fail(`${name} did not end: ${output}`)
    assert.strictEqual(ran.code, 0, ran.output)
    assert.match(ran.output, prints[name] ?? /^$/)
  })

  it.scopedLive("readme/webhook.ts serves the endpoint on port 3000, and refuses a delivery without a signature", () =>
    Effect.gen(function* () {
      const deliver = Effect.tryPromise(() => fetch("http://127.0.0.1:3000/webhooks", { method: "POST", body: "{}" }))
      yield* start(programOf("examples/readme/webhook.ts"), [], {
        OPENAI_WEBHOOK_SECRET: "whsec_dGhlIHNlbmRlciBhbmQgSSBrbm93IHRoaXM="
      })
      const { status } = yield* Effect.retry(
        deliver,
        Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(600))
      )
      assert.strictEqual(status, 401)
    })
  )
})
