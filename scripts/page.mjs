// Generates packages/server/src/page/assets.ts from packages/server/src/page/client: the live page as strings, so that it is part
// of every bundle of the server. With `--check`, writes nothing and fails if the file is out of date.
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { buildSync } from "esbuild"

const folder = fileURLToPath(new URL("../packages/server/src/page/", import.meta.url))

/** Encodes a text as a template literal, so that diffs are line by line. */
const constant = (name, text) => `export const ${name} = \`${text.replace(/[\\`]|\$\{/g, "\\$&")}\`\n`

const file = (name) => readFileSync(`${folder}client/${name}`, "utf8")

const { outputFiles } = buildSync({
  absWorkingDir: folder,
  entryPoints: ["client/main.ts"],
  bundle: true,
  write: false,
  format: "esm",
  target: "es2022",
  legalComments: "none"
})

const assets = [
  "/** Made by scripts/page.mjs from `client`; not to be edited. */\n",
  constant("html", file("index.html")),
  constant("style", file("style.css")),
  constant("icon", file("icon.svg")),
  constant("script", outputFiles[0].text)
].join("\n")

const target = `${folder}assets.ts`
if (!process.argv.includes("--check")) {
  writeFileSync(target, assets)
} else if (readFileSync(target, "utf8") !== assets) {
  console.error(
    "packages/server/src/page/assets.ts is not what packages/server/src/page/client makes: run `node scripts/page.mjs`."
  )
  process.exit(1)
}
