/** Quotes a word for a shell, where it needs quotes. */
export const quote = (text: string) =>
  /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
