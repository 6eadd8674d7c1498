const named: Record<string, string> = { '\\': '\\\\', '"': '\\"', '\n': '\\n', '\t': '\\t' };

/**
 * Quotes a word for ExecStart= of systemd: double quotes with C escapes, `%%` for the `%` of
 * specifiers (systemd.service(5) "COMMAND LINES", systemd.unit(5) "SPECIFIERS"). `$` needs no
 * escape, because our commands begin with `:`. Words contain no other control characters: the
 * contract's schema has refused them.
 */
export function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_@:,./=+-]+$/.test(word)) return word;
  const escaped = word
    .replace(/[\\"\n\t]/g, (character) => named[character] ?? character)
    .replaceAll('%', '%%');
  return `"${escaped}"`;
}
