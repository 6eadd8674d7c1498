import { closeSync, existsSync, openSync, renameSync, statSync, writeSync } from 'node:fs';

/** Maximum size of a file in bytes. The current file and its predecessor are kept. */
const maxBytes = 32 * 1024 * 1024;

/**
 * Opens a separate file for audit lines, so that other log lines do not displace them. Returns a
 * function that appends a line, and renames a full file to `<path>.1`. Throws when the file cannot
 * be opened. A later line that cannot be written is lost only here: the log has it, too.
 */
export function openAuditFile(path: string, most = maxBytes): (line: string) => void {
  const open = () => openSync(path, 'a', 0o600);
  let file = open();
  let size = statSync(path).size;
  const startNext = () => {
    // There is no file if somebody has removed it, or if the last attempt could not open one.
    if (existsSync(path)) renameSync(path, `${path}.1`);
    const next = open();
    closeSync(file);
    file = next;
    size = 0;
  };
  return (line) => {
    try {
      if (size > 0 && size + Buffer.byteLength(line) > most) startNext();
      size += writeSync(file, line);
    } catch {
      // A full disk must not end the process, nor hold up the answer.
    }
  };
}
