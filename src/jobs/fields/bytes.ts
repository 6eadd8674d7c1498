/** Bytes in a mebibyte (IEC 80000-13). */
export const MiB = 1024 * 1024;
