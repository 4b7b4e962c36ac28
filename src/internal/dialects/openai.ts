import type { Dialect } from "../protocol/dialect.js"

export const openaiHome = { baseUrl: "https://api.openai.com/v1", keyVariable: "OPENAI_API_KEY" }

/** The protocol itself, as its specification has it. OpenAI's hosted service ended on 2026-09-24. */
export const openai: Dialect = {
  name: "openai",
  home: openaiHome,
  authHeader: "authorization",
  paths: {
    createVideo: "/videos",
    extendVideo: "/videos/extensions",
    editVideo: "/videos/edits",
    remixVideo: "/videos/{id}/remix",
    retrieveVideo: "/videos/{id}",
    listVideos: "/videos",
    deleteVideo: "/videos/{id}",
    createCharacter: "/videos/characters",
    retrieveCharacter: "/videos/characters/{id}",
    downloadVideo: "/videos/{id}/content"
  },
  encoding: "json",
  files: "form",
  // The published enum ends at 12; its text, and the service, went to 20.
  seconds: {
    field: "seconds",
    type: "string",
    create: { min: 4, max: 20, step: 4 },
    extend: { min: 4, max: 20, step: 4 }
  },
  size: "size",
  image: "object",
  source: { job: "object", url: null, fileId: null, file: true },
  extension: "whole",
  listTrusted: true
}

/** Lengths for servers that leave them to the model. */
export const anyLength: Dialect["seconds"] = { ...openai.seconds, create: { min: 1 }, extend: { min: 1 } }

/** The protocol with any length, for code that checks a request before it knows its server. */
export const anyServer: Dialect = { ...openai, seconds: anyLength }
