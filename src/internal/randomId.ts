/** 128 random bits as hex. From WebCrypto and not from Effect's `Random`: two processes must never draw the same. */
export const randomId = (): string =>
  Array.from(globalThis.crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(
    ""
  )
