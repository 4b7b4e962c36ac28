// Fails if a comment, message or page uses a left-out word: a private term that has a standard term (see
// docs/glossary.md). `npm run check:words -- --count` counts by file.
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

/** Pattern → what to write instead. */
const leftOut = [
  [
    /\b(?:takes?|took|last|first|next|one|each|single|every|a|by|of|more) looks?\b|\blooks (?:at|again|every|after)\b|\blooked at\b/i,
    "poll, request, read"
  ],
  [/\b(?:who|whoever|nobody|somebody|anybody|everybody)\b/i, "name the subject: the client, the server, the caller"],
  [/\btold\b|\btells? (?:it|them|the|what|whether)\b/i, "notify, emit, return, receive"],
  [/\banswer(?:s|ed|ing)?\b/i, "response, body, status code"],
  [/\bstands? in (?:line|its)\b|\btheir turn\b|\btake turns\b/i, "queue, waiting request"],
  [/\bthe pace\b|\bno room\b/i, "permit, concurrency limit, rate"],
  [/\bis no (?:[a-z]+|JSON|HTML|URL)\b/i, "is not …, has no …"],
  [/\bso (?:many|much)\b/i, "a number with its unit"],
  [/\bwhere (?:it|there|the|a|an|that|no|nothing) (?:is|are|has|have|was|can|does)\b/i, "if, when, because"],
  [/\bunless it is said otherwise\b/i, "default"],
  [/\bcut short\b/i, "truncated"],
  [/\b(?:comes?|came) to nothing\b|\bhas it that\b/i, "fails with, returns, emits"],
  [/\bsuch as that of\b/i, "for example"],
  [/\ba hop\b|\bhops\b|\bled away\b/i, "redirect, follow a redirect"],
  [/\bscrub(?:s|bed)?\b|\bcleaned of\b/i, "redact"],
  [/\btime-outs?\b/i, "timeout"],
  [/\b(?:one|each|every|all|more|per|first|second) tr(?:y|ies)\b|\btr(?:y|ies|ied) again\b/i, "attempt, retry"],
  [/\bpatience\b|\bgo(?:es)? away\b/i, "timeout, delay; is removed"]
]

/** Lines that need a left-out word: quotations of servers, protocols and other projects. */
const allowed = [/who is (?:asking|calling)/]

const files = (folder, extension) =>
  readdirSync(root + folder, { recursive: true, encoding: "utf8" })
    .filter((name) => extension.test(name) && !/node_modules|(?:^|\/)dist\//.test(name))
    .map((name) => `${folder}/${name}`)

const pages = ["README.md", "CONTRIBUTING.md", ...files("docs", /\.md$/), ...files("packages", /README\.md$/)]
const sources = [
  ...files("src", /\.ts$/),
  ...files("examples", /\.ts$/),
  ...files("packages/server/src", /\.tsx?$/),
  ...files("packages/durable/src", /\.ts$/),
  ...files("packages/cli/src", /\.ts$/)
]
const tests = [
  ...files("test", /\.ts$/),
  ...files("packages/server/test", /\.ts$/),
  ...files("packages/durable/test", /\.ts$/),
  ...files("packages/cli/test", /\.ts$/)
]

/** Returns the comments and strings of a line. */
const prose = (line) => {
  const [, whole] = /^\s*(?:\/\*\*?|\*|\/\/)(.*)$/.exec(line) ?? []
  if (whole !== undefined) return whole.replace(/`[^`]*`/g, "")
  const [, comment = ""] = /\s\/\/ (.*)$/.exec(line) ?? []
  const strings = [...line.matchAll(/"([^"]*)"|`([^`]*)`/g)].map(([, quoted, template]) => quoted ?? template)
  return [comment.replace(/`[^`]*`/g, ""), ...strings].join(" | ")
}

let found = 0
const counts = new Map()
const check = (path, textOf) => {
  readFileSync(root + path, "utf8")
    .split("\n")
    .forEach((line, index) => {
      const text = textOf(line)
      if (text === "" || allowed.some((pattern) => pattern.test(text))) return
      for (const [pattern, instead] of leftOut) {
        const match = pattern.exec(text)
        if (match === null) continue
        found++
        counts.set(path, (counts.get(path) ?? 0) + 1)
        if (!process.argv.includes("--count")) console.log(`${path}:${index + 1}: "${match[0]}" (write: ${instead})`)
      }
    })
}
for (const path of pages) check(path, (line) => line.replace(/`[^`]*`/g, ""))
for (const path of [...sources, ...tests]) check(path, prose)

if (process.argv.includes("--count"))
  for (const [path, count] of [...counts].sort((a, b) => b[1] - a[1])) console.log(count, path)
if (found > 0) console.error(`${found} uses of left-out words`)
process.exit(found > 0 ? 1 : 0)
