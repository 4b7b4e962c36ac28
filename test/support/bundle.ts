/** Programs bundled with all their dependencies start in a quarter of the time; tests are bundled without those. */
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { build, type Plugin, transform } from "esbuild"
import { runFolder } from "./runFolder.js"

export const root = fileURLToPath(new URL("../..", import.meta.url))

/** Makes a folder once for the whole run: the first caller of all processes makes it, the others wait. Returns its path. */
export const madeOnce = async (name: string, make: (folder: string) => Promise<unknown>): Promise<string> => {
  const folder = join(runFolder, name)
  const [isMade, isFailed] = [`${folder}.made`, `${folder}.failed`]
  mkdirSync(runFolder, { recursive: true })
  try {
    mkdirSync(folder)
  } catch {
    while (!existsSync(isMade)) {
      if (existsSync(isFailed)) throw new Error(`another process could not make ${name}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return folder
  }
  try {
    await make(folder)
  } catch (error) {
    writeFileSync(isFailed, "")
    throw error
  }
  writeFileSync(isMade, "")
  return folder
}

/** Keeps `import.meta.url` what it is in the source: tests find their fixtures by it. */
const sourceUrls: Plugin = {
  name: "source-urls",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8")
      if (!source.includes("import.meta.url")) return null
      const define = { "import.meta.url": JSON.stringify(pathToFileURL(path).href) }
      const { code } = await transform(source, { define, loader: "ts", sourcemap: "inline", sourcefile: path })
      return { contents: code, loader: "js" }
    })
}

export interface BundleOptions {
  /** Default: `bundle`, which starts faster. `external` bundles faster, and keeps the paths of sources for stacks and URLs. */
  readonly packages?: "bundle" | "external"
}

/** Writes bundles into a folder: of programs by their names in it, or each under its path in the repository. */
export const bundleInto = (
  folder: string,
  programs: { [name: string]: string } | Array<string>,
  options: BundleOptions = {}
) => {
  const { packages = "bundle" } = options
  return build({
    absWorkingDir: root,
    entryPoints: programs,
    outdir: folder,
    outbase: ".",
    // Its `paths` lead to the sources.
    tsconfig: "tsconfig.json",
    bundle: true,
    splitting: true,
    packages,
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "warning",
    // Native modules.
    external: ["@libsql/client", "libsql", "pg-native"],
    // Some dependencies are CommonJS and require Node's modules.
    ...(packages === "bundle"
      ? {
          banner: {
            js: "import { createRequire as $createRequire } from 'node:module'; const require = $createRequire(import.meta.url);"
          }
        }
      : { plugins: [sourceUrls], sourcemap: true })
  })
}

/** The programs that tests start as processes. They share most of their dependencies: bundles of their own take three times as long. */
const programs = {
  command: "packages/cli/src/main.ts",
  worker: "packages/durable/test/programs/worker.ts",
  crash: "test/support/programs/crash.ts",
  hanging: "test/support/programs/hanging.ts",
  hostile: "test/support/programs/hostile.ts"
}

/** Bundles all programs once for the whole run, and returns the path of one of them. */
export const programAt = async (name: keyof typeof programs): Promise<string> => {
  const folder = await madeOnce("programs", async (folder) => {
    await bundleInto(join(folder, "dist"), programs)
    // The command reads these beside the folder of its modules.
    for (const name of ["help", "package.json"]) {
      cpSync(join(root, "packages/cli", name), join(folder, name), { recursive: true })
    }
  })
  return join(folder, "dist", `${name}.js`)
}
