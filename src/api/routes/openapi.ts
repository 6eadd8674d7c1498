import { hash } from 'node:crypto';
import type { RequestHandler } from 'express';
import { openApiDocument } from '../openapi/document.ts';
import { knownEntities } from '../request/preferences.ts';
import { sendText } from '../respond.ts';

/** Serves the OpenAPI document. The first request creates it. */
export function showOpenApi(version: string): RequestHandler {
  let made: { text: string; entity: string } | null = null;
  const make = () => {
    const text = `${JSON.stringify(openApiDocument(version))}\n`;
    return { text, entity: hash('sha256', text, 'base64url') };
  };
  return (req, res) => {
    made ??= make();
    res.setHeader('Cache-Control', 'no-cache');
    res.setHeader('ETag', `"${made.entity}"`);
    if (knownEntities(req).some((known) => known === '*' || known === made?.entity)) {
      res.writeHead(304).end();
      return;
    }
    sendText(res, 200, made.text, 'application/json');
  };
}
