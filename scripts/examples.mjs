// Copies each example into the code block below its marker, `<!-- examples/watch.ts -->`, in each README.md and in docs/*.md.
// With `--check`, changes nothing and fails if a block differs from its file: what a page shows is what the tests run.
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const isCheck = process.argv.includes("--check")
const pages = [
  "README.md",
  ...readdirSync(`${root}packages`).map((name) => `packages/${name}/README.md`),
  ...readdirSync(`${root}docs`).flatMap((name) => (name.endsWith(".md") ? [`docs/${name}`] : []))
]

const outdated = pages.filter((page) => {
  const before = readFileSync(root + page, "utf8")
  const after = before.replace(
    /<!-- (examples\/\S+\.ts) -->\n```ts\n[\s\S]*?```\n/g,
    (_, path) => `<!-- ${path} -->\n\`\`\`ts\n${readFileSync(root + path, "utf8")}\`\`\`\n`
  )
  if (after !== before && !isCheck) writeFileSync(root + page, after)
  return after !== before
})

for (const page of outdated)
  console.log(`${page}: ${isCheck ? "differs from its examples; run `npm run docs:examples`" : "updated"}`)
process.exit(isCheck && outdated.length > 0 ? 1 : 0)
