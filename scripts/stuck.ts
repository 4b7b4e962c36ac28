/**
 * Ends a test run that hangs, and reports the running files. The timeouts of tests and hooks are timers in the process of a
 * file: if that process is blocked, no timer fires, and the run would hang without a message.
 */
import { spawnSync } from "node:child_process"
import { relative } from "node:path"
import type { Reporter } from "vitest/node"

/** Milliseconds. A test or a hook has a timeout of three minutes. */
const silence = 10 * 60_000

/** Returns all descendants of this process; none without `ps`. */
const descendants = (): ReadonlyArray<{ readonly pid: number; readonly line: string }> => {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid=,etime=,stat=,args="], { encoding: "utf8" })
  const all = (stdout ?? "").split("\n").flatMap((line) => {
    const [, pid, ppid] = /^\s*(\d+)\s+(\d+)/.exec(line) ?? []
    return pid === undefined ? [] : [{ pid: Number(pid), ppid: Number(ppid), line }]
  })
  const below = (parent: number): typeof all =>
    all.filter(({ ppid }) => ppid === parent).flatMap((child) => [child, ...below(child.pid)])
  return below(process.pid)
}

export const stuck = (after = silence): Reporter => {
  const open = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  const giveUp = () => {
    const processes = descendants()
    const files = [...open].map((file) => relative(process.cwd(), file)).join(", ")
    console.error(`No test has ended for ${after / 60_000} minutes. Under way: ${files || "no file"}. The processes:`)
    console.error(processes.map(({ line }) => line).join("\n"))
    for (const { pid } of processes) {
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // The process ended with its parent.
      }
    }
    process.exit(1)
  }
  const news = () => {
    clearTimeout(timer)
    timer = setTimeout(giveUp, after)
  }
  return {
    onTestRunStart: news,
    onTestModuleQueued({ moduleId }) {
      open.add(moduleId)
      news()
    },
    onTestCaseResult: news,
    onTestModuleEnd({ moduleId }) {
      open.delete(moduleId)
      news()
    },
    onTestRunEnd() {
      clearTimeout(timer)
    }
  }
}
