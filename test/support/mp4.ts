/** Reads an MP4 with an independent parser. */
import { createFile, MP4BoxBuffer } from "mp4box"

export const parseMp4 = (bytes: Uint8Array) => {
  const file = createFile()
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(Uint8Array.from(bytes).buffer, 0))
  file.flush()
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
