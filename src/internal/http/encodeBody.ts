/** Encodes a request's fields as the body that the server accepts. */
import * as HttpBody from "@effect/platform/HttpBody"
import type { Dialect } from "../protocol/dialect.js"
import * as wire from "../protocol/jsonReaders.js"
import { dialectBody } from "../protocol/requestBody.js"
import { newForm, textParts } from "./multipart.js"

const encoder = new TextEncoder()

/** A form has texts only. An object of texts is encoded as `video[id]`, as the protocol's own clients do; anything else as JSON. */
export const formFields = (fields: wire.JsonObject): { readonly [name: string]: string } =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]): ReadonlyArray<readonly [string, string]> => {
      if (typeof value === "string") return [[name, value]]
      if (value === null || value === undefined) return []
      return wire.isObject(value) && Object.values(value).every((inner) => typeof inner === "string")
        ? Object.entries(value).map(([key, inner]) => [`${name}[${key}]`, String(inner)])
        : [[name, JSON.stringify(value)]]
    })
  )

const form = (fields: wire.JsonObject): HttpBody.HttpBody => {
  const { boundary, contentType } = newForm()
  const body = `${textParts(formFields(fields), boundary)}--${boundary}--\r\n`
  return HttpBody.uint8Array(encoder.encode(body), contentType)
}

/** @internal */
export const encodeBody = (fields: wire.JsonObject, dialect: Dialect): HttpBody.HttpBody => {
  const body = dialectBody(fields, dialect)
  return dialect.encoding === "form"
    ? form(body)
    : HttpBody.uint8Array(encoder.encode(JSON.stringify(body)), "application/json")
}
