/**
 * Whether a clip is complete by its own container: a `Content-Length` that is too small looks like the end of the clip to
 * every HTTP client. Films and WebP pictures state the length of each of their outermost parts.
 *
 * Only what is certain counts: a part that ends beyond the last byte, and an MP4 without `moov` or without `mdat`. What follows
 * the parts, parts without a length, and unknown formats are accepted.
 */
import * as Stream from "effect/Stream"

interface Part {
  readonly name: string
  readonly size: number
}

/** No header is longer. */
export const longestHeader = 16
const shortestHeader = 8

// ISO/IEC 14496-12 and QuickTime, at the outermost level. Anything else there may be text that was appended to the film, and
// four letters of it would be taken for a length.
const boxes: ReadonlySet<string> = new Set(
  "ftyp styp moov mdat moof wide free skip pnot sidx emsg prft meta uuid mfra ssix pdin imda".split(" ")
)
/** `meta` has the index and the media of pictures (HEIF, AVIF). */
const indexes = ["moov", "moof", "meta"]
const media = ["mdat", "imda", "meta"]

/** EBML's own element, and those that WebM (RFC 9559) has beside it. */
const elements: { readonly [id: number]: string } = {
  440786851: "EBML",
  408125543: "Segment",
  236: "Void",
  191: "CRC-32"
}

const viewOf = (header: Uint8Array): DataView => new DataView(header.buffer, header.byteOffset, header.byteLength)
const tagAt = (header: Uint8Array, at: number): string => String.fromCharCode(...header.subarray(at, at + 4))

/** `null`: the parts end here. `"short"`: the header is not complete. */
type ReadPart = (header: Uint8Array) => Part | "short" | null

const readBox: ReadPart = (header) => {
  const view = viewOf(header)
  const name = tagAt(header, 4)
  if (!boxes.has(name)) return null
  const isLong = view.getUint32(0) === 1
  if (isLong && header.length < 16) return "short"
  const size = isLong ? Number(view.getBigUint64(8)) : view.getUint32(0)
  // 0: to the end of the file, wherever that is.
  return size < (isLong ? 16 : 8) ? null : { name, size }
}

const readElement: ReadPart = (header) => {
  const view = viewOf(header)
  const id = view.getUint8(0) >= 0x80 ? view.getUint8(0) : view.getUint32(0)
  const name = elements[id]
  if (name === undefined) return null
  const from = id < 0x100 ? 1 : 4
  // The zeros before the first one are the number of further bytes of the length.
  const more = Math.clz32(view.getUint8(from)) - 24
  if (more > 7) return null
  const end = from + 1 + more
  if (header.length < end) return "short"
  const mask = 0x7f >> more
  const digits = Array.from(header.subarray(from, end), (byte, index) => (index === 0 ? byte & mask : byte))
  // All ones: its end is not stated.
  if (digits.every((byte, index) => byte === (index === 0 ? mask : 0xff))) return null
  const size = end + digits.reduce((sum, byte) => sum * 256 + byte, 0)
  return size < shortestHeader ? null : { name, size }
}

/** An AVI may have several `RIFF` parts, and one that was not closed has no length. */
const readWebP: ReadPart = (header) =>
  tagAt(header, 0) !== "RIFF"
    ? null
    : header.length < 12
      ? "short"
      : tagAt(header, 8) === "WEBP"
        ? { name: "RIFF", size: 8 + viewOf(header).getUint32(4, true) }
        : null

const readerOf = (header: Uint8Array): ReadPart => {
  if (tagAt(header, 0) === "RIFF") return readWebP
  if (viewOf(header).getUint32(0) === 0x1a45dfa3) return readElement
  // Text may have four letters where a box has its type: its length would be of letters, too.
  return header.subarray(0, 4).every((byte) => byte >= 0x20 && byte < 0x7f) ? () => null : readBox
}

/** Follows a clip from part to part, and keeps no more of it than a header. */
export const makeTruncationCheck = () => {
  const header = new Uint8Array(longestHeader)
  const names = new Set<string>()
  let readPart: ReadPart | null = null
  let last = ""
  /** Where the next part begins, and how much of its header is here. */
  let at = 0
  let filled = 0
  let isOver = false
  let isShort = false

  const advance = (): void => {
    const held = header.subarray(0, filled)
    readPart ??= readerOf(held)
    const part = readPart(held)
    if (part === null) isOver = true
    else if (part === "short") isShort = true
    else {
      last = part.name
      names.add(last)
      at += part.size
      header.copyWithin(0, Math.min(part.size, filled))
      filled = Math.max(0, filled - part.size)
    }
  }

  return {
    /** The position of the next byte to be read; `null` if no more are of use. */
    next: (): number | null => (isOver ? null : at + filled),
    /** Takes bytes of the clip, of which the first is at `start`. */
    take: (bytes: Uint8Array, start: number): void => {
      while (!isOver && at + filled - start < bytes.byteLength) {
        const from = at + filled - start
        const part = bytes.subarray(from, from + longestHeader - filled)
        header.set(part, filled)
        filled += part.byteLength
        if (filled === longestHeader) advance()
      }
    },
    /** What is missing if the clip has this length; `null` if nothing certainly is. */
    missing: (length: number): string | null => {
      while (!isOver && !isShort && filled >= shortestHeader) advance()
      if (isOver) return null
      if (isShort) return "it ends within the length of a part"
      if (at > length) return `its \`${last}\` ends ${at - length} bytes further on`
      const has = (name: string) => names.has(name)
      if (readPart !== readBox || (indexes.some(has) && media.some(has))) return null
      return indexes.some(has) ? "it has no `mdat`" : "it has no `moov`"
    }
  }
}

/** Fails at the end of a whole clip whose container says that bytes are missing. */
export const failIfTruncated = <E, E2>(
  clip: Stream.Stream<Uint8Array, E>,
  onTruncated: (detail: string) => E2
): Stream.Stream<Uint8Array, E | E2> =>
  Stream.suspend(() => {
    const check = makeTruncationCheck()
    let received = 0
    const checked = Stream.mapChunks(clip, (chunks) => {
      for (const bytes of chunks) {
        check.take(bytes, received)
        received += bytes.byteLength
      }
      return chunks
    })
    const end = Stream.suspend(() => {
      const detail = check.missing(received)
      return detail === null ? Stream.empty : Stream.fail(onTruncated(detail))
    })
    return Stream.concat(checked, end)
  })
