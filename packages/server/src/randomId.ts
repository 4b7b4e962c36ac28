/** Returns 128 random bits as hex. Uses WebCrypto, not Effect's `Random`: two processes must never draw the same id. */
export const randomId = (): string => globalThis.crypto.randomUUID().replaceAll("-", "")
