/**
 * Bitmap font for the clips of the embedded server, without a canvas or a font file.
 *
 * Printable ASCII is 5 pixels wide in a cell of 8 rows (7 above the base line, 1 below). NFD normalisation removes diacritics,
 * and common typographic signs have an ASCII spelling. Any other character is a filled box that shows the hexadecimal
 * digits of its code point, as a browser shows a missing glyph.
 *
 * @example
 * import { glyphsOf } from "./glyphs.js"
 *
 * for (const glyph of glyphsOf("né")) {
 *   for (const row of glyph.rows) console.log(row.toString(2).padStart(glyph.width, "0"))
 * }
 *
 * @since 0.1.0
 */

/**
 * One drawn character.
 *
 * @since 0.1.0
 * @category models
 */
export interface Glyph {
  /** Width in pixels, without the gap to the next glyph. */
  readonly width: number
  /** `GLYPH_ROWS` rows from the top; bit `width - 1` of a row is its leftmost pixel. */
  readonly rows: ReadonlyArray<number>
}

/**
 * Height of every glyph in pixels.
 *
 * @since 0.1.0
 * @category models
 */
export const GLYPH_ROWS = 8

/**
 * Empty columns between two glyphs.
 *
 * @since 0.1.0
 * @category models
 */
export const GLYPH_GAP = 1

/**
 * Width of an ASCII glyph in pixels.
 *
 * @since 0.1.0
 * @category models
 */
export const GLYPH_WIDTH = 5

/**
 * Draws one character.
 *
 * @param codePoint - A Unicode code point. Printable ASCII comes from the table; any other code point is a box.
 * @since 0.1.0
 * @category constructors
 */
export const glyphOf = (codePoint: number): Glyph => {
  const drawn = ascii[codePoint - 0x20]
  return drawn === undefined ? hexBox(codePoint) : { width: GLYPH_WIDTH, rows: Array.from(drawn, rowBits) }
}

/**
 * Returns the glyphs of a text, in order, after `spellable`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const glyphsOf = (text: string): ReadonlyArray<Glyph> =>
  Array.from(spellable(text), (char) => glyphOf(char.codePointAt(0) ?? 0x3f))

/**
 * Returns the width of a text in pixels at scale 1, with its gaps. 0 for the empty text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const widthOf = (text: string): number =>
  Math.max(
    0,
    glyphsOf(text).reduce((sum, glyph) => sum + glyph.width + GLYPH_GAP, -GLYPH_GAP)
  )

/**
 * Replaces characters by close ones from the table. Removes diacritics, joiners and variation selectors, straightens curly
 * quotes and dashes, and turns each run of white space into one space.
 *
 * @since 0.1.0
 * @category constructors
 */
export const spellable = (text: string): string =>
  text
    .normalize("NFD")
    .replace(/[\p{M}\p{Cf}]/gu, "")
    .normalize("NFC")
    .replace(/[\s\p{Cc}]+/gu, " ")
    .replace(/[^ -~]/gu, (char) => plain[char] ?? char)
    .trim()

// internal

// Each character, with its spelling right after it.
const plain: Readonly<Record<string, string>> = Object.fromEntries(
  `‘' ’' “" ”" «" »" ‐- ‑- –- —- …... •* ×x ßss æae ÆAE œoe ŒOE øo ØO łl ŁL đd ĐD ðd þth ıi`
    .split(" ")
    .map((pair) => [pair.slice(0, 1), pair.slice(1)])
)

const rowBits = (digit: string): number => Number.parseInt(digit, 32)

// Glyphs from U+0020: eight rows from the top, one base-32 digit per row (five pixels, the left one most significant).
const ascii: ReadonlyArray<string> = `
  00000000 44444040 aaa00000 aavavaa0 4fke5u40 op248j30 cik8lid0 44800000
  24888420 84222480 04lel400 044v4400 00000c48 000v0000 00000cc0 01248g00
  ehjlphe0 4c4444e0 eh1248v0 v2421he0 26aiv220 vgu11he0 68guhhe0 v1248880
  ehhehhe0 ehhf12c0 0cc0cc00 0cc0c480 248g8420 00v0v000 84212480 eh124040
  eh1dlle0 ehhvhhh0 uhhuhhu0 ehggghe0 sihhhis0 vgguggv0 vgguggg0 ehgnhhf0
  hhhvhhh0 e44444e0 72222ic0 hikokih0 ggggggv0 hrllhhh0 hhpljhh0 ehhhhhe0
  uhhuggg0 ehhhlid0 uhhukih0 fgge11u0 v4444440 hhhhhhe0 hhhhha40 hhhllla0
  hha4ahh0 hhha4440 v1248gv0 e88888e0 0g842100 e22222e0 4ah00000 0000000v
  84200000 00e1fhf0 ggmphhu0 00egghe0 11djhhf0 00ehvge0 698s8880 00fhhf1e
  ggmphhh0 40c444e0 206222ic ggikoki0 c44444e0 00qllhh0 00mphhh0 00ehhhe0
  00uhhugg 00fhhf11 00mpggg0 00fge1u0 88s88960 00hhhjd0 00hhha40 00hhlla0
  00ha4ah0 00hhhf1e 00v248v0 24484420 44444440 84424480 008l2000
`
  .trim()
  .split(/\s+/)

// Digits 0 to F: five rows from the top, one octal digit (three pixels) per row.
const hexDigits: ReadonlyArray<string> =
  "75557 26227 71747 71717 55711 74717 74757 71122 75757 75717 25755 65656 34443 65556 74647 74644".split(" ")

const hexBox = (codePoint: number): Glyph => {
  const digits = Array.from(
    codePoint.toString(16).padStart(4, "0"),
    (digit) => hexDigits[Number.parseInt(digit, 16)] ?? ""
  )
  const width = digits.length * 4 + 1
  const full = 2 ** width - 1
  const knockedOut = (row: number): number =>
    digits.reduce((bits, digit, index) => bits - Number(digit[row]) * 2 ** (width - 4 * (index + 1)), full)
  return { width, rows: [full, knockedOut(0), knockedOut(1), knockedOut(2), knockedOut(3), knockedOut(4), full, 0] }
}
