/** The live page in a real browser while the command, as a separate process, uses the server. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { type ServerOptions, VideosServer } from "@effect-videos/server"
import { Effect } from "effect"
import { finished, saying, useCommand } from "../../cli/test/process.js"
import { browser, cardOf, closeBrowser, does, hasBrowser, patience, play, recordStates, visit } from "./browser.js"

const { command } = useCommand()

afterAll(closeBrowser)

const withPage = <A, E, R>(options: ServerOptions, use: (baseUrl: string) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(VideosServer, ({ baseUrl }) => use(baseUrl)).pipe(
    Effect.provide(VideosServer.layer({ page: true, ...options }))
  )

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

  it.scopedLive("shows the source of a job of `effect-videos extend`, and removes a job after `delete`", () =>
    withPage({ queueTime: 0, runTime: 0 }, (baseUrl) =>
      Effect.gen(function* () {
        const env = { OPENAI_BASE_URL: baseUrl }
        const { complaints, page } = yield* visit(yield* browser, new URL(baseUrl).origin)
        yield* does(() => page.getByText("No jobs yet.").waitFor())
        const create = yield* command(["create", "-p", "a fox", "--seconds", "4", "--size", "320x180", "--watch"], env)
        yield* saying(create, "out", /\n/)
        const { id } = JSON.parse(create.written.out)
        const extend = yield* finished(
          yield* command(["extend", id, "-p", "in the snow", "--seconds", "4", "-o", "snow.mp4"], env)
        )
        assert.strictEqual(extend.code, 0, extend.err)
        const longer = JSON.parse(extend.out)
        const card = cardOf(page, "in the snow")
        yield* does(() => card.getByText("8 s · 320x180").waitFor())
        assert.include((yield* does(() => card.textContent())) ?? "", "Extends a fox")
        assert.strictEqual((yield* does(() => play(page, "in the snow"))).duration, 8)

        const remove = yield* finished(yield* command(["delete", longer.id], env))
        assert.strictEqual(remove.code, 0, remove.err)
        yield* does(() => card.waitFor({ state: "detached" }))
        yield* does(() => cardOf(page, "a fox").waitFor())
        assert.deepStrictEqual(complaints, [])
      })
    )
  )
})
