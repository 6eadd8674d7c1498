/** The bare handler to compare with: Express, and one BullMQ `add`. usage: bare-handler.ts REDIS-SOCKET PORT */
import { Queue } from 'bullmq';
import express from 'express';
import { Redis } from 'ioredis';

const [socket = '', port = ''] = process.argv.slice(2);
const queue = new Queue('bare', { connection: new Redis({ path: socket, maxRetriesPerRequest: null }) });
const app = express();
app.put('/add', express.json(), async (req, res) => {
  const job = await queue.add('job', { body: req.body, query: req.query });
  res.status(202).json({ id: job.id });
});
app.listen(Number(port), '127.0.0.1', () => console.log('ready'));
