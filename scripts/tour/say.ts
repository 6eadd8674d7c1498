const bold = (text: string) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text);

/** A line of ours. */
export function say(text: string): void {
  process.stdout.write(`${bold('==>')} ${text}\n`);
}

/** A command as one would type it. */
export function showCommand(text: string): void {
  process.stdout.write(`\n${bold(`$ ${text}`)}\n`);
}

/** What a command printed. */
export function showOutput(text: string): void {
  if (text.trim() !== '') process.stdout.write(`${text.trimEnd().replace(/^/gm, '    ')}\n`);
}
