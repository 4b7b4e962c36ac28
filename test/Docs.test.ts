/** README and manual: what a page shows is what the tests run, and what it links to exists. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("..", import.meta.url))
const read = (path: string) => readFileSync(join(root, path), "utf8")
const manual = readdirSync(`${root}docs`).map((name) => `docs/${name}`)
const packages = readdirSync(`${root}packages`).map((name) => `packages/${name}/README.md`)
const pages = ["README.md", "CONTRIBUTING.md", ...packages, ...manual]
const filesIn = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))

const blocks = (page: string) =>
  [...read(page).matchAll(/(?:<!-- (\S+) -->\n)?```ts\n([\s\S]*?)```/g)].map(([, path, code]) => ({ path, code }))

/** GitHub's anchor of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replace(/ /g, "-")
const anchorsOf = (page: string) => [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading))

describe("pages", () => {
  it.each(pages)("%s shows only code that is a file of `examples`", (page) => {
    for (const { code, path } of blocks(page)) {
      assert.isDefined(path, `no marker above ${code?.slice(0, 80)}`)
      assert.strictEqual(code, read(String(path)), `${path}: run \`npm run docs:examples\``)
    }
  })

  it.each(pages)("%s has links and anchors that resolve", (page) => {
    for (const [, target = ""] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [path = "", anchor] = target.split("#")
      const file = path === "" ? page : join(dirname(page), path)
      assert.isTrue(existsSync(join(root, file)), `${page} → ${target}`)
      if (anchor !== undefined) assert.include(anchorsOf(file), anchor, `${page} → ${target}`)
    }
  })
})

describe("the README", () => {
  it("has at most 250 lines", () => assert.isAtMost(read("README.md").split("\n").length - 1, 250))

  it("begins with a program of at most 15 lines", () => {
    const [first] = blocks("README.md")
    assert.isAtMost(first?.code?.trim().split("\n").length ?? 0, 15)
  })

  it("links to every page of the manual, directly or by one step", () => {
    const linked = new Set<string>()
    for (const page of ["README.md", ...manual])
      for (const [, target = ""] of read(page).matchAll(/\]\(([\w/.-]+\.md)/g)) linked.add(join(dirname(page), target))
    for (const page of manual) assert.isTrue(linked.has(page), page)
  })
})

describe("the site", () => {
  it("has every page of the manual", () =>
    assert.sameMembers(JSON.parse(read("typedoc.json")).projectDocuments, manual))
})

describe("docs/errors.md", () => {
  it("lists every error tag of every package, and no other", () => {
    const sources = ["src", "packages/server/src", "packages/durable/src"].flatMap((folder) =>
      filesIn(folder).map((name) => `${folder}/${name}`)
    )
    const tags = sources.flatMap((path) => [...read(path).matchAll(/^export class (\w+Error)/gm)].map(([, tag]) => tag))
    const table = [...read("docs/errors.md").matchAll(/^\| `(\w+Error)`/gm)].map(([, tag]) => tag)
    assert.sameMembers(table, tags)
  })
})

describe("CONTRIBUTING.md", () => {
  it("has a map of the folders as they are", () => {
    const map = [...read("CONTRIBUTING.md").matchAll(/^\| `([\w./@-]+)\/`/gm)].map(([, folder]) => String(folder))
    for (const folder of map)
      assert.isTrue(existsSync(join(root, folder)) && statSync(join(root, folder)).isDirectory(), folder)
    const folders = ["src/internal", "src", "packages"].flatMap((parent) =>
      readdirSync(join(root, parent), { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? [`${parent}/${entry.name}`] : []
      )
    )
    for (const folder of folders) assert.include(map, folder)
  })
})
