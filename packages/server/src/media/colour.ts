/**
 * Converts red, green and blue from 0 to 1 to BT.709 in limited range (https://www.itu.int/rec/R-REC-BT.709) for the encoder.
 *
 * @since 0.1.0
 */

/** Returns the brightness of a colour, from 0 to 1. */
export const brightness = (red: number, green: number, blue: number): number =>
  0.2126 * red + 0.7152 * green + 0.0722 * blue

/** @internal */
export const luma = (light: number): number => Math.round(16 + 219 * light)

/** Encodes the difference between blue and brightness. */
export const chromaBlue = (blueness: number): number => Math.round(128 + (224 * blueness) / 1.8556)

/** Encodes the difference between red and brightness. */
export const chromaRed = (redness: number): number => Math.round(128 + (224 * redness) / 1.5748)
