/** Truncated clips are found by the lengths in their own headers; no whole clip is rejected. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { longestHeader, makeTruncationCheck } from "../src/internal/download/containerCheck.js"
import { runs } from "./support/seeds.js"

const media = [
  "audio-only",
  "fragmented",
  "hevc",
  "mpeg4",
  "odd-444-2997",
  "rotated-cropped",
  "x264-bframes-aac"
] as const

const read = (name: string): Buffer => readFileSync(new URL(`./fixtures/media/${name}.mp4`, import.meta.url))

/** As a stream is followed. */
const streamed = (...pieces: ReadonlyArray<Uint8Array>): string | null => {
  const check = makeTruncationCheck()
  let length = 0
  for (const piece of pieces) {
    check.take(piece, length)
    length += piece.byteLength
  }
  return check.missing(length)
}

/** As a file is followed: by reads here and there. */
const walked = (bytes: Uint8Array): string | null => {
  const check = makeTruncationCheck()
  for (let at = check.next(); at !== null && at < bytes.length; at = check.next()) {
    check.take(bytes.subarray(at, at + longestHeader), at)
  }
  return check.missing(bytes.length)
}

/** A box, its length written in 32 bits, in 64, or as "to the end". */
const box = (type: string, content: Uint8Array, form: "short" | "long" | "open" = "short"): Buffer => {
  const head = Buffer.alloc(form === "long" ? 16 : 8)
  head.writeUInt32BE(form === "short" ? 8 + content.length : form === "long" ? 1 : 0)
  head.write(type, 4, "latin1")
  if (form === "long") head.writeBigUInt64BE(BigInt(16 + content.length), 8)
  return Buffer.concat([head, content])
}

const film = (form: "short" | "long" | "open") =>
  Buffer.concat([
    box("ftyp", Buffer.from("isom")),
    box("moov", Buffer.alloc(40)),
    box("mdat", Buffer.alloc(300, "x"), form)
  ])

/** An element of EBML, its length written in this number of bytes; `null`: unknown. */
const element = (id: string, content: Uint8Array, bytes: number | null): Buffer => {
  const length = Buffer.alloc(bytes ?? 1, 0xff)
  if (bytes !== null) {
    length.writeUIntBE(content.length, Math.max(0, bytes - 6), Math.min(6, bytes))
    if (bytes > 6) length.fill(0, 0, bytes - 6)
    length[0] = (length[0] ?? 0) | (0x80 >> (bytes - 1))
  }
  return Buffer.concat([Buffer.from(id, "hex"), length, content])
}

const webm = (bytes: number | null) =>
  Buffer.concat([element("1a45dfa3", Buffer.alloc(31, 1), 1), element("18538067", Buffer.alloc(300, 2), bytes)])

const webp = (() => {
  const content = Buffer.concat([Buffer.from("WEBPVP8 "), Buffer.alloc(90, 3)])
  const head = Buffer.from("RIFF\0\0\0\0", "latin1")
  head.writeUInt32LE(content.length, 4)
  return Buffer.concat([head, content])
})()

const whole: ReadonlyArray<readonly [string, Buffer]> = [
  ...media.map((name) => [`${name}.mp4`, read(name)] as const),
  ["a film whose length has 64 bits", film("long")],
  ["a WebM", webm(2)],
  ["a WebM whose length has 8 bytes", webm(8)],
  ["a WebP", webp]
]

/** Whole by their own account where they end here. */
const isWholeAt = (name: string, length: number): boolean => {
  if (length < 8) return true
  // The `Segment` begins there.
  if (name.startsWith("a WebM")) return length >= 36 && length < 44
  // Fragments are films in themselves, and so is what comes before an index of them.
  if (name === "fragmented.mp4") {
    return [2195, 2379, 3021, 3205, 3837].some((end) => length >= end && length < end + 8)
  }
  return false
}

describe("a clip", () => {
  it.each(whole)("is complete if no byte is missing: %s", (_, bytes) => {
    assert.isNull(walked(bytes))
    assert.isNull(streamed(bytes))
  })

  it.each(whole)("is truncated if it ends at any byte where no clip can end: %s", (name, bytes) => {
    for (let length = 0; length < bytes.length; length++) {
      const part = bytes.subarray(0, length)
      assert.strictEqual(walked(part) === null, isWholeAt(name, length), `${length} of ${bytes.length} bytes`)
      assert.strictEqual(streamed(part), walked(part), `${length} of ${bytes.length} bytes`)
    }
  })

  it.each([
    ["zeros", Buffer.alloc(5000)],
    ["text", Buffer.from("<html><title>Sign in</title></html>")],
    ["a beginning of a box's length", Buffer.from([0, 1, 0])],
    ["a box of an unknown kind", Buffer.from("\x7f\xff\xff\xffabcd", "latin1")],
    ["a box of no length that could be", Buffer.from("\0\0\0\x05free", "latin1")]
  ] as const)("may be followed by %s", (_, tail) => {
    for (const [name, bytes] of whole) {
      const both = Buffer.concat([bytes, tail])
      assert.isNull(walked(both), name)
      assert.isNull(streamed(both), name)
    }
  })

  it.each([
    ["an mdat that goes to the end", film("open")],
    ["a WebM that was made live", webm(null)],
    ["an AVI", Buffer.from("RIFF\xff\xff\xff\xffAVI LIST", "latin1")],
    ["a JPEG", Buffer.from("ffd8ffe000104a464946000101", "hex")],
    ["a PNG", Buffer.from("89504e470d0a1a0a0000000d49484452", "hex")],
    ["no bytes", Buffer.alloc(0)],
    ["a picture", Buffer.concat([box("ftyp", Buffer.from("avif")), box("meta", Buffer.alloc(20))])],
    [
      "a segment",
      Buffer.concat([box("styp", Buffer.alloc(4)), box("moof", Buffer.alloc(9)), box("mdat", Buffer.alloc(9))])
    ]
  ] as const)("is taken for whole if it is %s", (_, bytes) => {
    for (let length = 0; length <= bytes.length; length++) {
      const part = bytes.subarray(0, length)
      if (length === bytes.length) assert.isNull(walked(part))
      assert.strictEqual(streamed(part), walked(part))
    }
  })

  it("names what is missing", () => {
    const bytes = film("short")
    assert.strictEqual(walked(bytes.subarray(0, -9)), "its `mdat` ends 9 bytes further on")
    assert.strictEqual(walked(bytes.subarray(0, 12)), "it has no `moov`")
    assert.strictEqual(walked(bytes.subarray(0, 60)), "it has no `mdat`")
    assert.strictEqual(walked(film("long").subarray(0, 70)), "it ends within the length of a part")
  })

  it("is followed alike in whatever pieces it comes, and whatever it is", () => {
    const some = FastCheck.oneof(
      FastCheck.constantFrom(...whole.map(([, bytes]) => bytes)),
      FastCheck.uint8Array({ maxLength: 100 }),
      FastCheck.array(
        FastCheck.record({
          type: FastCheck.constantFrom("ftyp", "moov", "mdat", "free", "uuid", "moof", "what"),
          length: FastCheck.nat(40),
          form: FastCheck.constantFrom("short" as const, "long" as const, "open" as const)
        }),
        { maxLength: 6 }
      ).map((all) => Buffer.concat(all.map(({ form, length, type }) => box(type, Buffer.alloc(length, 7), form))))
    )
    FastCheck.assert(
      FastCheck.property(some, FastCheck.nat(), FastCheck.array(FastCheck.nat(30)), (bytes, at, sizes) => {
        const part = bytes.subarray(0, at % (bytes.length + 1))
        const pieces: Array<Uint8Array> = []
        let from = 0
        for (const size of sizes) {
          pieces.push(part.subarray(from, from + size))
          from += size
        }
        pieces.push(part.subarray(from))
        assert.strictEqual(streamed(...pieces), walked(part))
      }),
      { numRuns: runs(200) }
    )
  })
})
