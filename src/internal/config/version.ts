/** The package's version, as servers see it in `user-agent`. A test holds it to `package.json`. */
export const version = "0.1.0"
