/** What the headers of a response say about length, range and version (RFC 9110, 8.8, 13.1.5 and 14). */

export type ResponseHeaders = { readonly [name: string]: string | undefined }

const count = (text: string | undefined): number | null => {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return null
  return Number(text)
}

/** Length of the body as it arrives here; unknown where a client has to decode it first. */
export const lengthOf = (headers: ResponseHeaders): number | null =>
  /^(identity)?$/i.test(headers["content-encoding"] ?? "") ? count(headers["content-length"]) : null

/** `Content-Range: bytes 5-9/10`. */
export const rangeOf = (headers: ResponseHeaders): { readonly start: number; readonly total: number | null } | null => {
  const [, start, , total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/i.exec(headers["content-range"] ?? "") ?? []
  const from = count(start)
  return from === null ? null : { start: from, total: count(total) }
}

/** The length of the whole, as a 416 says it in place of a range: `bytes`, a star, and the length. */
export const unsatisfied = (headers: ResponseHeaders | undefined): number | null =>
  count(/^bytes \*\/(\d+)$/i.exec(headers?.["content-range"] ?? "")?.[1])

/**
 * What a later request can name this version by: a strong entity tag or, if the response has no tag, a date that is at least a
 * second older than the response, so that nothing can have changed since. A weak tag does not promise equal bytes, and some tags
 * cannot be sent back in a header.
 */
export const validatorOf = (headers: ResponseHeaders): string | null => {
  const { "content-encoding": encoding = "", date = "", etag, "last-modified": modified } = headers
  if (!/^(identity)?$/i.test(encoding)) return null
  if (etag !== undefined) return /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : null
  return modified !== undefined && Date.parse(date) - Date.parse(modified) >= 1000 ? modified : null
}

/**
 * Whether a part that was sent is of the version that was asked for: the server may have ignored `If-Range`. An entity tag
 * has to come again; a date need not, if the length is the same.
 */
export const sameVersion = (headers: ResponseHeaders, validator: string | null, sameLength: boolean): boolean => {
  if (validator === null) return false
  if (validator.startsWith('"')) return headers["etag"] === validator
  const modified = headers["last-modified"]
  return modified === undefined ? sameLength : modified === validator
}
