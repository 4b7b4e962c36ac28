/**
 * Media formats: their first bytes, media types and file extensions. The first bytes decide: phones and browsers give HEIC and
 * WebP pictures names that end in `.jpg`, and servers send text, playlists and pictures as `video/mp4`.
 */
import * as Arr from "effect/Array"

/** By the ending of a file's name: the types that https://www.iana.org/assignments/media-types has, or that are in use. */
const endings = Object.entries({
  mp4: "video/mp4",
  m4v: "video/mp4",
  mov: "video/quicktime",
  qt: "video/quicktime",
  webm: "video/webm",
  mkv: "video/matroska",
  avi: "video/vnd.avi",
  "3gp": "video/3gpp",
  "3g2": "video/3gpp2",
  ogv: "video/ogg",
  flv: "video/x-flv",
  wmv: "video/x-ms-wmv",
  mpg: "video/mpeg",
  mpeg: "video/mpeg",
  m2ts: "video/mp2t",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  gif: "image/gif",
  heic: "image/heic",
  heics: "image/heic-sequence",
  heif: "image/heif",
  heifs: "image/heif-sequence",
  avif: "image/avif",
  bmp: "image/bmp",
  tiff: "image/tiff",
  tif: "image/tiff",
  jxl: "image/jxl",
  jp2: "image/jp2",
  svg: "image/svg+xml"
})

const typeByEnding = new Map(endings)

/** The first ending of each type. */
const endingByType = new Map(Arr.reverse(endings).map(([ending, type]) => [type, ending]))

const byDefault = "video/mp4"

/** Every type that `detectMediaType` may return, as far as a name for it differs in length. */
export const detectable: ReadonlyArray<string> = [...endingByType.keys()]

/** By the name's ending, else `video/mp4`. */
export const typeOfName = (name: string): string =>
  typeByEnding.get(name.slice(name.lastIndexOf(".") + 1).toLowerCase()) ?? byDefault

/** Letters and digits after a last dot that is not the first character; a number is part of the name. */
const hasExtension = (name: string): boolean => /[^.]\.(?=[^.]*[a-z])[a-z0-9]{1,8}$/i.test(name)

/** A file name that fits the type: the given one, with an extension if it has none; else `video.mp4`, `image.png` and so on. */
export const fileNameOf = (name: string | undefined, type: string): string => {
  const ending = endingByType.get(type)
  if (name === undefined || name === "") {
    return ending === undefined ? "video.mp4" : `${type.startsWith("image/") ? "image" : "video"}.${ending}`
  }
  return ending === undefined || hasExtension(name) ? name : `${name.replace(/\.+$/, "")}.${ending}`
}

/** This many bytes at the beginning of a file show its type, and distinguish text from binary. */
export const signatureLength = 512

/** `video` has moving pictures (GIF and animated WebP included), `picture` has one, `other` has none. */
export type Media = "video" | "picture" | "other"

interface MediaFormat {
  readonly media: Media
  /** As an error names it. */
  readonly name: string
  /** The media type of an upload; `null` if it has none of its own. */
  readonly type: string | ((bytes: Uint8Array, byName: string) => string) | null
}

const latin1 = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, Math.min(to, bytes.byteLength)))

/** Whether the file begins with these bytes, in Latin-1; `?` is any byte. */
const begins = (bytes: Uint8Array, pattern: string): boolean =>
  bytes.byteLength >= pattern.length &&
  [...pattern].every((sign, at) => sign === "?" || bytes[at] === sign.charCodeAt(0))

/** ISO/IEC 14496-12: the brands of a file, the major one first. Pictures have the same container as films. */
const typeOfBrands = (bytes: Uint8Array): string => {
  const size = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
  const major = latin1(bytes, 8, 12)
  const brands = latin1(bytes, 16, Math.min(Math.max(size, 16), signatureLength)).match(/.{4}/gs) ?? []
  const isOneOf = (names: RegExp) =>
    names.test(major) || (/^(mif|msf|mia)/.test(major) && brands.some((brand) => names.test(brand)))
  if (isOneOf(/^avi[fs]$/)) return "image/avif"
  if (isOneOf(/^hei[cxms]$/)) return "image/heic"
  if (isOneOf(/^hev[cxms]$/)) return "image/heic-sequence"
  if (isOneOf(/^msf1$/)) return "image/heif-sequence"
  if (/^(mif|mia)/.test(major)) return "image/heif"
  if (major === "qt  ") return "video/quicktime"
  if (major.startsWith("3g2")) return "video/3gpp2"
  return /^3g[pe]/.test(major) ? "video/3gpp" : byDefault
}

/** EBML: Matroska says in its header (`42 82`, `DocType`) whether it is WebM. */
const typeOfElements = (bytes: Uint8Array, byName: string): string => {
  const type = /\x42\x82[\x80-\xff](webm|matroska)/.exec(latin1(bytes, 0, signatureLength))?.[1]
  return type === "webm" || (type === undefined && byName === "video/webm") ? "video/webm" : "video/matroska"
}

/** QuickTime films from before there were brands begin with any of these boxes. */
const typeOfBareBox = (_: Uint8Array, byName: string): string => (byName === byDefault ? byName : "video/quicktime")

/** The flags of a WebP are in its `VP8X` part. */
const isAnimatedWebP = (bytes: Uint8Array): boolean =>
  begins(bytes, "RIFF????WEBPVP8X") && ((bytes[20] ?? 0) & 0x02) !== 0

/** Each packet begins with a sync byte; Blu-ray puts four bytes before each. */
const isTransportStream = (bytes: Uint8Array): boolean =>
  (bytes[0] === 0x47 && bytes[188] === 0x47) || (bytes[4] === 0x47 && bytes[196] === 0x47)

const boxes = (names: string, brands = ""): ReadonlyArray<string> =>
  names.split(" ").flatMap((name) => brands.split(" ").map((brand) => `????${name}${brand}`))

type Row = readonly [
  Media,
  name: string,
  MediaFormat["type"],
  ...ReadonlyArray<string | ((bytes: Uint8Array) => boolean)>
]

// The first that matches. A box (ISO/IEC 14496-12, QuickTime) has its type behind its length.
const formats: ReadonlyArray<Row> = [
  ["picture", "a HEIC or AVIF picture", typeOfBrands, ...boxes("ftyp", "heic heix heim heis mif1 avif")],
  ["video", "MP4", typeOfBrands, ...boxes("ftyp")],
  ["video", "MP4", byDefault, ...boxes("styp moof sidx emsg prft uuid")],
  ["video", "MP4", typeOfBareBox, ...boxes("moov mdat free skip wide pnot")],
  ["video", "WebM or Matroska", typeOfElements, "\x1aE\xdf\xa3"],
  ["video", "AVI", "video/vnd.avi", "RIFF????AVI "],
  ["video", "animated WebP", "image/webp", isAnimatedWebP],
  ["picture", "a WebP picture", "image/webp", "RIFF????WEBP"],
  ["other", "WAVE sound", null, "RIFF????WAVE"],
  ["video", "GIF", "image/gif", "GIF8"],
  ["video", "MPEG-PS", "video/mpeg", "\0\0\x01\xba"],
  ["video", "MPEG video", "video/mpeg", "\0\0\x01\xb3"],
  ["video", "MPEG-TS", "video/mp2t", isTransportStream],
  ["video", "FLV", "video/x-flv", "FLV\x01"],
  ["video", "Ogg", "video/ogg", "OggS"],
  ["video", "ASF", "video/x-ms-wmv", "0&\xb2u"],
  ["video", "IVF", null, "DKIF"],
  ["video", "YUV4MPEG2", null, "YUV4MPEG2"],
  ["picture", "a PNG picture", "image/png", "\x89PNG"],
  ["picture", "a JPEG picture", "image/jpeg", "\xff\xd8\xff"],
  ["picture", "a JPEG XL picture", "image/jxl", "\0\0\0\x0cJXL "],
  ["picture", "a JPEG 2000 picture", "image/jp2", "\0\0\0\x0cjP  "],
  ["picture", "a BMP picture", "image/bmp", "BM????\0\0\0\0"],
  ["picture", "a TIFF picture", "image/tiff", "II*\0", "MM\0*", "II+\0", "MM\0+"],
  ["picture", "an icon", null, "\0\0\x01\0"],
  ["other", "compressed by gzip, although the request did not ask for that", null, "\x1f\x8b"],
  ["other", "compressed by Zstandard, although the request did not ask for that", null, "\x28\xb5\x2f\xfd"],
  ["other", "a ZIP archive", null, "PK\x03\x04"],
  ["other", "a PDF", null, "%PDF-"],
  ["other", "MP3 sound", null, "ID3"],
  ["other", "FLAC sound", null, "fLaC"]
]

/** The format of a file by its first bytes, of which `signatureLength` are enough; `null` if it is not known. */
export const detectFormat = (bytes: Uint8Array): MediaFormat | null => {
  for (const [media, name, type, ...tests] of formats) {
    if (tests.some((test) => (typeof test === "string" ? begins(bytes, test) : test(bytes))))
      return { media, name, type }
  }
  return null
}

const svg = /^(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--[^>]*-->\s*)*(<!doctype svg[^>]*>\s*)?<svg[\s>]/i

/** The media type by the first bytes; `null` if they are of no kind that is known. */
export const detectMediaType = (bytes: Uint8Array, byName: string): string | null => {
  const type = detectFormat(bytes)?.type ?? null
  if (type !== null) return typeof type === "string" ? type : type(bytes, byName)
  return svg.test(latin1(bytes, 0, signatureLength)) ? "image/svg+xml" : null
}
