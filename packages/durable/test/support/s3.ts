/** A server of the few operations of S3 that a store of clips uses, in memory: it checks checksums, parts and their order. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { buffer } from "node:stream/consumers"
import { crc32 } from "node:zlib"
import { S3Client } from "@aws-sdk/client-s3"
import { Effect } from "effect"

// Its later versions need Node 22; these tests run on Node 20 too.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true"

export const bucket = "films"
export const credentials = { accessKeyId: "AKIDTHEKEY", secretAccessKey: "the-secret" }

/** What the server does with a request instead of its work: an error with this code, or a connection that is cut. */
export type Failure = { readonly status: number; readonly code: string } | "cut"

interface Part {
  readonly body: Buffer
  readonly checksum: string
}

const checksumOf = (body: Buffer): string => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(body))
  return bytes.toString("base64")
}

class S3Error extends Error {
  readonly code: string
  readonly status: number
  constructor(status: number, code: string) {
    super(code)
    this.code = code
    this.status = status
  }
}

/** Starts the server for the scope. `failure` decides about each request: its operation, and the number of a part. */
export const s3Server = (
  failure: (operation: string, part: number) => Failure | null = () => null,
  { corrupt = false }: { readonly corrupt?: boolean } = {}
) =>
  Effect.gen(function* () {
    const objects = new Map<string, Buffer>()
    const uploads = new Map<string, Map<number, Part>>()
    const log: Array<string> = []

    /** The body of a request, if its checksum and its length are right. */
    const bodyOf = async (request: IncomingMessage): Promise<Part> => {
      const body = await buffer(request)
      if (corrupt) body[0] = (body[0] ?? 0) ^ 1
      const checksum = request.headers["x-amz-checksum-crc32"]
      if (checksum === undefined) throw new S3Error(400, "MissingChecksum")
      const own = checksumOf(body)
      if (checksum !== own) throw new S3Error(400, "BadDigest")
      if (Number(request.headers["content-length"]) !== body.length) throw new S3Error(400, "IncompleteBody")
      return { body, checksum: own }
    }

    const partsOf = (uploadId: string): Map<number, Part> => {
      const parts = uploads.get(uploadId)
      if (parts === undefined) throw new S3Error(404, "NoSuchUpload")
      return parts
    }

    /** The object of the listed parts, in the order of the list, which has to be ascending. */
    const join = (parts: Map<number, Part>, list: string): Buffer => {
      const listed = [...list.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, text = ""]) => ({
        number: Number(/<PartNumber>(\d+)/.exec(text)?.[1]),
        checksum: /<ChecksumCRC32>([^<]+)/.exec(text)?.[1]
      }))
      return Buffer.concat(
        listed.map(({ checksum, number }, index) => {
          const part = parts.get(number)
          if (part === undefined || part.checksum !== checksum) throw new S3Error(400, "InvalidPart")
          if (number <= (listed[index - 1]?.number ?? 0)) throw new S3Error(400, "InvalidPartOrder")
          if (index < listed.length - 1 && part.body.length < 5 << 20) throw new S3Error(400, "EntityTooSmall")
          return part.body
        })
      )
    }

    const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const url = new URL(request.url ?? "", "http://s3")
      const [, name, ...rest] = decodeURIComponent(url.pathname).split("/")
      const key = rest.join("/")
      const uploadId = url.searchParams.get("uploadId")
      const part = Number(url.searchParams.get("partNumber"))
      const isBegin = url.searchParams.has("uploads")
      const operation = isBegin
        ? "begin"
        : `${request.method}${part > 0 ? " part" : uploadId === null ? "" : " upload"}`
      log.push(operation)
      const failed = failure(operation, part)
      if (failed === "cut") return void request.socket.destroy()
      if (failed !== null) throw new S3Error(failed.status, failed.code)
      if (!request.headers.authorization?.includes(credentials.accessKeyId))
        throw new S3Error(403, "InvalidAccessKeyId")
      if (name !== bucket) throw new S3Error(404, "NoSuchBucket")
      switch (operation) {
        case "HEAD": {
          const object = objects.get(key)
          if (object === undefined) throw new S3Error(404, "NoSuchKey")
          return void response.writeHead(200, { "content-length": object.length }).end()
        }
        case "GET": {
          const object = objects.get(key)
          if (object === undefined) throw new S3Error(404, "NoSuchKey")
          return void response.writeHead(200, { "content-length": object.length }).end(object)
        }
        case "DELETE":
          objects.delete(key)
          return void response.writeHead(204).end()
        case "PUT":
          objects.set(key, (await bodyOf(request)).body)
          return void response.writeHead(200, { etag: '"whole"' }).end()
        case "begin": {
          const id = `upload-${log.length}`
          uploads.set(id, new Map())
          return void response.end(
            `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`
          )
        }
        case "PUT part": {
          const { body, checksum } = await bodyOf(request)
          partsOf(uploadId ?? "").set(part, { body, checksum })
          return void response.writeHead(200, { etag: `"${part}"`, "x-amz-checksum-crc32": checksum }).end()
        }
        case "POST upload":
          objects.set(key, join(partsOf(uploadId ?? ""), (await buffer(request)).toString()))
          uploads.delete(uploadId ?? "")
          return void response.end("<CompleteMultipartUploadResult><ETag>whole</ETag></CompleteMultipartUploadResult>")
        case "DELETE upload":
          uploads.delete(uploadId ?? "")
          return void response.writeHead(204).end()
        default:
          throw new S3Error(501, "NotImplemented")
      }
    }

    const server = createServer((request, response) => {
      handle(request, response).catch((error: unknown) => {
        const { code, status } = error instanceof S3Error ? error : new S3Error(500, "InternalError")
        // Servers repeat what they were sent.
        const message = `${credentials.accessKeyId} ${request.headers.authorization}`
        response.writeHead(status, { connection: "close" })
        response.end(`<Error><Code>${code}</Code><Message>${message}</Message></Error>`)
        request.resume()
      })
    })
    const port = yield* Effect.acquireRelease(
      Effect.async<number>((resume) => {
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      }),
      () => Effect.sync(() => server.close().closeAllConnections())
    )
    const client = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new S3Client({
            endpoint: `http://127.0.0.1:${port}`,
            region: "eu-central-1",
            forcePathStyle: true,
            credentials,
            // The runs retry, and no test waits for the client's own attempts.
            maxAttempts: 1
          })
      ),
      (client) => Effect.sync(() => client.destroy())
    )
    return { client, log, objects, uploads }
  })
