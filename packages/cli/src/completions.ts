/**
 * The bash completions of `@effect/cli` (0.77), corrected. Its script knows no command with a hyphen in its name, no command
 * below a command, and a set of values only as one word; and after a flag it offers nothing.
 */

/** Any other text is given back as it is. */
export const mendCompletions = (text: string): string =>
  text.startsWith("function _effect-videos_bash_completions()")
    ? text
        // The root is `effect__videos` in the keys of its commands, and has to be that in what they are looked up by.
        .replace('cmd="effect-videos"', 'cmd="effect__videos"')
        .replace(/^( *)effect-videos\)$/m, "$1effect__videos)")
        // A command below a command is looked up by both in one word.
        .replace(/^( *effect__videos),(\w+),(\w+)\)$/gm, "$1__$2,$3)")
        // `compgen -W` wants words.
        .replace(/compgen -W "([^"$]*)"/g, (_, values: string) => `compgen -W "${values.replaceAll(",", " ")}"`)
        .replaceAll(" --wizard", "")
        // After a flag comes anything else: whatever the command has, and not the word that is there.
        .replace(/^ *-[\w-]+\)\n *COMPREPLY=\( "\$\{cur\}" \)\n *return 0\n *;;\n/gm, "")
    : text
