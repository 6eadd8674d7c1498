import express, { type RequestHandler } from 'express';
import { maxBody } from '../../requests/original.ts';

/** Reads a body whatever its Content-Type says: the seed's curl lines send none of their own. */
export const readBody: RequestHandler = express.raw({ type: () => true, limit: maxBody, inflate: false });
