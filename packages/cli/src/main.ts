#!/usr/bin/env node
/** The process. Help and version are printed before anything else is loaded. */
import { writeSync } from "node:fs"
import { textAsked } from "./help.js"

const isWritten = (text: string): boolean => {
  try {
    writeSync(1, text)
    return true
  } catch {
    return false
  }
}

const text = textAsked(process.argv.slice(2))
// It retries, and says why standard output cannot be written.
if (text === null || !isWritten(text)) await import("./run.js")
