/**
 * How an api fetches a stream directly from a worker: `POST /stream/<name>` with the stream's arguments as JSON and
 * the client's own token in `Authorization: Bearer`. The answer is 200 with the stream's head, as base64url of JSON,
 * in this header, and the stream as a chunked body; or a problem document.
 */
export const directPath = '/stream/';
export const headHeader = 'x-geard-head';
