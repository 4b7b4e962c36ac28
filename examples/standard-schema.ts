import { VideoResource } from "effect-videos"
import { CreateVideoBody } from "effect-videos/Schema"

// Hono, tRPC, TanStack Form and similar libraries accept these as Standard Schemas.
const body = await CreateVideoBody["~standard"].validate({ prompt: "", seconds: "soon" })
for (const { message, path } of body.issues ?? []) console.log(path?.join("."), "must be", message)

const video = await VideoResource["~standard"].validate({ id: "video_1", status: "processing", seconds: "4" })
if (video.issues === undefined) console.log(video.value.status, video.value.seconds)
