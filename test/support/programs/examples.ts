/**
 * Runs examples one after the other in this process, so that their dependencies load once. An example has ended when Node's event
 * loop is empty, as in a process of its own.
 *
 * Arguments: a speed and a path, again and again. At speed 20, the clock and timers of up to 15 seconds run twenty times as fast;
 * longer timers are time limits, which have to hold on a busy machine. Output: a line of JSON per example.
 */
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"

const args = process.argv.slice(2)
const real = { setTimeout, now: Date.now, performanceNow: performance.now.bind(performance) }

let speed = 1
const since = { at: 0, real: real.performanceNow() }
const elapsed = () => since.at + (real.performanceNow() - since.real) * speed
const setSpeed = (next: number) => {
  since.at = elapsed()
  since.real = real.performanceNow()
  speed = next
}
const epoch = Date.now()
Date.now = () => epoch + Math.floor(elapsed())
performance.now = elapsed
// The monotonic clock of Effect.
process.hrtime.bigint = () => BigInt(Math.round(elapsed() * 1e6))
globalThis.setTimeout = Object.assign(
  (run: (...args: Array<unknown>) => void, delay = 0, ...args: Array<unknown>) =>
    // One that fires a millisecond early is twenty early on the fast clock.
    real.setTimeout(run, speed === 1 || delay > 15_000 ? delay : Math.ceil(delay / speed) + 1, ...args),
  real.setTimeout
) as typeof setTimeout

let output = ""
let code = 0
const keep = (text: unknown) => {
  output += String(text)
  return true
}
const write = process.stdout.write.bind(process.stdout)
process.stdout.write = keep
process.stderr.write = keep
process.exit = ((status = 0) => {
  code = Number(status)
}) as typeof process.exit
process.on("unhandledRejection", (error) => {
  code = 1
  keep(error instanceof Error ? error.stack : error)
})

let running: string | undefined
let used = process.cpuUsage()
const next = () => {
  const { system, user } = process.cpuUsage(used)
  used = process.cpuUsage()
  const cpuSeconds = (user + system) / 1e6
  if (running !== undefined) write(`${JSON.stringify({ path: running, code, output, cpuSeconds })}\n`)
  const [speed = 1, path] = args.splice(0, 2)
  running = path
  if (path === undefined) return
  output = ""
  code = 0
  setSpeed(Number(speed))
  void import(pathToFileURL(resolve(path)).href)
}
process.on("beforeExit", next)
next()
