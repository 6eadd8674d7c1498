/**
 * Errors of Redis over the content of a key: another type than ours, or a value that is no number.
 * geard never writes such content. A worker may, in the keys of its own host.
 */
const overContent =
  /^(?:WRONGTYPE |ERR (?:hash value is not an integer|value is not a valid float|increment or decrement would overflow))/;

/**
 * The result of reading the keys of one host, or `instead` if their content is malformed: one host
 * must not break what an api reads of many. Any other error stays an error.
 */
export async function unlessMalformed<T>(reading: Promise<T>, instead: T): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof Error && overContent.test(error.message)) return instead;
    throw error;
  }
}
