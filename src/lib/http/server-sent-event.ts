/**
 * Formats a server-sent event. Any line break in the data begins another `data:` line (HTML,
 * section 9.2.6). Does not split the data: a line of a log may be 48 KiB of line breaks.
 */
export function serverSentEvent(data: string, { id, event }: { id?: string; event?: string } = {}): string {
  const fields = [
    ...(id === undefined ? [] : [`id: ${id}\n`]),
    ...(event === undefined ? [] : [`event: ${event}\n`]),
    `data: ${data.replace(/\r\n|\r|\n/g, '\ndata: ')}\n`,
  ];
  return `${fields.join('')}\n`;
}
