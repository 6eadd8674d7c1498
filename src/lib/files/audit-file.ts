import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs';

/** Bytes of a file; it and the one before it are kept. */
const maxBytes = 32 * 1024 * 1024;

/**
 * Appends lines to a file of its own, so that what others log takes no room from them. A full file
 * is renamed to `<path>.1`. Throws where it cannot be opened. A line that cannot be written later
 * on is lost here only: the log has it, too.
 */
export function openAuditFile(path: string, most = maxBytes): (line: string) => void {
  const open = () => openSync(path, 'a', 0o600);
  let file = open();
  let size = statSync(path).size;
  return (line) => {
    try {
      if (size > 0 && size + Buffer.byteLength(line) > most) {
        renameSync(path, `${path}.1`);
        closeSync(file);
        file = open();
        size = 0;
      }
      size += writeSync(file, line);
    } catch {
      // A full disk must not end the process, nor hold up the answer.
    }
  };
}
