/**
 * The format of a body, by its first bytes. The content type is not reliable: servers send text, playlists and pictures as
 * `video/mp4`, and clips as `application/octet-stream`.
 *
 * A binary format that is not in the tables is `unknown`, and is taken for a clip: servers have formats of their own.
 */

/** Enough bytes for every signature, and to distinguish text from binary. */
export const headLength = 512

/** `video` has moving pictures (GIF and animated WebP included), `picture` has one, `other` has none. */
export type Media = "video" | "picture" | "other" | "text" | "empty" | "unknown"

/** @internal */
export interface Signature {
  readonly media: Media
  /** The format, as an error names it. */
  readonly format: string
}

type Test = (head: Uint8Array) => boolean

const codesOf = (text: string): ReadonlyArray<number> => [...text].map((sign) => sign.charCodeAt(0))

/** Whether the bytes are there, as numbers or as ASCII text. */
const has = (bytes: string | ReadonlyArray<number>, at = 0): Test => {
  const wanted = typeof bytes === "string" ? codesOf(bytes) : bytes
  return (head) => wanted.every((byte, index) => head[at + index] === byte)
}

const hasOneOf = (words: string, at: number): Test => {
  const tests = words.split(" ").map((word) => has(word.padEnd(4), at))
  return (head) => tests.some((test) => test(head))
}

const all =
  (...tests: ReadonlyArray<Test>): Test =>
  (head) =>
    tests.every((test) => test(head))

/** The packets of a transport stream begin with a sync byte each; Blu-ray puts four bytes before each. */
const isTransportStream: Test = (head) =>
  (head[0] === 0x47 && head[188] === 0x47) || (head[4] === 0x47 && head[196] === 0x47)

/** A WebP's flags are in its `VP8X` part. */
const isAnimatedWebP: Test = (head) => has("VP8X", 12)(head) && ((head[20] ?? 0) & 0x02) !== 0

// The first that holds. ISO/IEC 14496-12 and QuickTime begin with a box; its type is behind its length. `ftyp` names a brand:
// those of HEIF and AVIF stills are pictures.
const signatures: ReadonlyArray<readonly [Media, format: string, Test]> = [
  ["picture", "a HEIC or AVIF picture", all(has("ftyp", 4), hasOneOf("heic heix heim heis mif1 avif", 8))],
  ["video", "MP4", hasOneOf("ftyp styp moov mdat moof free skip wide pnot sidx emsg prft uuid", 4)],
  ["video", "WebM or Matroska", has([0x1a, 0x45, 0xdf, 0xa3])],
  ["video", "AVI", all(has("RIFF"), has("AVI ", 8))],
  ["video", "animated WebP", all(has("RIFF"), has("WEBP", 8), isAnimatedWebP)],
  ["picture", "a WebP picture", all(has("RIFF"), has("WEBP", 8))],
  ["other", "WAVE sound", all(has("RIFF"), has("WAVE", 8))],
  ["video", "GIF", has("GIF8")],
  ["video", "MPEG-PS", has([0, 0, 1, 0xba])],
  ["video", "MPEG video", has([0, 0, 1, 0xb3])],
  ["video", "MPEG-TS", isTransportStream],
  ["video", "FLV", has([...codesOf("FLV"), 1])],
  ["video", "Ogg", has("OggS")],
  ["video", "ASF", has([0x30, 0x26, 0xb2, 0x75])],
  ["video", "IVF", has("DKIF")],
  ["video", "YUV4MPEG2", has("YUV4MPEG2")],
  ["picture", "a PNG picture", has([0x89, ...codesOf("PNG")])],
  ["picture", "a JPEG picture", has([0xff, 0xd8, 0xff])],
  ["picture", "a JPEG XL picture", has([0, 0, 0, 0x0c, ...codesOf("JXL ")])],
  ["picture", "a BMP picture", all(has("BM"), has([0, 0, 0, 0], 6))],
  ["picture", "a TIFF picture", has([0x49, 0x49, 0x2a, 0])],
  ["picture", "a TIFF picture", has([0x4d, 0x4d, 0, 0x2a])],
  ["picture", "an icon", has([0, 0, 1, 0])],
  ["other", "compressed by gzip, although the request did not ask for that", has([0x1f, 0x8b])],
  ["other", "compressed by Zstandard, although the request did not ask for that", has([0x28, 0xb5, 0x2f, 0xfd])],
  ["other", "a ZIP archive", has([...codesOf("PK"), 3, 4])],
  ["other", "a PDF", has("%PDF-")],
  ["other", "MP3 sound", has("ID3")],
  ["other", "FLAC sound", has("fLaC")]
]

const isControl = (byte: number): boolean =>
  (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13 && byte !== 27) || byte === 0x7f

const isUtf8 = (head: Uint8Array): boolean => {
  try {
    // `stream`: the head may end within a character.
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true })
    return true
  } catch {
    return false
  }
}

/** UTF-16, by its byte order mark or by its zeros: no clip begins like that. */
export const utf16Of = (head: Uint8Array): "utf-16le" | "utf-16be" | null => {
  if (head.length < 4) return null
  if (has([0xff, 0xfe])(head)) return "utf-16le"
  if (has([0xfe, 0xff])(head)) return "utf-16be"
  const isAscii = (from: 0 | 1) =>
    head.every((byte, index) => (index % 2 === from ? byte >= 0x09 && byte < 0x7f : byte === 0))
  if (head.length < 8) return null
  return isAscii(0) ? "utf-16le" : isAscii(1) ? "utf-16be" : null
}

/** Whether so many bytes could all be text: UTF-8, UTF-16, or a code page of bytes with few letters beyond ASCII. */
const isText = (head: Uint8Array): boolean => {
  if (utf16Of(head) !== null) return true
  if (head.some(isControl)) return false
  const beyond = head.filter((byte) => byte >= 0x80).length
  return beyond === 0 || isUtf8(head) || beyond < head.length / 4
}

/** Fewer bytes than this may be the beginning of anything. */
const least = 12

/**
 * What a body is by its head, which are its first bytes, up to `headLength`; `null` while more of them are needed. `isWhole`:
 * there are no more.
 */
export const signatureOf = (head: Uint8Array, isWhole: boolean): Signature | null => {
  if (head.length === 0) return isWhole ? { media: "empty", format: "empty" } : null
  const isEnough = isWhole || head.length >= headLength
  if (!isEnough && head.length < least) return null
  // The flags of a WebP come later.
  if (!isEnough && head.length < 21 && has("RIFF")(head)) return null
  const found = signatures.find(([, , test]) => test(head))
  // Text may have four letters of a signature where a signature has them; no binary format is text for so long.
  if (isText(head) && found?.[1] !== "YUV4MPEG2") return isEnough ? { media: "text", format: "text" } : null
  if (found !== undefined) return { media: found[0], format: found[1] }
  // A transport stream's second packet is yet to come.
  if (!isEnough && (head[0] === 0x47 || head[4] === 0x47) && head.length < 200) return null
  return { media: "unknown", format: "unknown" }
}

/** The words for a text: what kind of document it is. `text` is its beginning. */
export const textFormat = (text: string): string => {
  const begins = text.trimStart().slice(0, 200)
  if (begins.startsWith("#EXTM3U")) return "an HLS playlist (m3u8)"
  if (/^(<\?xml[^>]*>\s*)?<MPD[\s>]/.test(begins)) return "a DASH manifest (MPD)"
  if (begins.startsWith("<?xml") || /^<Error[\s>]/.test(begins)) return "XML"
  if (/^data:[\w.+-]+\/[\w.+-]+[;,]/i.test(begins)) return "a `data:` URL as text"
  return /^[A-Za-z0-9+/_-]{60}/.test(begins) ? "base64 as text" : "text"
}
