/** The completions in the shell that they are for. */
import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { cli, serverLayer } from "./support.js"

const hasBash = spawnSync("bash", ["--version"], { timeout: 60_000 }).status === 0
if (!hasBash) console.log("The completions are not tested: bash is not installed.")

/** What bash offers for the last word of each command line. One process does it for all. */
const offered = (script: string, lines: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<ReadonlyArray<string>> => {
  const program = lines.map(
    (words) => `
COMP_WORDS=(effect-videos ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}; COMPREPLY=()
_effect-videos_bash_completions effect-videos
echo "\${COMPREPLY[*]}"`
  )
  const { stderr, stdout } = spawnSync("bash", ["-c", script + program.join("")], { encoding: "utf8", timeout: 60_000 })
  assert.strictEqual(stderr, "")
  return stdout.split("\n").map((line) => line.split(" ").filter((word) => word !== ""))
}

describe.skipIf(!hasBash)("completions", () => {
  it.effect("for bash offer commands, subcommands, options and the values of an enumeration", () =>
    Effect.gen(function* () {
      const { out } = yield* cli(["--completions", "bash"])
      const [first, options = [], prompt, seconds, limit, character, name] = offered(out, [
        ["ex"],
        ["extend", ""],
        ["extend", "video_1", "--pr"],
        ["extend", "video_1", "--seconds", "1"],
        ["list", "--json", "--lim"],
        ["character", "cr"],
        ["character", "create", "--n"]
      ])
      assert.deepStrictEqual(first, ["extend"])
      assert.include(options, "--prompt")
      assert.notInclude(options, "serve")
      assert.deepStrictEqual(prompt, ["--prompt", "--progress"])
      assert.deepStrictEqual(seconds, [])
      assert.deepStrictEqual(limit, ["--limit"])
      assert.deepStrictEqual(character, ["create"])
      assert.deepStrictEqual(name, ["--name"])
    }).pipe(Effect.provide(serverLayer()))
  )

  it.effect("are generated for zsh and fish too", () =>
    Effect.gen(function* () {
      assert.match((yield* cli(["--completions", "zsh"])).out, /^#compdef effect-videos\n/)
      assert.match((yield* cli(["--completions", "fish"])).out, /^complete -c effect-videos /)
    }).pipe(Effect.provide(serverLayer()))
  )
})
