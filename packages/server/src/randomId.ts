/** 128 random bits as hex. From WebCrypto and not from Effect's `Random`: two processes must never draw the same id. */
export const randomId = (): string => globalThis.crypto.randomUUID().replaceAll("-", "")
