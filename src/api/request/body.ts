import express, { type RequestHandler } from 'express';
import { largestBody } from '../../requests/original.ts';

/** Reads a body whatever its Content-Type says: the seed's curl lines send none of their own. */
export const readBody: RequestHandler = express.raw({ type: () => true, limit: largestBody, inflate: false });
