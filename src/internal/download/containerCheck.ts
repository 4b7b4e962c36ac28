/**
 * Whether a clip is all there, by its own account: a `Content-Length` that is too small looks like the end of the clip to
 * every HTTP client. Films and WebP pictures say at their outermost level how long each part of them is.
 *
 * Only what is certain counts. A part that ends beyond the last byte is cut; so is an MP4 that ends before its `moov` or its
 * first `mdat` has come. What follows the parts, what has no length, and unknown formats are taken as they are.
 */

/** A place in a file at which the length of a part is said. */
export interface Walk {
  /** Where it is. */
  readonly at: number
  /** So many bytes of it have to be there to go on. */
  readonly need: number
  readonly format: "unknown" | "boxes" | "elements" | "riff"
  /** The part that ends here. */
  readonly after: string
  readonly hasIndex: boolean
  readonly hasMedia: boolean
}

/** @internal */
export const begin: Walk = { at: 0, need: 8, format: "unknown", after: "", hasIndex: false, hasMedia: false }

/** No header is longer. */
export const longestHeader = 16

// ISO/IEC 14496-12 and the QuickTime file format: what is found at the outermost level. Anything else there may be text that
// appended to the film, and four letters of it would be taken for a length.
const openers = new Set([
  "ftyp",
  "styp",
  "moov",
  "mdat",
  "moof",
  "wide",
  "free",
  "skip",
  "pnot",
  "sidx",
  "emsg",
  "prft"
])
const boxes = new Set([...openers, "meta", "uuid", "mfra", "ssix", "pdin", "imda"])
/** `meta` has pictures (HEIF, AVIF), which may be in it too. */
const indexes = new Set(["moov", "moof", "meta"])
const media = new Set(["mdat", "imda", "meta"])

/** EBML's own element, and those that WebM (RFC 9559) has beside it. */
const elements: { readonly [id: number]: string } = {
  440786851: "EBML",
  408125543: "Segment",
  236: "Void",
  191: "CRC-32"
}

const tagAt = (header: Uint8Array, at: number): string => String.fromCharCode(...header.subarray(at, at + 4))

const viewOf = (header: Uint8Array): DataView => new DataView(header.buffer, header.byteOffset, header.byteLength)

/**
 * The next place, by the `need` bytes that are at this one; the same place again, where it takes more of them; `null` where
 * the walk ends.
 */
export const step = (walk: Walk, header: Uint8Array): Walk | null => {
  switch (walk.format) {
    case "unknown": {
      // Text may have four letters of a part where a part has them: its length would be of letters, too.
      if (header.subarray(0, 4).every((byte) => byte >= 0x20 && byte < 0x7f) && tagAt(header, 0) !== "RIFF") return null
      if (openers.has(tagAt(header, 4))) return stepBox({ ...walk, format: "boxes" }, header)
      if (viewOf(header).getUint32(0) === 0x1a45dfa3) return stepElement({ ...walk, format: "elements" }, header)
      return tagAt(header, 0) === "RIFF" ? { ...walk, format: "riff", need: 12 } : null
    }
    case "boxes":
      return stepBox(walk, header)
    case "elements":
      return stepElement(walk, header)
    case "riff": {
      // An AVI may have several of them, and one that was not closed has no length.
      if (walk.after !== "" || tagAt(header, 8) !== "WEBP") return null
      return { ...walk, at: walk.at + 8 + viewOf(header).getUint32(4, true), need: 8, after: "RIFF" }
    }
  }
}

const stepBox = (walk: Walk, header: Uint8Array): Walk | null => {
  const view = viewOf(header)
  const type = tagAt(header, 4)
  if (!boxes.has(type)) return null
  const short = view.getUint32(0)
  if (short === 1 && header.length < 16) return { ...walk, need: 16 }
  const size = short === 1 ? view.getUint32(8) * 2 ** 32 + view.getUint32(12) : short
  // 0: to the end of the file, wherever that is.
  if (size < (short === 1 ? 16 : 8)) return null
  return {
    ...walk,
    at: walk.at + size,
    need: 8,
    after: type,
    hasIndex: walk.hasIndex || indexes.has(type),
    hasMedia: walk.hasMedia || media.has(type)
  }
}

const stepElement = (walk: Walk, header: Uint8Array): Walk | null => {
  const view = viewOf(header)
  const id = view.getUint8(0) >= 0x80 ? view.getUint8(0) : view.getUint32(0)
  const from = id < 0x100 ? 1 : 4
  const name = elements[id]
  if (name === undefined) return null
  const first = view.getUint8(from)
  // The zeros before its first one say how many bytes a length has beside the first.
  const more = Math.clz32(first) - 24
  if (more > 7) return null
  const need = from + 1 + more
  if (header.length < need) return { ...walk, need }
  let size = first & (0x7f >> more)
  let isOpen = size === 0x7f >> more
  for (let at = from + 1; at < need; at++) {
    const byte = view.getUint8(at)
    size = size * 256 + byte
    isOpen &&= byte === 0xff
  }
  // All ones: it ends where it ends. One that is shorter than a header here is worth none.
  if (isOpen || need + size < 8) return null
  return { ...walk, at: walk.at + need + size, need: 8, after: name }
}

/** What is missing in a file of so many bytes, in which the walk came to this place; `null` where nothing certainly is. */
export const missing = ({ after, at, format, hasIndex, hasMedia, need }: Walk, length: number): string | null => {
  if (at > length) return `its \`${after}\` ends ${at - length} bytes further on`
  // The beginning of a header tells what it is the beginning of, and that the rest is not there.
  if (need > 8 && length > at) return "it ends within the length of a part"
  if (format !== "boxes" || (hasIndex && hasMedia)) return null
  return hasIndex ? "it has no `mdat`" : "it has no `moov`"
}

/** Follows a clip as it comes, and keeps no more of it than a header. */
export const makeTruncationCheck = () => {
  const header = new Uint8Array(longestHeader)
  let walk: Walk | null = begin
  let length = 0
  let filled = 0
  return {
    take: (bytes: Uint8Array): void => {
      const start = length
      length += bytes.byteLength
      while (walk !== null && walk.at + filled < length) {
        const from = walk.at + filled - start
        const part = bytes.subarray(from, from + walk.need - filled)
        header.set(part, filled)
        filled += part.byteLength
        if (filled < walk.need) return
        const next: Walk | null = step(walk, header.subarray(0, filled))
        if (next?.at !== walk.at) filled = 0
        walk = next
      }
    },
    /** What is missing, should this have been all. */
    missing: (): string | null => (walk === null ? null : missing(walk, length))
  }
}
