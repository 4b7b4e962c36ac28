/**
 * Joins two H.264 streams in one MP4 track: reads and writes the decoder configuration (`avcC`), and renumbers the parameter
 * sets of a stream.
 *
 * An MP4 track has one configuration, which can hold several sequence and picture parameter sets. Two encoders both use
 * number 0 for theirs. So the sets of the second stream get unused numbers, and each of its slices is rewritten to refer to
 * them. That shifts the bits of a slice by a few positions and changes nothing else: our encoder uses CAVLC, which has no
 * byte alignment after the slice header. Every player that reads the configuration can then decode and seek in both
 * halves, without parameter sets in the middle of the stream.
 *
 * @since 0.1.0
 */

/**
 * A parsed `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 5.3.3.1).
 *
 * @since 0.1.0
 * @category models
 */
export interface AvcConfig {
  readonly profile: number
  readonly compatibility: number
  readonly level: number
  /** Size in bytes of the length before each NAL unit in a sample: 1, 2 or 4. */
  readonly lengthSize: number
  readonly sps: ReadonlyArray<Uint8Array>
  readonly pps: ReadonlyArray<Uint8Array>
  /** Chroma format, bit depths and SPS extensions of the High profiles, unchanged. */
  readonly tail: Uint8Array
}

/**
 * Numbers of the parameter sets of a stream.
 *
 * @since 0.1.0
 * @category models
 */
export interface ParameterSetIds {
  readonly sps: number
  readonly pps: number
}

/**
 * Parses a configuration. Returns `undefined` if it is truncated.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseAvcConfig = (bytes: Uint8Array): AvcConfig | undefined => {
  const [version, profile, compatibility, level, lengths, counts] = bytes
  if (version !== 1 || profile === undefined || compatibility === undefined || level === undefined) return undefined
  if (lengths === undefined || counts === undefined) return undefined
  let offset = 6
  const take = (count: number): ReadonlyArray<Uint8Array> | undefined => {
    const units: Array<Uint8Array> = []
    for (let index = 0; index < count; index++) {
      const size = (bytes[offset] ?? 0) * 256 + (bytes[offset + 1] ?? 0)
      if (size === 0 || offset + 2 + size > bytes.length) return undefined
      units.push(bytes.slice(offset + 2, offset + 2 + size))
      offset += 2 + size
    }
    return units
  }
  const sps = take(counts & 31)
  const ppsCount = bytes[offset++]
  const pps = ppsCount === undefined ? undefined : take(ppsCount)
  if (sps === undefined || pps === undefined) return undefined
  return { profile, compatibility, level, lengthSize: (lengths & 3) + 1, sps, pps, tail: bytes.slice(offset) }
}

/**
 * Writes a configuration; the inverse of `parseAvcConfig`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serializeAvcConfig = (config: AvcConfig): Uint8Array => {
  const units = (list: ReadonlyArray<Uint8Array>) =>
    list.flatMap((unit) => [unit.length >> 8, unit.length & 255, ...unit])
  return Uint8Array.from([
    ...[1, config.profile, config.compatibility, config.level, 0xfc | (config.lengthSize - 1)],
    ...[0xe0 | config.sps.length, ...units(config.sps)],
    ...[config.pps.length, ...units(config.pps), ...config.tail]
  ])
}

/**
 * Adds the parameter sets of a second stream (one of each) to a configuration. Does not add a set that exists already under
 * any number. The result has four-byte lengths (see `relength`).
 *
 * @returns The configuration for both, and the numbers for `renumberSample`. `undefined` if the first configuration has no
 *   sets (they are in the stream) or if all numbers are in use.
 * @since 0.1.0
 * @category constructors
 */
export const mergeAvcConfigs = (
  first: AvcConfig,
  second: AvcConfig
): { readonly config: AvcConfig; readonly ids: ParameterSetIds } | undefined => {
  const [sps] = second.sps
  const [pps] = second.pps
  if (sps === undefined || pps === undefined || first.sps.length === 0 || first.pps.length === 0) return undefined
  const spsId = numberFor(
    first.sps,
    31,
    (unit) => readSpsId(unit),
    (id) => withSpsId(sps, id)
  )
  if (spsId === undefined) return undefined
  const ppsId = numberFor(
    first.pps,
    255,
    (unit) => readPpsId(unit),
    (id) => withPpsIds(pps, { sps: spsId.id, pps: id })
  )
  if (ppsId === undefined) return undefined
  const config = {
    ...first,
    compatibility: first.compatibility & second.compatibility,
    level: Math.max(first.level, second.level),
    lengthSize: 4,
    sps: spsId.known ? first.sps : [...first.sps, spsId.unit],
    pps: ppsId.known ? first.pps : [...first.pps, ppsId.unit]
  }
  return { config, ids: { sps: spsId.id, pps: ppsId.id } }
}

/**
 * Makes the slices of a CAVLC-coded sample (four-byte lengths) refer to another picture parameter set.
 *
 * @since 0.1.0
 * @category constructors
 */
export const renumberSample = (sample: Uint8Array, ids: ParameterSetIds): Uint8Array =>
  joinUnits(
    splitUnits(sample, 4).map((unit) => ([1, 5].includes((unit[0] ?? 0) & 31) ? withSliceIds(unit, ids) : unit))
  )

/**
 * Converts a sample to four-byte lengths. Returns a sample that has them unchanged.
 *
 * @since 0.1.0
 * @category constructors
 */
export const relength = (sample: Uint8Array, lengthSize: number): Uint8Array =>
  lengthSize === 4 ? sample : joinUnits(splitUnits(sample, lengthSize))

// internal

const splitUnits = (sample: Uint8Array, lengthSize: number): ReadonlyArray<Uint8Array> => {
  const units: Array<Uint8Array> = []
  for (let offset = 0; offset + lengthSize <= sample.length; ) {
    let size = 0
    for (let index = 0; index < lengthSize; index++) size = size * 256 + (sample[offset + index] ?? 0)
    units.push(sample.subarray(offset + lengthSize, offset + lengthSize + size))
    offset += lengthSize + size
  }
  return units
}

const joinUnits = (units: ReadonlyArray<Uint8Array>): Uint8Array => {
  const joined = new Uint8Array(units.reduce((sum, unit) => sum + 4 + unit.length, 0))
  const view = new DataView(joined.buffer)
  let offset = 0
  for (const unit of units) {
    view.setUint32(offset, unit.length)
    joined.set(unit, offset + 4)
    offset += 4 + unit.length
  }
  return joined
}

/** Returns the number of a set that exists already, or else the smallest free number. */
const numberFor = (
  units: ReadonlyArray<Uint8Array>,
  largest: number,
  idOf: (unit: Uint8Array) => number,
  make: (id: number) => Uint8Array
): { readonly id: number; readonly unit: Uint8Array; readonly known: boolean } | undefined => {
  const taken = new Set<number>()
  for (const unit of units) {
    const id = idOf(unit)
    if (sameBytes(unit, make(id))) return { id, unit, known: true }
    taken.add(id)
  }
  // The counts of sets have five and eight bits, so the largest number stays unused.
  for (let id = 0; id < largest; id++) if (!taken.has(id)) return { id, unit: make(id), known: false }
  return undefined
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index])

// The number of an SPS follows one byte each of header, profile, constraints and level.
const SPS_ID_AT = 32

const readSpsId = (unit: Uint8Array): number => reader(payloadOf(unit), SPS_ID_AT).exponential()

const readPpsId = (unit: Uint8Array): number => reader(payloadOf(unit), 8).exponential()

const withSpsId = (unit: Uint8Array, id: number): Uint8Array => replaceNumbers(unit, SPS_ID_AT, [id])

const withPpsIds = (unit: Uint8Array, ids: ParameterSetIds): Uint8Array => replaceNumbers(unit, 8, [ids.pps, ids.sps])

const withSliceIds = (unit: Uint8Array, ids: ParameterSetIds): Uint8Array =>
  // Keeps first_mb_in_slice and slice_type.
  replaceNumbers(unit, 8, [undefined, undefined, ids.pps])

/** Replaces consecutive Exp-Golomb numbers from a bit position; `undefined` keeps a number. */
const replaceNumbers = (unit: Uint8Array, from: number, numbers: ReadonlyArray<number | undefined>): Uint8Array => {
  const payload = payloadOf(unit)
  const source = reader(payload, 0)
  const target = writer(payload.length + 8)
  while (source.position() < from) target.bits(source.bits(1), 1)
  for (const number of numbers) {
    const old = source.exponential()
    target.exponential(number ?? old)
  }
  // The last 1 bit ends the payload; the bits after it are padding.
  let end = payload.length * 8
  while (end > 0 && (((payload[(end - 1) >> 3] ?? 0) >> (7 - ((end - 1) & 7))) & 1) === 0) end--
  while (end - source.position() >= 8) target.bits(source.bits(8), 8)
  while (source.position() < end) target.bits(source.bits(1), 1)
  return escape(target.bytes())
}

const reader = (bytes: Uint8Array, start: number) => {
  let position = start
  const bits = (count: number): number => {
    const at = position >> 3
    const window = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    const value = (window >> (16 - (position & 7) - count)) & ((1 << count) - 1)
    position += count
    return value
  }
  const exponential = (): number => {
    let zeros = 0
    while (zeros < 32 && bits(1) === 0) zeros++
    let value = 1
    for (let index = 0; index < zeros; index++) value = value * 2 + bits(1)
    return value - 1
  }
  return { bits, exponential, position: () => position }
}

const writer = (capacity: number) => {
  const target = new Uint8Array(capacity)
  let position = 0
  const bits = (value: number, count: number): void => {
    const at = position >> 3
    const window = value << (16 - (position & 7) - count)
    target[at] = (target[at] ?? 0) | (window >> 8)
    if (at + 1 < capacity) target[at + 1] = window & 255
    position += count
  }
  const exponential = (value: number): void => {
    const code = (value + 1).toString(2)
    for (let index = 1; index < code.length; index++) bits(0, 1)
    for (const bit of code) bits(Number(bit), 1)
  }
  return { bits, exponential, bytes: () => target.subarray(0, (position + 7) >> 3) }
}

/** Removes the emulation prevention bytes: replaces 00 00 03 by 00 00. */
const payloadOf = (unit: Uint8Array): Uint8Array => {
  const payload = new Uint8Array(unit.length)
  let size = 0
  let zeros = 0
  for (const byte of unit) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0
      continue
    }
    zeros = byte === 0 ? zeros + 1 : 0
    payload[size++] = byte
  }
  return payload.subarray(0, size)
}

const escape = (payload: Uint8Array): Uint8Array => {
  const unit: Array<number> = []
  let zeros = 0
  for (const byte of payload) {
    if (zeros >= 2 && byte <= 3) {
      unit.push(3)
      zeros = 0
    }
    zeros = byte === 0 ? zeros + 1 : 0
    unit.push(byte)
  }
  return Uint8Array.from(unit)
}
