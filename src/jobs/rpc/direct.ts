import { z } from 'zod';

/**
 * How an api fetches a stream directly from a worker: it POSTs the client's own request, sealed,
 * and the form of the stream, as JSON, to this path. The answer is 200 with the stream's head, as
 * base64url of JSON, in this header, and the stream as a chunked body; or a problem document.
 */
export const directPath = '/stream';
export const headHeader = 'x-geard-head';

export const directRequest = z.strictObject({
  sealed: z.string().max(32_768),
  how: z.object({}).loose(),
});
