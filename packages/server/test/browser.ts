/** The live page in a real browser, headless: Chromium from `CHROMIUM_PATH`, or as Debian installs it. */
import axe from "axe-core"
import { Effect } from "effect"
import { type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core"
import { browserProblem, executablePath } from "../../../scripts/chromium.mjs"

/** Whether a browser is installed; otherwise its tests are skipped, and a line reports it. */
export const hasBrowser = browserProblem === undefined
if (!hasBrowser) console.log(`Skipping the browser tests: ${browserProblem}.`)

/** Generous limit for a busy machine. */
export const patience = 120_000

export const does = <A>(action: () => Promise<A>): Effect.Effect<A> => Effect.promise(action)

const launch = async () => {
  const browser = await chromium.launch({
    executablePath: executablePath ?? "",
    // Chromium has no sandbox for root, and containers have little shared memory.
    args: [
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-dev-shm-usage",
      // Each context is a window. Without these, each window loads pages of the browser's own, and a renderer to spare.
      "--disable-features=SpareRendererForSitePerProcess,WebUIOmniboxPopup,WebUIOmniboxAimPopup"
    ]
  })
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] })
  return { browser, page: await context.newPage() }
}

let launched: ReturnType<typeof launch> | null = null

/** One browser for all tests of a file, which calls `closeBrowser` after them. */
const opened = does(() => {
  launched ??= launch()
  return launched
})

export const closeBrowser = async (): Promise<void> => {
  const last = await launched
  launched = null
  await last?.browser.close()
}

export interface Visit {
  readonly page: Page
  /** Errors of the page, and its requests to other hosts. */
  readonly complaints: ReadonlyArray<string>
}

/** The page that visits share: a page of its own costs a process. A server has a port, and so an origin, of its own. */
const sharedPage = Effect.acquireRelease(
  Effect.map(opened, ({ page }) => page),
  (page) =>
    does(async () => {
      for (const event of ["pageerror", "console", "request"]) page.removeAllListeners(event)
      await page.emulateMedia({ colorScheme: null, reducedMotion: null })
      await page.goto("about:blank")
    })
)

/** Page in a context of its own, for what only a context can have: a phone. */
const ownPage = (options: BrowserContextOptions) =>
  Effect.flatMap(opened, ({ browser }) =>
    Effect.acquireRelease(
      does(() => browser.newPage(options)),
      (page) => does(() => page.close())
    )
  )

export const visit = (origin: string, options?: BrowserContextOptions) =>
  Effect.flatMap(options === undefined ? sharedPage : ownPage(options), (page) => does(() => visitIn(page, origin)))

const visitIn = async (page: Page, origin: string): Promise<Visit> => {
  // Less than the time limit of a test, so that an error names the step.
  page.setDefaultTimeout(patience / 2)
  const complaints: Array<string> = []
  page.on("pageerror", (error) => complaints.push(error.message))
  page.on("console", (message) => {
    if (/policy|refused/i.test(message.text())) complaints.push(message.text())
  })
  page.on("request", (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith(`blob:${origin}`)) complaints.push(request.url())
  })
  await page.goto(origin)
  return { page, complaints }
}

export const cardOf = (page: Page, prompt: string): Locator =>
  page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: prompt, exact: true }) })

/** Plays the video of a card in the dialog, returns the state of the element once the video plays, and closes the dialog. */
export const play = async (page: Page, prompt: string) => {
  await cardOf(page, prompt)
    .getByRole("button", { name: `Play ${prompt},` })
    .click()
  const video = page.getByRole("dialog", { name: prompt }).locator("video")
  await video.waitFor()
  await page.waitForFunction(() => (document.querySelector("video")?.currentTime ?? 0) > 0.3)
  const state = await video.evaluate((element: HTMLVideoElement) => ({
    source: element.currentSrc,
    readyState: element.readyState,
    duration: element.duration,
    size: `${element.videoWidth}x${element.videoHeight}`
  }))
  await page.keyboard.press("Escape")
  await video.waitFor({ state: "detached" })
  return state
}

/** Runs axe, and returns its violations of WCAG 2.2, level AA, and of its best practices. Default: all rules. */
export const violations = (page: Page, rules: ReadonlyArray<string> = []) =>
  does(async () => {
    // Not by a script element, which the policy of the page blocks.
    if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source)
    const results = await page.evaluate((rules) => {
      const engine: typeof axe = Reflect.get(window, "axe")
      // Elements that pass have no details, which would take as long as the check itself.
      return engine.run({ resultTypes: ["violations"], ...(rules.length === 0 ? {} : { runOnly: [...rules] }) })
    }, rules)
    return results.violations.map(({ help, nodes }) => `${help}: ${nodes.map(({ html }) => html).join(" ")}`)
  })

/** Records every state of the first card from now on, however short: phase, value of the bar, text. */
export const recordStates = (page: Page): Effect.Effect<Effect.Effect<ReadonlyArray<string>>> =>
  Effect.as(
    does(() =>
      page.evaluate(() => {
        const seen: Array<string> = []
        Object.assign(window, { seen })
        new MutationObserver(() => {
          const [card] = document.querySelectorAll(".card")
          const words = card?.querySelector(".state")?.textContent ?? ""
          const value = card?.querySelector("progress")?.value ?? -1
          seen.push(`${card?.getAttribute("data-phase")} ${value} ${words}`)
        }).observe(document.querySelector("#jobs") ?? document.body, {
          subtree: true,
          childList: true,
          attributes: true,
          characterData: true
        })
      })
    ),
    does(() => page.evaluate((): ReadonlyArray<string> => Reflect.get(window, "seen")))
  )
