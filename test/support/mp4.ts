/** Reads an MP4 with an independent parser. */
import { createFile, MP4BoxBuffer } from "mp4box"

const parse = (bytes: Uint8Array) => {
  const file = createFile()
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(Uint8Array.from(bytes).buffer, 0))
  file.flush()
  return file
}

/** Returns what an MP4 says of its tracks. */
export const parseTracks = (bytes: Uint8Array) => {
  const file = parse(bytes)
  return file.getInfo().tracks.map((track) => ({
    type: track.video === undefined ? "audio" : "video",
    codec: track.codec,
    width: track.track_width,
    height: track.track_height,
    samples: track.nb_samples,
    seconds: track.samples_duration / track.timescale,
    color: colorIn(file.getTrackById(track.id).mdia.minf.stbl.stsd.entries[0])
  }))
}

/** Returns primaries, transfer, matrix and full range of a track's `colr` box. */
const colorIn = (entry: object | undefined) => {
  const boxes: ReadonlyArray<object> =
    entry !== undefined && "boxes" in entry && Array.isArray(entry.boxes) ? entry.boxes : []
  const color = boxes.find((box) => "type" in box && box.type === "colr") as
    | {
        readonly colour_primaries: number
        readonly transfer_characteristics: number
        readonly matrix_coefficients: number
        readonly full_range_flag: number
      }
    | undefined
  return color === undefined
    ? null
    : [
        color.colour_primaries,
        color.transfer_characteristics,
        color.matrix_coefficients,
        Boolean(color.full_range_flag)
      ]
}

export const parseMp4 = (bytes: Uint8Array) => {
  const file = parse(bytes)
  const info = file.getInfo()
  const track = info.videoTracks[0]
  if (track === undefined) throw new Error("no video track")
  const trak = file.getTrackById(track.id)
  const samples = file.getTrackSamplesInfo(track.id).map((sample) => ({
    data: bytes.subarray(sample.offset, sample.offset + sample.size),
    key: sample.is_sync,
    /** Seconds on the time line of the media. */
    at: sample.cts / sample.timescale,
    duration: sample.duration
  }))
  return {
    bytes,
    boxes: file.boxes.map((box) => box.type),
    tracks: info.tracks.length,
    handler: trak.mdia.hdlr.handler,
    codec: track.codec,
    width: track.video?.width,
    height: track.video?.height,
    movieSeconds: info.duration / info.timescale,
    headerSeconds: trak.tkhd.duration / info.timescale,
    mediaSeconds: track.duration / track.timescale,
    samplesSeconds: samples.reduce((sum, sample) => sum + sample.duration, 0) / track.timescale,
    samples
  }
}
