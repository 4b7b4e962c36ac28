/** What is written to which terminal: colours, bars and plain lines. */
import { execFile, execFileSync } from "node:child_process"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { VideosServer } from "@effect-videos/server"
import { Effect, Option } from "effect"
import { programAt } from "../../../test/support/bundle.js"
import { progressMode } from "../src/display.js"
import { capabilities } from "../src/screen.js"
import { fakeScreen, nothing } from "./support.js"

const both = { out: true, err: true }
const neither = { out: false, err: false }
const xterm = { TERM: "xterm-256color" }

describe("the environment", () => {
  it.each([
    ["a terminal", xterm, both, "linux", "colours, bars"],
    ["TERM=dumb", { TERM: "dumb" }, both, "linux", "neither"],
    ["no TERM", {}, both, "linux", "neither"],
    ["an empty TERM", { TERM: "" }, both, "darwin", "neither"],
    ["no TERM on Windows", {}, both, "win32", "colours, bars"],
    ["TERM=dumb on Windows", { TERM: "dumb" }, both, "win32", "neither"],
    ["no terminal", xterm, neither, "linux", "neither"],
    ["NO_COLOR", { ...xterm, NO_COLOR: "1" }, both, "linux", "bars"],
    ["an empty NO_COLOR", { ...xterm, NO_COLOR: "" }, both, "linux", "colours, bars"],
    ["FORCE_COLOR without a terminal", { FORCE_COLOR: "1" }, neither, "linux", "colours"],
    ["an empty FORCE_COLOR", { FORCE_COLOR: "" }, neither, "linux", "colours"],
    ["FORCE_COLOR=0", { ...xterm, FORCE_COLOR: "0" }, both, "linux", "bars"],
    ["FORCE_COLOR=false", { ...xterm, FORCE_COLOR: "false" }, both, "linux", "bars"],
    ["FORCE_COLOR and NO_COLOR", { ...xterm, FORCE_COLOR: "1", NO_COLOR: "1" }, both, "linux", "bars"],
    ["FORCE_COLOR and TERM=dumb", { TERM: "dumb", FORCE_COLOR: "1" }, both, "linux", "colours"],
    ["CI with a terminal", { ...xterm, CI: "true" }, both, "linux", "colours"],
    ["CI=false", { ...xterm, CI: "false" }, both, "linux", "colours, bars"],
    ["an empty CI", { ...xterm, CI: "" }, both, "linux", "colours, bars"]
  ] as const)("%s", (_, env, terminal, platform, expected) => {
    const { colors, cursor } = capabilities(env, terminal, platform)
    assert.strictEqual(colors.out, colors.err)
    assert.strictEqual(
      [...(colors.err ? ["colours"] : []), ...(cursor ? ["bars"] : [])].join(", ") || "neither",
      expected
    )
  })

  it("is judged for each stream by itself", () => {
    assert.deepStrictEqual(capabilities(xterm, { out: true, err: false }, "linux"), {
      colors: { out: true, err: false },
      cursor: false
    })
  })

  it.effect("decides about bars unless `--progress` does", () =>
    Effect.gen(function* () {
      const mode = (given: Option.Option<"bar" | "plain" | "json">, cursor: boolean) =>
        Effect.provide(progressMode(given), fakeScreen(nothing(), { terminal: both, cursor }))
      assert.strictEqual(yield* mode(Option.none(), true), "bar")
      assert.strictEqual(yield* mode(Option.none(), false), "plain")
      assert.strictEqual(yield* mode(Option.some("bar"), false), "bar")
      assert.strictEqual(yield* mode(Option.some("plain"), true), "plain")
    })
  )
})

const hasScript = (() => {
  try {
    return /util-linux/.test(execFileSync("script", ["--version"], { encoding: "utf8" }))
  } catch {
    return false
  }
})()

describe("the process in a terminal", () => {
  it.scopedLive.skipIf(!hasScript)("draws bars, but not over what reads its output in a pipe", () =>
    Effect.gen(function* () {
      const { baseUrl } = yield* VideosServer
      const command = yield* Effect.promise(() => programAt("command"))
      const inTerminal = (pipe = "") => {
        const line = `'${process.execPath}' '${command}' create -p x --watch --size 64x64${pipe}`
        const options = {
          timeout: 30_000,
          env: { PATH: process.env.PATH ?? "", OPENAI_BASE_URL: baseUrl, TERM: "xterm" }
        }
        return Effect.map(
          Effect.promise(() => promisify(execFile)("script", ["-qec", line, "/dev/null"], options)),
          ({ stdout }) => stdout
        )
      }
      assert.include(yield* inTerminal(), "\u001b[2K")
      // What reads the pipe writes to the same terminal.
      const piped = yield* inTerminal(" | cat")
      assert.notInclude(piped, "\u001b")
      assert.match(piped, /^\{"id":.*\}\r$/m)
    }).pipe(Effect.provide(VideosServer.layer({ queueTime: 0, runTime: 0 })))
  )
})
