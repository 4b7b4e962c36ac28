/** The live page in a real browser while the command, as a separate process, uses the server. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { finished, saying, useCommand } from "../../cli/test/process.js"
import { browser, cardOf, closeBrowser, does, hasBrowser, patience, play, recordStates, visit } from "./browser.js"

const { command } = useCommand()

afterAll(closeBrowser)

describe.skipIf(!hasBrowser)("the page and the command", { timeout: patience }, () => {
  it.scopedLive(
    "show a job of `effect-videos create` on the page of `effect-videos serve`: it appears, progresses and plays",
    () =>
      Effect.gen(function* () {
        const server = yield* command(["serve", "--port", "0", "--queue-time", "200ms", "--run-time", "4s"], {})
        yield* saying(server, "out", /\n/)
        const baseUrl: string = JSON.parse(server.written.out).base_url
        const { complaints, page } = yield* visit(yield* browser, new URL(baseUrl).origin)
        yield* does(() => page.getByText("No jobs yet.").waitFor())
        // A reload would lose them.
        const states = yield* recordStates(page)

        const prompt = "a lighthouse at dusk"
        const args = ["create", "-p", prompt, "--seconds", "4", "--size", "320x180", "--watch", "--progress", "json"]
        const create = yield* command(args, { OPENAI_BASE_URL: baseUrl })
        const card = cardOf(page, prompt)
        yield* does(() => card.getByRole("progressbar", { name: "Progress" }).waitFor())
        yield* does(() => card.getByText("Completed").waitFor())

        const { code, err, out } = yield* finished(create)
        assert.strictEqual(code, 0, err)
        const { id, status } = JSON.parse(out)
        assert.strictEqual(status, "completed")
        yield* does(() => card.getByTitle(id).waitFor())
        const seen = yield* states
        const running = seen.filter((state) => state.startsWith("in_progress"))
        assert.isAtLeast(new Set(running.map((state) => state.split(" ")[1])).size, 3, seen.join("\n"))

        // `play` waits until the time of the video advances.
        const film = yield* does(() => play(page, prompt))
        assert.deepInclude(film, { size: "320x180", duration: 4 })
        assert.isAtLeast(film.readyState, 2)
        assert.strictEqual(new URL(film.source).pathname, `/_page/videos/${id}/video`)
        assert.deepStrictEqual(complaints, [])
      })
  )
})
