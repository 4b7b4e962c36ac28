/**
 * The media type of a file, by its first bytes or by its name. The bytes decide: phones and browsers give HEIC and WebP
 * pictures names that end in `.jpg`, and downloaded pictures often have no extension.
 */

/** By the ending of a file's name: the types that https://www.iana.org/assignments/media-types has, or that are in use. */
const endings: { readonly [ending: string]: string } = {
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
}

/** The first ending of each type. */
const endingByType: ReadonlyMap<string, string> = new Map(
  Object.entries(endings)
    .reverse()
    .map(([ending, type]) => [type, ending])
)

const byDefault = "video/mp4"

/** Every type that `detectMediaType` may return, as far as a name for it differs in length. */
export const detectable: ReadonlyArray<string> = [...new Set(Object.values(endings))]

/** By the name's ending, else `video/mp4`. */
export const typeOfName = (name: string): string => {
  const ending = name.slice(name.lastIndexOf(".") + 1).toLowerCase()
  return Object.hasOwn(endings, ending) ? (endings[ending] ?? byDefault) : byDefault
}

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

// -----------------------------------------------------------------------------
// signatures
// -----------------------------------------------------------------------------

/** This many bytes at the beginning of a file show its type. */
export const signatureLength = 512

/** Whether the file has these bytes there; `?` in the pattern is any byte. Patterns are Latin-1. */
const has = (bytes: Uint8Array, pattern: string, at = 0): boolean => {
  if (bytes.byteLength < at + pattern.length) return false
  for (let index = 0; index < pattern.length; index++) {
    const expected = pattern.charCodeAt(index)
    if (expected !== 0x3f && bytes[at + index] !== expected) return false
  }
  return true
}

const latin1 = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, Math.min(to, bytes.byteLength)))

/** ISO/IEC 14496-12: the brands of a file, the major one first. Pictures have the same container as films. */
const typeOfBrands = (bytes: Uint8Array): string => {
  const size = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
  const end = Math.min(Math.max(size, 16), signatureLength)
  const major = latin1(bytes, 8, 12)
  const brands = new Set([major])
  for (let at = 16; at + 4 <= Math.min(end, bytes.byteLength); at += 4) brands.add(latin1(bytes, at, at + 4))
  const isOneOf = (...names: ReadonlyArray<string>) =>
    names.includes(major) || (/^(mif|msf|mia)/.test(major) && names.some((name) => brands.has(name)))
  if (isOneOf("avif", "avis")) return "image/avif"
  if (isOneOf("heic", "heix", "heim", "heis")) return "image/heic"
  if (isOneOf("hevc", "hevx", "hevm", "hevs")) return "image/heic-sequence"
  if (isOneOf("msf1")) return "image/heif-sequence"
  if (/^(mif|mia)/.test(major)) return "image/heif"
  if (major === "qt  ") return "video/quicktime"
  if (major.startsWith("3g2")) return "video/3gpp2"
  if (major.startsWith("3gp") || major.startsWith("3ge")) return "video/3gpp"
  return byDefault
}

/** QuickTime films from before there were brands begin with any of these. */
const bareBoxes = new Set(["moov", "mdat", "free", "skip", "wide", "pnot"])
const fragmentBoxes = new Set(["styp", "moof", "sidx"])

/** EBML: Matroska says in its header (`42 82`, `DocType`) whether it is WebM. */
const typeOfElements = (bytes: Uint8Array, byName: string): string => {
  const type = /\x42\x82[\x80-\xff](webm|matroska)/.exec(latin1(bytes, 0, signatureLength))?.[1]
  if (type !== undefined) return type === "webm" ? "video/webm" : "video/matroska"
  return byName === "video/webm" ? byName : "video/matroska"
}

/** A bitmap's header: two reserved words of zero, and the length of the next header. */
const isBitmap = (bytes: Uint8Array): boolean =>
  has(bytes, "BM????\0\0\0\0????") && [12, 16, 40, 52, 56, 64, 108, 124].includes(bytes[14] ?? 0)

/** The type by the first bytes, of which `signatureLength` are enough; `null` if they are of no kind that is known. */
export const detectMediaType = (bytes: Uint8Array, byName: string): string | null => {
  if (has(bytes, "\x89PNG\r\n\x1a\n")) return "image/png"
  if (has(bytes, "\xff\xd8\xff")) return "image/jpeg"
  if (has(bytes, "GIF87a") || has(bytes, "GIF89a")) return "image/gif"
  if (has(bytes, "RIFF????WEBP")) return "image/webp"
  if (has(bytes, "RIFF????AVI ")) return "video/vnd.avi"
  if (has(bytes, "II*\0") || has(bytes, "MM\0*") || has(bytes, "II+\0") || has(bytes, "MM\0+")) return "image/tiff"
  if (isBitmap(bytes)) return "image/bmp"
  if (has(bytes, "\0\0\0\x0cJXL \r\n\x87\n")) return "image/jxl"
  if (has(bytes, "\0\0\0\x0cjP  \r\n\x87\n")) return "image/jp2"
  if (has(bytes, "ftyp", 4) && bytes.byteLength >= 12) return typeOfBrands(bytes)
  if (has(bytes, "\x1aE\xdf\xa3")) return typeOfElements(bytes, byName)
  const box = bytes.byteLength >= 8 ? latin1(bytes, 4, 8) : ""
  if (fragmentBoxes.has(box)) return byDefault
  if (bareBoxes.has(box)) return byName === "video/mp4" ? byName : "video/quicktime"
  if (has(bytes, "OggS\0")) return "video/ogg"
  if (has(bytes, "FLV\x01")) return "video/x-flv"
  if (has(bytes, "0&\xb2u\x8ef\xcf\x11")) return "video/x-ms-wmv"
  if (has(bytes, "\0\0\x01\xba") || has(bytes, "\0\0\x01\xb3")) return "video/mpeg"
  if (has(bytes, "G") && has(bytes, "G", 188) && has(bytes, "G", 376)) return "video/mp2t"
  if (
    /^(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--[^>]*-->\s*)*(<!doctype svg[^>]*>\s*)?<svg[\s>]/i.test(
      latin1(bytes, 0, signatureLength)
    )
  )
    return "image/svg+xml"
  return null
}
