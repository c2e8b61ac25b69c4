// Receives the changes of recipients from a webhook of the kind json.
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const MAX_AGE = 300; // seconds
const MAX_BODY = 10_000_000;

// Reports whether bouncetail signed this body (a Buffer) a short time ago.
export function genuine(secret, header, body) {
  const fields = Object.fromEntries(header.split(",").map((part) => part.split("=", 2)));
  if (!/^\d+$/.test(fields.t ?? "") || !fields.v1) return false;
  const want = createHmac("sha256", secret).update(`${fields.t}.`).update(body).digest("hex");
  const [a, b] = [Buffer.from(want), Buffer.from(fields.v1)];
  return a.length === b.length && timingSafeEqual(a, b) && Math.abs(Date.now() / 1000 - Number(fields.t)) <= MAX_AGE;
}

// Replace this. It must succeed if it is called twice for one change.
async function handle(change) {
  console.log(change.state, change.recipient);
}

const seen = new Map(); // the last change of each address; keep it in a database

async function receive(secret, request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    if ((size += chunk.length) > MAX_BODY) return 413;
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  if (!genuine(secret, request.headers["x-bouncetail-signature"] ?? "", body)) return 403;
  for (const change of JSON.parse(body).recipients) {
    if (change.seq > (seen.get(change.recipient) ?? 0)) {
      await handle(change);
      seen.set(change.recipient, change.seq);
    }
  }
  // Answer last: after any other answer bouncetail sends the request again.
  return 204;
}

const secret = readFileSync(process.env.SECRET_FILE, "utf8").replace(/[\r\n]+$/, "");
if (!secret) throw new Error("the secret is empty");
createServer((request, response) => {
  receive(secret, request).then(
    (status) => response.writeHead(status).end(),
    (error) => {
      console.error(error);
      response.writeHead(500).end();
    },
  );
}).listen(Number(process.env.PORT ?? 8080), "127.0.0.1");
