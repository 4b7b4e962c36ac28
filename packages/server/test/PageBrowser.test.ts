/** The live page in a real browser. */
import { FetchHttpClient } from "@effect/platform"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Fault, type InProcessOptions, VideosServer } from "@effect-videos/server"
import { Effect, ExecutionStrategy, Exit, Layer, Redacted, Scope } from "effect"
import { createVideo, deleteVideo, extendVideo, retrieveVideo } from "effect-videos"
import type { BrowserContextOptions } from "playwright-core"
import { cardOf, closeBrowser, does, hasBrowser, patience, play, recordStates, violations, visit } from "./browser.js"

afterAll(closeBrowser)

const open = (options?: BrowserContextOptions) =>
  Effect.gen(function* () {
    const { baseUrl } = yield* VideosServer
    return yield* visit(new URL(baseUrl).origin, options)
  })

/** Clip of four seconds. */
const small = { size: "320x180" } as const
const quick = { queueTime: 0, runTime: 0 } as const

/** Lets the first job with this prompt fail. */
const failsOnce = (): NonNullable<InProcessOptions["outcome"]> => {
  let isFirst = true
  return ({ prompt }) => {
    if (prompt !== "fails once" || !isFirst) return null
    isFirst = false
    return { code: "moderation_blocked", message: "The prompt was refused." }
  }
}

/** Server on a socket with its page, and the library as its client. */
const served = (options: InProcessOptions = {}) =>
  VideosServer.layerVideos.pipe(
    Layer.provideMerge(VideosServer.layer({ page: true, ...options })),
    Layer.provide(FetchHttpClient.layer)
  )

describe.skipIf(!hasBrowser)("the page in a browser", { timeout: patience }, () => {
  it.scopedLive("shows a job of the library: it appears, progresses, ends and plays", () =>
    Effect.gen(function* () {
      const { complaints, page } = yield* open()
      yield* does(() => page.getByText("No jobs yet.").waitFor())
      const states = yield* recordStates(page)
      const { id } = yield* createVideo({ prompt: "a lighthouse at dusk", ...small })
      const card = cardOf(page, "a lighthouse at dusk")
      yield* does(() => card.getByRole("progressbar", { name: "Progress" }).waitFor())
      yield* does(() => card.getByText("Completed").waitFor())
      yield* does(() => card.getByTitle(id).waitFor())
      const seen = yield* states
      const running = seen.filter((state) => state.startsWith("in_progress"))
      assert.isAtLeast(new Set(running.map((state) => state.split(" ")[1])).size, 3, seen.join("\n"))
      assert.match(running.at(-1) ?? "", /Running\d+ % · \d+ s left$/)
      assert.isFalse(yield* does(() => card.getByRole("progressbar").isVisible()))

      yield* does(() => card.locator(".play img").waitFor())
      const film = yield* does(() => play(page, "a lighthouse at dusk"))
      assert.deepInclude(film, { size: "320x180", duration: 4 })
      assert.isAtLeast(film.readyState, 2)
      assert.strictEqual(new URL(film.source).pathname, `/_page/videos/${id}/video`)
      assert.deepStrictEqual(complaints, [])
      // The size of a file is known after the server has made it.
      yield* does(() => card.getByText(/320x180 · sora-2 · \d+ kB/).waitFor())

      yield* deleteVideo(id)
      yield* does(() => card.waitFor({ state: "detached" }))
      yield* does(() => page.getByText("No jobs yet.").waitFor())
    }).pipe(Effect.provide(served({ queueTime: "200 millis", runTime: "2 seconds" })))
  )

  it.scopedLive(
    "makes a job and its extension with the keyboard only: the focus follows the new card, and Escape closes",
    () =>
      Effect.gen(function* () {
        const { complaints, page } = yield* open()
        yield* does(async () => {
          const isFocused = (prompt: string) =>
            page.waitForFunction((text) => document.activeElement?.querySelector("h3")?.textContent === text, prompt)
          await page.getByLabel("Prompt", { exact: true }).focus()
          await page.keyboard.type("a fox")
          await page.getByLabel("Size").selectOption("320x180")
          await page.getByLabel("Prompt", { exact: true }).press("Enter")
          const source = cardOf(page, "a fox")
          await isFocused("a fox")
          const extend = source.getByRole("button", { name: "Extend" })
          const openDialog = async () => {
            await extend.press("Enter")
            await page.waitForFunction(() => document.activeElement?.id === "extend-prompt")
          }
          await openDialog()
          await page.keyboard.press("Escape")
          await page.waitForFunction(() => document.activeElement?.textContent === "Extend")
          await openDialog()
          await page.keyboard.type("in the snow")
          await page.getByLabel("Longer by").selectOption("4")
          await page.getByRole("dialog").getByRole("button", { name: "Extend" }).press("Enter")
          await isFocused("in the snow")
          const extension = cardOf(page, "in the snow")
          await extension.getByText("8 s · 320x180").waitFor()
          await extension.getByText("Extends a fox").waitFor()
          await source.getByRole("link", { name: "in the snow" }).press("Enter")
          await isFocused("in the snow")
          await extension.getByRole("link", { name: "a fox" }).press("Enter")
          await isFocused("a fox")
          const film = await play(page, "in the snow")
          assert.strictEqual(film.duration, 8)
          // Each step of the chain plays from its beginning, and shows that it plays.
          const chain = extension.getByRole("list", { name: "Chain of extensions" })
          assert.strictEqual(((await chain.textContent()) ?? "").replace(/\s+/g, " "), "4 s+4 s=8 s")
          await chain.getByRole("button", { name: "Play from step 2: in the snow, 4 s" }).press("Enter")
          await page.waitForFunction(() => (document.querySelector("video")?.currentTime ?? 0) > 4)
          await page.locator("dialog [aria-current=step]").getByText("4 s").waitFor()
          await page.keyboard.press("Escape")
          await page.getByRole("dialog").waitFor({ state: "detached" })
        })
        assert.deepStrictEqual(complaints, [])
        const jobs = yield* Effect.flatMap(VideosServer, ({ jobs }) => jobs)
        assert.deepStrictEqual(
          jobs.map(({ prompt, seconds }) => [prompt, seconds]),
          [
            ["a fox", 4],
            ["in the snow", 8]
          ]
        )
      }).pipe(Effect.provide(served(quick)))
  )

  it.scopedLive("focuses a card once for a link, so that the focus may move on at once", () =>
    Effect.gen(function* () {
      const source = yield* createVideo({ prompt: "a fox", ...small })
      yield* extendVideo({ video: source.id, prompt: "in the snow", seconds: 4 })
      const { page } = yield* open()
      yield* does(async () => {
        await cardOf(page, "in the snow").getByText("Extends a fox").waitFor()
        const active = await page.evaluate(async () => {
          const links = [...document.querySelectorAll("a")]
          const [there, back] = ["in the snow", "a fox"].map((name) => links.find((link) => link.textContent === name))
          const drawn = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 50)))
          there?.click()
          const first = document.activeElement?.querySelector("h3")?.textContent
          back?.focus()
          await drawn()
          await drawn()
          return [first, document.activeElement?.textContent]
        })
        assert.deepStrictEqual(active, ["in the snow", "a fox"])
      })
    }).pipe(Effect.provide(served(quick)))
  )

  it.scopedLive("opens a dialog at its field, even if the page changes meanwhile, or the dialog before closes", () =>
    Effect.gen(function* () {
      yield* createVideo({ prompt: "a fox", ...small })
      const { page } = yield* open()
      yield* does(async () => {
        const extend = cardOf(page, "a fox").getByRole("button", { name: "Extend" })
        await extend.evaluate(async (button: HTMLElement) => {
          button.click()
          await Promise.resolve()
          // Draws the page again, before the next frame.
          document.querySelector<HTMLElement>(".to-faults")?.click()
        })
        await page.waitForFunction(() => document.activeElement?.id === "extend-prompt")
        await extend.evaluate((button: HTMLElement) => {
          // The event `close` comes later.
          document.querySelector("dialog")?.close()
          button.click()
        })
        await page.waitForFunction(() => document.activeElement?.id === "extend-prompt")
      })
    }).pipe(Effect.provide(served(quick)))
  )

  it.scopedLive("copies, deletes with undo, and retries", () =>
    Effect.gen(function* () {
      const { page } = yield* open()
      const { baseUrl, jobs } = yield* VideosServer
      const ids = Effect.map(jobs, (all) => all.map(({ id }) => id as string))
      const { id } = yield* createVideo({ prompt: "it's a fox", ...small })
      const failed = yield* createVideo({ prompt: "fails once", seconds: 8, ...small })
      const card = cardOf(page, "it's a fox")
      const clipboard = () => page.evaluate(() => navigator.clipboard.readText())
      yield* does(async () => {
        await card.getByRole("button", { name: "Copy id" }).click()
        await card.getByText("Copied").waitFor()
        assert.strictEqual(await clipboard(), id)
        await card.getByRole("button", { name: "Copy the command line" }).click()
        await card.getByText("Copied").nth(1).waitFor()
        assert.strictEqual(
          await clipboard(),
          `OPENAI_BASE_URL=${baseUrl} effect-videos create 'it'\\''s a fox' --seconds 4 --size 320x180 --model sora-2`
        )
        const [file] = await Promise.all([
          page.waitForEvent("download"),
          card.getByRole("button", { name: "Download" }).click()
        ])
        assert.strictEqual(file.suggestedFilename(), `${id}.mp4`)

        await card.getByRole("button", { name: "Delete" }).click()
        await card.waitFor({ state: "detached" })
        await page.getByText("Deleted “it's a fox”").waitFor()
        await page.waitForFunction(() => document.activeElement?.textContent === "Undo")
        await page.keyboard.press("Enter")
        await card.waitFor()
      })
      assert.deepStrictEqual(yield* ids, [id, failed.id])
      // The next deletion, or the end of the page, sends the one before.
      yield* does(() => card.getByRole("button", { name: "Delete" }).click())
      const other = cardOf(page, "fails once")
      yield* does(async () => {
        await other.getByRole("button", { name: "Retry" }).click()
        await page.getByRole("heading", { name: "fails once" }).nth(1).waitFor()
        await other.getByRole("button", { name: "Delete" }).first().click()
      })
      yield* Effect.repeat(Effect.delay(ids, "20 millis"), { until: (left) => !left.includes(id) })
      const retried = (yield* jobs).find(({ prompt, status }) => prompt === "fails once" && status === "completed")
      assert.strictEqual(retried?.seconds, 8)
    }).pipe(Effect.provide(served({ ...quick, outcome: failsOnce() })))
  )

  it.scopedLive("finds a job among thirty, and shows prompts as text", () =>
    Effect.gen(function* () {
      const attack = `<img src=x onerror="document.title='bad'"><b>`
      for (let made = 0; made < 28; made++) yield* createVideo({ prompt: `job ${made}`, ...small })
      yield* createVideo({ prompt: attack, ...small })
      yield* createVideo({ prompt: "fails once", ...small })
      const { complaints, page } = yield* open()
      yield* does(async () => {
        const cards = page.locator(".card")
        await page.getByText("24 of 30").waitFor()
        assert.strictEqual(await cards.count(), 24)
        await page.getByRole("button", { name: "Show 6 more" }).press("Enter")
        // The first of the new cards has the focus.
        await page.waitForFunction(() => document.activeElement?.querySelector("h3")?.textContent === "job 5")
        assert.strictEqual(await cards.count(), 30)
        const search = page.getByRole("searchbox", { name: "Search prompts and ids" })
        await search.fill("job 17")
        await cardOf(page, "job 17").waitFor()
        assert.strictEqual(await cards.count(), 1)
        await search.fill("")
        await page.getByRole("radio", { name: "Failed 1" }).check()
        await cardOf(page, "fails once").waitFor()
        assert.strictEqual(await cards.count(), 1)
        await page.getByRole("radio", { name: "All 30" }).check()
        await cardOf(page, attack).waitFor()
        assert.strictEqual(await page.title(), "effect-videos")
        const heights = await cards.evaluateAll((all) =>
          all.slice(0, 4).map((card) => Math.round(card.getBoundingClientRect().height))
        )
        assert.lengthOf(new Set(heights), 1)
      })
      assert.deepStrictEqual(complaints, [])
    }).pipe(Effect.provide(served({ ...quick, outcome: failsOnce() })))
  )

  it.scopedLive("shows the requests of a job in a table, with polls in one row", () =>
    Effect.gen(function* () {
      const { page } = yield* open()
      const { id } = yield* createVideo({ prompt: "a lighthouse", ...small })
      yield* createVideo({ prompt: "another", ...small })
      for (let polls = 0; polls < 12; polls++) yield* retrieveVideo(id)
      yield* does(async () => {
        await cardOf(page, "a lighthouse").getByRole("button", { name: "Show its requests" }).click()
        const rows = page.getByRole("row")
        await page.getByText("12 polls").waitFor()
        const texts = () =>
          rows.evaluateAll((all) =>
            all.map((row) =>
              [...row.children]
                .flatMap(({ className, textContent }) => (/time|duration/.test(className) ? [] : [textContent]))
                .join(" ")
            )
          )
        const shortened = `/v1/videos/${id.slice(0, 9)}…${id.slice(-6)}`
        assert.deepStrictEqual(await texts(), [
          "Time Method Path Status Duration Job",
          `GET ${shortened}12 polls 200 a lighthouse`,
          "POST /v1/videos 200 a lighthouse"
        ])
        await page.getByLabel("Combine polls").uncheck()
        assert.strictEqual(await rows.count(), 14)
        await page.getByLabel("Job").selectOption("All jobs")
        assert.strictEqual(await rows.count(), 15)
        await page.getByRole("link", { name: "a lighthouse" }).first().click()
        await cardOf(page, "a lighthouse").waitFor()
      })
    }).pipe(Effect.provide(served(quick)))
  )

  it.scopedLive.each([
    ["azure", true],
    ["litellm", true],
    ["vllm-omni", false]
  ] as const)("submits in the dialect %s", ([dialect, extends_]) =>
    Effect.gen(function* () {
      const { page } = yield* open()
      yield* does(async () => {
        await page.getByText(`like ${dialect}`).waitFor()
        await page.getByLabel("Prompt", { exact: true }).fill("a lighthouse")
        await page.getByLabel("Size").selectOption("320x180")
        await page.getByRole("button", { name: "Create", exact: true }).click()
        const card = cardOf(page, "a lighthouse")
        await card.locator(".play img").waitFor()
        const extend = card.getByRole("button", { name: "Extend" })
        assert.strictEqual(await extend.isVisible(), extends_)
        if (!extends_) return
        await extend.click()
        await page.getByLabel("What happens next").fill("the light comes on")
        await page.getByRole("dialog").getByRole("button", { name: "Extend" }).click()
        await cardOf(page, "the light comes on").getByText("12 s · 320x180").waitFor()
        // The links work for all characters in ids.
        await cardOf(page, "the light comes on").getByRole("link", { name: "a lighthouse" }).click()
        await page.waitForFunction(() => document.activeElement?.textContent?.includes("Source of"))
      })
    }).pipe(Effect.provide(served({ ...quick, dialect })))
  )

  it.scopedLive("enables a fault for one request, and shows its effect", () =>
    Effect.gen(function* () {
      const { page } = yield* open()
      const { faults, jobs } = yield* VideosServer
      yield* does(async () => {
        await page.locator("summary").click()
        const fault = page.getByRole("switch", { name: "500, server error" })
        const reset = page.getByRole("switch", { name: "Connection reset" })
        await fault.check()
        await page.getByLabel("How often: Connection reset").selectOption("10 %")
        await reset.check()
        await reset.uncheck()
        await page.getByLabel("Prompt", { exact: true }).fill("refused")
        await page.getByRole("button", { name: "Create", exact: true }).click()
        await page
          .getByRole("alert")
          .filter({ hasText: /responded with 500.* The fault “500, server error” caused this: it is switched on/ })
          .waitFor()
        await page.getByRole("link", { name: "Requests" }).click()
        const row = page.getByRole("row").filter({ hasText: "POST/v1/videos500" })
        await row.getByText("Fault: 500, server error").waitFor()
        await page.getByRole("link", { name: "Jobs" }).click()
        await page.getByLabel("Prompt", { exact: true }).fill("refused")
        await page.getByLabel("Size").selectOption("320x180")
        await page.getByRole("switch", { name: "500, server error", checked: false }).waitFor()
        await page.getByRole("button", { name: "Create", exact: true }).click()
        await cardOf(page, "refused").waitFor()
      })
      assert.lengthOf(yield* jobs, 1)

      // The page shows rules that a program sets, and a switch does not remove them.
      const elsewhere: Fault.Rule = { on: ["list"], when: Fault.nth(2), fault: Fault.bomb() }
      yield* faults.set([elsewhere, { fault: Fault.hang(), times: 3 }])
      yield* does(async () => {
        await page.getByRole("switch", { name: "No response", checked: true }).waitFor()
        await page.getByRole("listitem").filter({ hasText: 'Bomb {"bytes":1073741824}, on list, request 2' }).waitFor()
        await page.getByRole("switch", { name: "No response" }).uncheck()
      })
      yield* Effect.repeat(Effect.delay(faults.rules, "20 millis"), { until: ({ length }) => length === 1 })
      assert.deepStrictEqual(yield* faults.rules, [elsewhere])
      yield* does(() => page.getByRole("button", { name: "Clear all" }).click())
      yield* Effect.repeat(Effect.delay(faults.rules, "20 millis"), { until: ({ length }) => length === 0 })
    }).pipe(Effect.provide(served(quick)))
  )

  it.scopedLive("fits a phone, with any prompts", () =>
    Effect.gen(function* () {
      yield* createVideo({ prompt: "w".repeat(300), ...small })
      const { page } = yield* open({ viewport: { width: 320, height: 640 }, isMobile: true, hasTouch: true })
      yield* does(async () => {
        const card = page.locator(".card")
        await card.waitFor()
        const width = () => page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth])
        const [content, screen] = await width()
        assert.deepStrictEqual([content, screen], [320, 320])
        await page.getByRole("button", { name: "Faults: 0 on" }).tap()
        // All controls are large enough for a finger.
        const heights = await page
          .locator("button:visible, select:visible, input:not([type=checkbox], [type=radio]):visible, #faults label")
          .evaluateAll((elements) => elements.map((element) => element.getBoundingClientRect().height))
        assert.isAtLeast(heights.length, 20)
        assert.isAtLeast(Math.min(...heights), 36)
        // The views stay at hand, wherever the page is scrolled.
        await page.evaluate(() => scrollTo(0, document.body.scrollHeight))
        await page.getByRole("link", { name: "Requests" }).tap()
        await page.getByRole("table").waitFor()
        assert.deepStrictEqual(await width(), [320, 320])
      })
    }).pipe(Effect.provide(served(quick)))
  )

  it.scopedLive("passes an accessibility check in light and dark mode, with reduced motion", () =>
    Effect.gen(function* () {
      const { page } = yield* open()
      yield* does(() => page.getByText("effect-videos extend").waitFor())
      const { id } = yield* createVideo({ prompt: "a lighthouse", ...small })
      yield* does(() => page.getByText("Completed: a lighthouse").waitFor({ state: "attached" }))
      yield* extendVideo({ video: id, prompt: "the light comes on", seconds: 4 })
      yield* createVideo({ prompt: "fails once", ...small })
      yield* does(() => cardOf(page, "fails once").getByRole("button", { name: "Retry" }).waitFor())
      yield* does(() => page.locator("summary").click())
      assert.deepStrictEqual(yield* violations(page), [], "light, jobs")
      yield* does(() => page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" }))
      assert.deepStrictEqual(yield* violations(page, ["color-contrast"]), [], "dark, jobs")
      yield* does(() => page.getByRole("button", { name: "Extend", description: "a lighthouse" }).click())
      assert.deepStrictEqual(yield* violations(page), [], "dark, dialog")
      yield* does(async () => {
        await page.keyboard.press("Escape")
        await page.getByRole("link", { name: "Requests" }).click()
        await page.getByRole("table").waitFor()
        await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" })
      })
      assert.deepStrictEqual(yield* violations(page), [], "light, requests")
      const style = yield* does(() =>
        page.evaluate(() => ({
          ground: getComputedStyle(document.body).backgroundColor,
          moves: getComputedStyle(document.querySelector("#faults input") ?? document.body, "::before")
            .transitionDuration,
          scrolls: getComputedStyle(document.documentElement).scrollBehavior
        }))
      )
      assert.deepStrictEqual(style, { ground: "rgb(244, 245, 247)", moves: "0s", scrolls: "auto" })
    }).pipe(Effect.provide(served({ ...quick, outcome: failsOnce() })))
  )

  it.scopedLive("asks for the key if the server has keys, hides it, and plays with it", () =>
    Effect.gen(function* () {
      const { baseUrl, fetch } = yield* VideosServer
      yield* does(() =>
        fetch(`${baseUrl}/videos`, {
          method: "POST",
          headers: { authorization: "Bearer sk-page", "content-type": "application/json" },
          body: JSON.stringify({ prompt: "a secret", ...small })
        })
      )
      const { complaints, page } = yield* open()
      yield* does(async () => {
        const key = page.getByLabel("API key")
        await key.fill("sk-other")
        await key.press("Enter")
        await page.getByText("The server does not know this key.").waitFor()
        assert.isFalse(await page.getByRole("main").isVisible())
        assert.notInclude(await page.content(), "a secret")
        await key.fill("sk-page")
        await key.press("Enter")
        await cardOf(page, "a secret").locator(".play img").waitFor()
        const film = await play(page, "a secret")
        assert.match(film.source, /^blob:/)
        assert.strictEqual(film.duration, 4)
        await page.getByLabel("Prompt", { exact: true }).fill("another secret")
        await page.getByRole("button", { name: "Create", exact: true }).click()
        await cardOf(page, "another secret").waitFor()
        const kept = await page.evaluate(() =>
          [
            document.cookie,
            JSON.stringify({ ...localStorage, ...sessionStorage }),
            location.href,
            document.body.innerHTML
          ].join()
        )
        assert.notInclude(kept, "sk-page")
        await page.reload()
        await key.waitFor()
        assert.isFalse(await page.getByRole("main").isVisible())
      })
      assert.deepStrictEqual(complaints, [])
    }).pipe(Effect.provide(served({ ...quick, apiKeys: [Redacted.make("sk-page")] })))
  )

  it.scopedLive("reports a stopped server, and continues with the next one", () =>
    Effect.gen(function* () {
      const start = (port: number) =>
        Effect.gen(function* () {
          const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
          const context = yield* Layer.buildWithScope(VideosServer.layer({ page: true, ...quick, port }), scope)
          const { baseUrl } = yield* Effect.provide(VideosServer, context)
          const create = (prompt: string) =>
            does(() =>
              fetch(`${baseUrl}/videos`, {
                method: "POST",
                headers: { "content-type": "application/json" },
                body: JSON.stringify({ prompt, ...small })
              })
            )
          return { create, url: new URL(baseUrl), stop: Scope.close(scope, Exit.void) }
        })
      const first = yield* start(0)
      yield* first.create("the first server's")
      const { page } = yield* visit(first.url.origin)
      yield* does(() => cardOf(page, "the first server's").waitFor())
      yield* first.stop
      yield* does(() => page.getByRole("status").filter({ hasText: "Not connected" }).waitFor())
      const second = yield* start(Number(first.url.port))
      yield* second.create("the second server's")
      yield* does(async () => {
        await cardOf(page, "the second server's").waitFor()
        await page.getByRole("status").filter({ hasText: "Live" }).waitFor()
        await cardOf(page, "the first server's").waitFor({ state: "detached" })
      })
    })
  )
})
