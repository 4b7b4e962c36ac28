/** Programs bundled with the library: they start without a transformation of each file. */
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { runFolder } from "./runFolder.js"

export const root = fileURLToPath(new URL("../..", import.meta.url))

/** Bundles programs, given by their paths in the repository, and says where each is. */
export const bundlePrograms = async (name: string, paths: ReadonlyArray<string>): Promise<(path: string) => string> => {
  const folder = join(runFolder, name)
  await build({
    absWorkingDir: root,
    entryPoints: [...paths],
    outdir: folder,
    outbase: ".",
    // Its `paths` lead to the sources.
    tsconfig: "tsconfig.json",
    bundle: true,
    splitting: true,
    packages: "external",
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "warning"
  })
  return (path) => relative(root, join(folder, path.replace(/\.ts$/, ".js")))
}
