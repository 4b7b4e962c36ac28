/** The parts as one array of bytes. */
export const concatBytes = (parts: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.byteLength, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.byteLength
  }
  return whole
}

/** At most `most` bytes from the start of the parts, as one array. */
export const firstBytes = (parts: Iterable<Uint8Array>, most: number): Uint8Array => {
  const bytes = new Uint8Array(most)
  let filled = 0
  for (const part of parts) {
    if (filled === most) break
    const taken = part.subarray(0, most - filled)
    bytes.set(taken, filled)
    filled += taken.byteLength
  }
  return bytes.subarray(0, filled)
}
