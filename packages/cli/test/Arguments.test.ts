import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { exitCodes } from "../src/exitCodes.js"
import { commandsBelow, helpPage, optionsOn } from "../src/help.js"
import { cli, jobs, serverLayer } from "./support.js"

/** Command lines that are wrong, and what the error must say. */
const wrong: ReadonlyArray<readonly [line: ReadonlyArray<string>, says: string]> = [
  [["create"], "`PROMPT` is missing"],
  [["create", "--prompt", "x", "a lighthouse"], "`a lighthouse` is one argument too many"],
  [["create", "--prompt", ""], "`prompt` must be a text of 1 to 32,000 characters"],
  [["create", "--prompt", "x".repeat(32_001)], "`prompt` must be"],
  [["create", "--prompt", "x", "--seconds", "0"], "`--seconds` must be a whole number from 1 to 3600"],
  [["create", "--prompt", "x", "--timeout", "5"], "`--timeout` must be a number with a unit"],
  [["create", "--prompt", "x", "--progress", "dots"], "`--progress` must be one of bar, plain, json"],
  [["create", "--prompt", "x", "--set", "seed"], "`--set` must be written as `name=value`"],
  [["create", "--prompt", "x", "--image", "./none.png"], "`--image` must be a URL, a file or the id"],
  [["create", "--prompt", "x", "--overwrite"], "`--overwrite` needs `--output`"],
  [["create", "--prompt", "x", "-o", "/dev/null/at/all/clip.mp4"], "`--output` is in a directory that cannot be made"],
  [["create", "--prompt", "x", "-o", "-"], "`--output` must be a path"],
  [["create", "--prompt", "x", "--base-url", "ftp://host/v1"], "`--base-url` must be an http(s) URL"],
  [["create", "--prompt", "x", "--base-url", "http://me:pw@host/v1"], "`--base-url` must be an http(s) URL"],
  [["create", "--prompt", "x", "--dialect", "other"], "`--dialect` must be one of openai, azure"],
  [["create", "--prompt", "x", "--api-key-fd", "x"], "`--api-key-fd` must be a whole number"],
  [["create", "--prompt", "x", "--api-key-fd", "1"], "`--api-key-fd` must be a descriptor to read from"],
  [["create", "--promt", "x"], "Did you mean `--prompt`?"],
  [["create", "--prompt", "x", "more"], "`more` is one argument too many"],
  [["extend", "./none.mp4", "--prompt", "x", "--seconds", "8"], "the file ./none.mp4 does not exist"],
  [["extend", "video_1", "--prompt", "x"], "--seconds"],
  [["extend", "..", "--prompt", "x", "--seconds", "8"], "`video.id` must be"],
  [["extend", "video_1", "--prompt", "x", "--seconds", "8", "--join"], "`--join` needs `--output`"],
  [["extend", "video_1", "--prompt", "x", "--seconds", "8", "--size", "64x64"], "`--size` needs `--join`"],
  [["join", "video_1"], "ID"],
  [["join", "video_1", "video_2"], "`join` needs `--output`"],
  [["join", "video_1", "..", "-o", "clip.mp4"], "`segment` must be"],
  [["join", "./none.mp4", "video_2", "-o", "clip.mp4"], "the file ./none.mp4 does not exist"],
  [["watch"], "ID"],
  [["watch", "video_1", "--frob"], "`--frob` is not an option of this command"],
  [["watch", "a", "b", "-o", "package.json"], "`--output` must be a directory if there are several videos"],
  [["list", "--limit", "0"], "`--limit` must be a whole number from 1"],
  [["list", "--order", "up"], "`--order` must be one of asc, desc"],
  [["download", "video_1", "--variant", "thumbnail"], "`--output` must be given for a thumbnail"],
  [["extend", "video_1", "-p", "x", "--seconds", "8", "--database", "x.db"], "`--database` needs `--durable`"],
  [["extend", "video_1", "-p", "x", "--seconds", "8", "--durable", "-w"], "`--watch` cannot be used with `--durable`"],
  [["runs", "list", "--database", "none.db"], "none.db, which does not exist"],
  [["runs", "show", "1f0c", "--database", "postgres://me:pw@db/videos"], "`--database` must be a file"],
  [["worker", "--listen", "here:1"], "`--listen` is for a Postgres"],
  [["frob"], "`frob` is none of serve, "],
  [["lst"], "Did you mean `list`?"],
  [["create", "--wizard"], "`--wizard` is not an option of this command"]
]

describe("a wrong command line", () => {
  for (const [line, says] of wrong) {
    it.effect(`${line.join(" ").slice(0, 60)}: is named before anything is sent`, () =>
      Effect.gen(function* () {
        const { code, err, out } = yield* cli(line)
        assert.include(err, says)
        assert.strictEqual(code, 2, err)
        assert.strictEqual(out, "")
        assert.notInclude(err, "To resume")
        assert.deepStrictEqual(yield* jobs, [])
      }).pipe(Effect.provide(serverLayer()))
    )
  }

  it.effect("reports it as an event if progress is written as events", () =>
    Effect.gen(function* () {
      const { err } = yield* cli(["create", "--prompt", "", "--progress=json"])
      const events = err
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepInclude(events.at(-1), {
        event: "error",
        kind: "usage",
        tag: "InvalidRequestError",
        exit_code: 2,
        resume: null
      })
    }).pipe(Effect.provide(serverLayer()))
  )
})

/** Those below a group too. */
const allCommands = commandsBelow("").flatMap((name) => [
  name,
  ...commandsBelow(name).map((below) => `${name} ${below}`)
])

/** On the page of the whole. */
const builtIn = ["-h", "--help", "--version", "--completions", "--log-level"]

describe("a right command line", () => {
  it.effect("takes options before and behind what they are about", () =>
    Effect.gen(function* () {
      const [source] = (yield* cli(["create", "--prompt", "a"])).records
      const id = String(source?.id)
      const behind = yield* cli(["extend", id, "--prompt", "b", "--seconds=8"])
      const before = yield* cli(["extend", "--seconds", "8", "-p", "c", id])
      assert.deepStrictEqual([behind.code, before.code], [0, 0])
      assert.deepStrictEqual(
        (yield* jobs).map(({ prompt, seconds }) => [prompt, seconds]),
        [
          ["a", 4],
          ["b", 12],
          ["c", 12]
        ]
      )
    }).pipe(Effect.provide(serverLayer({ queueTime: 0, runTime: 0 })))
  )

  it.effect("sends what it is given", () =>
    Effect.gen(function* () {
      const { code, records } = yield* cli([
        ...["create", "--prompt", "--a-prompt --of-options", "--seconds", "12", "--size", "64x64"],
        ...["--model", "sora-2-pro", "--set", "seed=7", "--set", "note=text=with="]
      ])
      assert.strictEqual(code, 0)
      const [record] = records
      assert.strictEqual(record?.prompt, "--a-prompt --of-options")
      assert.deepStrictEqual([record?.seconds, record?.size, record?.model], [12, "64x64", "sora-2-pro"])
    }).pipe(Effect.provide(serverLayer({ queueTime: 0, runTime: 0 })))
  )

  it.effect("has a page of help for the whole and for each command, with an example, in 80 columns", () =>
    Effect.gen(function* () {
      const whole = yield* cli(["--help"])
      assert.deepStrictEqual([whole.code, whole.err], [0, ""])
      for (const code of Object.values(exitCodes)) assert.match(whole.out, new RegExp(`^  ${code} `, "m"))
      const same = [[], ["help"], ["-h"]]
      for (const line of same) assert.strictEqual((yield* cli(line)).out, whole.out)
      for (const command of allCommands) {
        const { code, err, out } = yield* cli([...command.split(" "), "--help"])
        assert.deepStrictEqual([code, err], [0, ""], command)
        assert.strictEqual((yield* cli(["help", ...command.split(" ")])).out, out)
        assert.match(out, new RegExp(`^USAGE\\n  effect-videos ${command} .*\\[options\\]$`, "m"))
        assert.match(out, new RegExp(`^EXAMPLES\\n  effect-videos ${command.split(" ")[0]}`, "m"))
        assert.isTrue(
          out.split("\n").every((line) => line.length <= 80),
          out
        )
      }
      // A group without a command has nothing else to say.
      assert.strictEqual((yield* cli(["character"])).out, (yield* cli(["character", "--help"])).out)
      assert.strictEqual((yield* cli(["-V"])).out, (yield* cli(["--version"])).out)
    }).pipe(Effect.provide(serverLayer()))
  )

  it.effect("has each option of a command on its page, and no other", () =>
    Effect.gen(function* () {
      const { out } = yield* cli(["--completions", "bash"])
      for (const command of allCommands.filter((name) => commandsBelow(name).length === 0)) {
        const name = `effect__videos__${command.replace(" ", "__")}`
        const [, offered = ""] = new RegExp(`${name}\\)\\s+opts="([^"]*)"`).exec(out) ?? []
        const options = offered.split(/\s+/).filter((word) => word.startsWith("-") && !builtIn.includes(word))
        assert.sameMembers([...optionsOn(helpPage(command)).keys()], options, command)
      }
    }).pipe(Effect.provide(serverLayer()))
  )

  it.effect.each([
    [["creat", "-p", "x"], "`creat` is none of serve, create, extend", "effect-videos --help"],
    [["create"], "`PROMPT` is missing", "effect-videos create --help"],
    [
      ["create", "-p", "x", "--nonsense"],
      "`--nonsense` is not an option of this command",
      "effect-videos create --help"
    ],
    [["doctor", "now"], "`now` is one argument too many", "effect-videos doctor --help"],
    [["watch"], "`ID` is missing", "effect-videos watch --help"],
    [["character", "make"], "`make` is none of create, get", "effect-videos character --help"]
  ] as const)("says what is wrong with %j, and which help page says more", ([args, problem, help]) =>
    Effect.gen(function* () {
      const { code, err, out } = yield* cli(args)
      assert.deepStrictEqual([code, out], [2, ""], err)
      assert.include(err, problem)
      assert.include(err, help)
    }).pipe(Effect.provide(serverLayer()))
  )
})
