/**
 * Formats a server-sent event. Any line break in the data begins another `data:` line (HTML,
 * section 9.2.6).
 */
export function serverSentEvent(data: string, { id, event }: { id?: string; event?: string } = {}): string {
  const fields = [
    ...(id === undefined ? [] : [`id: ${id}\n`]),
    ...(event === undefined ? [] : [`event: ${event}\n`]),
    ...data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`),
  ];
  return `${fields.join('')}\n`;
}
