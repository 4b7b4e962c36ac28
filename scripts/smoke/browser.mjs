// Runs the job in a page of headless Chromium.
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { chromium } from "playwright-core"
import { executablePath } from "../chromium.mjs"

const html =
  '<!doctype html><title>smoke</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>'

/** Serves the page and its script from a separate port, and so from another origin than the server. */
const servePage = (script) =>
  new Promise((resolve) => {
    const server = createServer(({ url }, response) => {
      const [type, body] = url === "/" ? ["text/html", html] : ["text/javascript", readFileSync(script)]
      response.setHeader("content-type", `${type}; charset=utf-8`).end(body)
    })
    server.listen(0, "127.0.0.1", () => resolve(server))
  })

export const runInBrowser = async (script, configuration, limit) => {
  const server = await servePage(script)
  // Chromium has no sandbox for root, and containers have little shared memory.
  const args = [...(process.getuid?.() === 0 ? ["--no-sandbox"] : []), "--disable-dev-shm-usage"]
  const browser = await chromium.launch({ executablePath, args })
  const timer = setTimeout(() => browser.close(), limit)
  try {
    const page = await browser.newPage()
    const complaints = []
    page.on("pageerror", ({ message }) => complaints.push(message))
    page.on("console", (message) => {
      if (/policy/i.test(message.text())) complaints.push(message.text())
    })
    await page.goto(`http://127.0.0.1:${server.address().port}/`)
    await page.waitForFunction(() => "runJobs" in globalThis)
    const line = await page.evaluate((given) => globalThis.runJobs(given), configuration)
    if (complaints.length > 0) throw new Error(complaints.join("\n"))
    return { version: browser.version(), line }
  } finally {
    clearTimeout(timer)
    await browser.close()
    server.close()
  }
}
