/** Bytes in a mebibyte (IEC 80000-13). */
export const MiB = 1024 * 1024;
/** The most memory that a gear may ask for, in bytes. */
export const maxMemory = 2 ** 50;
