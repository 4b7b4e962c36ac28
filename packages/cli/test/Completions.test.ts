/** The completions in the shell that they are for. */
import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { cli, serverLayer } from "./support.js"

const hasBash = spawnSync("bash", ["--version"], { timeout: 60_000 }).status === 0
if (!hasBash) console.log("The completions are not tried: there is no bash.")

/** What bash offers for the last word of a command line. */
const offered = (script: string, words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const program = `${script}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_effect-videos_bash_completions "$1"
printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stderr, stdout } = spawnSync("bash", ["-c", program, "bash", ...words], { encoding: "utf8", timeout: 60_000 })
  assert.strictEqual(stderr, "")
  return stdout.split("\n").filter((line) => line !== "")
}

describe.skipIf(!hasBash)("completions", () => {
  it.effect("for bash offer commands, subcommands, options and the values of an enumeration", () =>
    Effect.gen(function* () {
      const { out } = yield* cli(["--completions", "bash"])
      const offers = (...words: ReadonlyArray<string>) => offered(out, ["effect-videos", ...words])
      assert.deepStrictEqual(offers("ex"), ["extend"])
      assert.include(offers("extend", ""), "--prompt")
      assert.notInclude(offers("extend", ""), "serve")
      assert.deepStrictEqual(offers("extend", "video_1", "--pr"), ["--prompt", "--progress"])
      assert.deepStrictEqual(offers("extend", "video_1", "--seconds", "1"), [])
      assert.deepStrictEqual(offers("list", "--json", "--lim"), ["--limit"])
      assert.deepStrictEqual(offers("character", "cr"), ["create"])
      assert.deepStrictEqual(offers("character", "create", "--n"), ["--name"])
    }).pipe(Effect.provide(serverLayer()))
  )

  it.effect("are generated for zsh and fish too", () =>
    Effect.gen(function* () {
      assert.match((yield* cli(["--completions", "zsh"])).out, /^#compdef effect-videos\n/)
      assert.match((yield* cli(["--completions", "fish"])).out, /^complete -c effect-videos /)
    }).pipe(Effect.provide(serverLayer()))
  )
})
