/** The live page in a real browser. */
import { FetchHttpClient } from "@effect/platform"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Fault, type InProcessOptions, VideosServer } from "@effect-videos/server"
import { Effect, ExecutionStrategy, Exit, Layer, Redacted, Scope } from "effect"
import { createVideo, deleteVideo } from "effect-videos"
import type { BrowserContextOptions } from "playwright-core"
import { browser, cardOf, closeBrowser, does, hasBrowser, patience, play, recordStates, visit } from "./browser.js"

afterAll(closeBrowser)

const open = (options?: BrowserContextOptions) =>
  Effect.gen(function* () {
    const { baseUrl } = yield* VideosServer
    return yield* visit(yield* browser, new URL(baseUrl).origin, options)
  })

/** Clip of four seconds. */
const small = { size: "320x180" } as const
const quick = { queueTime: 0, runTime: 0 } as const

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
      assert.include((yield* does(() => card.textContent())) ?? "", id)
      const seen = yield* states
      const running = seen.filter((state) => state.startsWith("in_progress"))
      assert.isAtLeast(new Set(running.map((state) => state.split(" ")[1])).size, 3, seen.join("\n"))
      assert.match(running.at(-1) ?? "", /Running\d+ % · \d+ s left$/)
      assert.isFalse(yield* does(() => card.getByRole("progressbar").isVisible()))

      yield* does(() => card.locator("img").waitFor())
      const film = yield* does(() => play(page, "a lighthouse at dusk"))
      assert.deepInclude(film, { size: "320x180", duration: 4 })
      assert.isAtLeast(film.readyState, 2)
      assert.strictEqual(new URL(film.source).pathname, `/_page/videos/${id}/video`)
      assert.deepStrictEqual(complaints, [])

      yield* deleteVideo(id)
      yield* does(() => card.waitFor({ state: "detached" }))
      yield* does(() => page.getByText("No jobs yet.").waitFor())
    }).pipe(Effect.provide(served({ queueTime: "200 millis", runTime: "4 seconds" })))
  )

  it.scopedLive("makes a job and its extension with the keyboard only, and links them", () =>
    Effect.gen(function* () {
      const { complaints, page } = yield* open()
      yield* does(async () => {
        await page.getByLabel("Prompt").focus()
        await page.keyboard.type("a fox")
        await page.getByLabel("Size").selectOption("320x180")
        await page.getByLabel("Prompt").press("Enter")
        const source = cardOf(page, "a fox")
        await source.getByRole("button", { name: "Extend …" }).press("Enter")
        // The field has the focus.
        await page.keyboard.type("in the snow")
        await source.getByLabel("Longer by").selectOption("4")
        await source.getByRole("button", { name: "Extend", exact: true }).press("Enter")
        const extension = cardOf(page, "in the snow")
        await extension.getByText("8 s · 320x180").waitFor()
        assert.include((await extension.textContent()) ?? "", "Extends a fox")
        await source.getByRole("link", { name: "in the snow" }).press("Enter")
        await page.waitForFunction(() => document.activeElement?.textContent?.includes("Extends a fox"))
        await extension.getByRole("link", { name: "a fox" }).press("Enter")
        await page.waitForFunction(() => document.activeElement?.textContent?.includes("Source of"))
        const film = await play(page, "in the snow")
        assert.strictEqual(film.duration, 8)
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

  it.scopedLive.each([
    ["azure", true],
    ["litellm", true],
    ["vllm-omni", false],
    ["sglang", false],
    ["new-api", false]
  ] as const)("submits in the dialect %s", ([dialect, extends_]) =>
    Effect.gen(function* () {
      const { page } = yield* open()
      yield* does(async () => {
        await page.getByText(`like ${dialect}`).waitFor()
        await page.getByLabel("Prompt").fill("a lighthouse")
        await page.getByLabel("Size").selectOption("320x180")
        await page.getByRole("button", { name: "Create" }).click()
        const card = cardOf(page, "a lighthouse")
        await card.locator("img").waitFor()
        const extend = card.getByRole("button", { name: "Extend …" })
        assert.strictEqual(await extend.isVisible(), extends_)
        if (!extends_) return
        await extend.click()
        await card.getByLabel("What happens next").fill("the light comes on")
        await card.getByRole("button", { name: "Extend", exact: true }).click()
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
        const fault = page.getByRole("switch", { name: "500, server error" })
        const reset = page.getByRole("switch", { name: "Connection reset" })
        await fault.check()
        await page.getByLabel("How often: Connection reset").selectOption("10 %")
        await reset.check()
        await reset.uncheck()
        await page.getByLabel("Prompt").fill("refused")
        await page.getByRole("button", { name: "Create" }).click()
        await page.getByRole("alert").filter({ hasText: "The server answered 500" }).waitFor()
        const row = page.getByRole("list", { name: "Last requests" }).getByRole("listitem").first()
        await row.getByText("Fault: 500, server error").waitFor()
        assert.include((await row.textContent()) ?? "", "POST /v1/videos")
        await page.getByRole("switch", { name: "500, server error", checked: false }).waitFor()
        await page.getByRole("button", { name: "Create" }).click()
        await cardOf(page, "refused").waitFor()
      })
      assert.lengthOf(yield* jobs, 1)

      // The page shows rules that a program sets, and a switch does not remove them.
      const elsewhere: Fault.Rule = { on: ["list"], when: Fault.nth(2), fault: Fault.bomb() }
      yield* faults.set([elsewhere, { fault: Fault.hang(), times: 3 }])
      yield* does(async () => {
        await page.getByRole("switch", { name: "No answer", checked: true }).waitFor()
        await page.getByText('Bomb {"bytes":1073741824} · on list · request 2').waitFor()
        await page.getByRole("switch", { name: "No answer" }).uncheck()
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
        await card.getByRole("button", { name: "Extend …" }).tap()
        await card.getByLabel("What happens next").waitFor()
        const width = () => page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth])
        const [content, screen] = await width()
        assert.deepStrictEqual([content, screen], [320, 320])
        // All controls are large enough for a finger.
        const heights = await page
          .locator("button:visible, select:visible, input:not([type=checkbox]):visible, #faults label")
          .evaluateAll((elements) => elements.map((element) => element.getBoundingClientRect().height))
        assert.isAtLeast(heights.length, 20)
        assert.isAtLeast(Math.min(...heights), 36)
        await page.getByRole("link", { name: "Faults" }).tap()
        await page.waitForFunction(() => {
          const { top } = document.querySelector("#faults-title")?.getBoundingClientRect() ?? { top: Infinity }
          return top >= 0 && top < innerHeight
        })
      })
    }).pipe(Effect.provide(served(quick)))
  )

  it.scopedLive("supports dark mode and reduced motion, and is readable in both modes", () =>
    Effect.gen(function* () {
      yield* createVideo({ prompt: "a lighthouse", ...small })
      const render = (options: BrowserContextOptions) =>
        Effect.flatMap(open(options), ({ page }) =>
          does(async () => {
            await page.locator(".card").waitFor()
            return page.evaluate(() => {
              const luminance = (colour: string): number => {
                const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).map((part) => {
                  const value = Number(part) / 255
                  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
                })
                return 0.2126 * red + 0.7152 * green + 0.0722 * blue
              }
              const ratio = (a: number, b: number) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
              const behind = (element: Element): string => {
                const { backgroundColor } = getComputedStyle(element)
                const parent = element.parentElement
                return /, 0\)$|transparent/.test(backgroundColor) && parent !== null ? behind(parent) : backgroundColor
              }
              const texts = document.querySelectorAll(
                "h1, h2, h3, .hint, .state .word, .facts, code, label, button, a, #where, #connection"
              )
              const contrasts = [...texts].flatMap((element) =>
                element instanceof HTMLElement &&
                element.offsetHeight > 1 &&
                element.closest(".screen, :disabled") === null
                  ? [ratio(luminance(getComputedStyle(element).color), luminance(behind(element)))]
                  : []
              )
              const toggle = document.querySelector("#faults input")
              return {
                ground: luminance(getComputedStyle(document.body).backgroundColor),
                texts: contrasts.length,
                contrast: Math.min(...contrasts),
                moves: toggle === null ? "" : getComputedStyle(toggle, "::before").transitionDuration,
                scrolls: getComputedStyle(document.documentElement).scrollBehavior
              }
            })
          })
        )
      const light = yield* render({ colorScheme: "light", reducedMotion: "no-preference" })
      const dark = yield* render({ colorScheme: "dark", reducedMotion: "reduce" })
      assert.isAbove(light.ground, 0.8)
      assert.isBelow(dark.ground, 0.05)
      assert.deepStrictEqual([light.moves, light.scrolls], ["0.12s", "smooth"])
      assert.deepStrictEqual([dark.moves, dark.scrolls], ["0s", "auto"])
      assert.isAtLeast(Math.min(light.texts, dark.texts), 30)
      // WCAG 2.2, level AA.
      assert.isAtLeast(Math.min(light.contrast, dark.contrast), 4.5)
    }).pipe(Effect.provide(served(quick)))
  )

  it.scopedLive("names every control, and announces changes", () =>
    Effect.gen(function* () {
      const { page } = yield* open()
      yield* does(() => page.getByText("No jobs yet.").waitFor())
      yield* createVideo({ prompt: "a lighthouse", ...small })
      yield* does(async () => {
        await page.getByRole("status").filter({ hasText: "Completed: a lighthouse" }).waitFor({ state: "attached" })
        await page.getByRole("button", { name: "Extend …", description: "a lighthouse" }).click()
        await page.getByRole("main").waitFor()
        for (const name of ["Jobs", "Faults", "Last requests"]) await page.getByRole("region", { name }).waitFor()
        await page.getByRole("listitem", { name: "a lighthouse" }).waitFor()
        const session = await page.context().newCDPSession(page)
        const { nodes } = await session.send("Accessibility.getFullAXTree")
        const used = ["button", "link", "textbox", "combobox", "switch", "checkbox", "progressbar", "Video", "list"]
        const named = nodes.flatMap(({ ignored, name, role }) =>
          !ignored && used.includes(String(role?.value)) ? [`${role?.value}: ${name?.value ?? ""}`] : []
        )
        assert.isAtLeast(named.length, 40)
        const nameless = named.filter((each) => each.endsWith(": "))
        assert.deepStrictEqual(nameless, [])
      })
    }).pipe(Effect.provide(served(quick)))
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
        await cardOf(page, "a secret").locator("img").waitFor()
        const film = await play(page, "a secret")
        assert.match(film.source, /^blob:/)
        assert.strictEqual(film.duration, 4)
        await page.getByLabel("Prompt").fill("another secret")
        await page.getByRole("button", { name: "Create" }).click()
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
      const opened = yield* browser
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
      const { page } = yield* visit(opened, first.url.origin)
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
