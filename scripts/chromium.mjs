// The browser of the page's tests and of the smoke test: what `CHROMIUM_PATH` names, or Chromium as Debian installs it.
import { existsSync } from "node:fs"

/** The headless shell is the same engine without the windows: it takes a tenth less CPU time. */
const installed = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"]
const paths = process.env.CHROMIUM_PATH === undefined ? installed : [process.env.CHROMIUM_PATH]

export const executablePath = paths.find((path) => existsSync(path))

/** Why there is no browser, or `undefined`. */
export const browserProblem =
  executablePath === undefined ? `there is no ${paths.join(" and no ")}. Set CHROMIUM_PATH to a Chromium` : undefined
