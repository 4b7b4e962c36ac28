/** The annotation that says, in words, what a field accepts; `InvalidRequestError` repeats them. */
export const accepts = (message: string) => ({ message: () => ({ message, override: true }) })
